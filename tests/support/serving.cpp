#include "tests/support/serving.hpp"

#include "qstash/sign.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace tidesync::tests {

namespace {

std::uint16_t port_from_log(const std::string& log) {
    std::istringstream lines{log};
    for (std::string line; std::getline(lines, line);) {
        const auto event = nlohmann::json::parse(line, nullptr, false);
        if (event.is_object() && event.value("event", "") == "listening") return event.at("port").get<std::uint16_t>();
    }
    return 0;
}

} // namespace

std::uint16_t await_listening(process& server) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    for (;;) {
        if (const auto port = port_from_log(server.err()); port != 0) return port;
        if (server.wait(std::chrono::milliseconds{20}) || std::chrono::steady_clock::now() > until)
            throw std::runtime_error{fmt::format("the server does not come up:\n{}", server.err())};
    }
}

variables worker_environment(const pair_of_databases& databases) {
    return {
        {"SLAVE_DATABASE_URL", databases.slave.url()},
        {"PROD_DATABASE_URL", databases.production.url()},
        {"QSTASH_CURRENT_SIGNING_KEY", current_key},
        {"QSTASH_NEXT_SIGNING_KEY", next_key},
        {"TIDESYNC_PUBLIC_URL", public_url},
        {"TIDESYNC_ADMIN_TOKEN", admin_token},
        {"TIDESYNC_LISTEN", "127.0.0.1:0"}};
}

serving::serving(const variables& environment)
    : worker_{std::make_unique<process>(std::vector<std::string>{tidesync_binary(), "serve"}, environment)}
    , port_{await_listening(*worker_)} {}

std::string signature(const serving::message& message) {
    return qstash::sign(
        {.url = message.url,
         .body = message.body,
         .jti = message.jti,
         .iat = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) - message.age},
        message.key);
}

headers delivery_headers(const serving::message& message) {
    headers with{
        {"Content-Type", "application/json"},
        {"Upstash-Message-Id", message.id},
        {"Upstash-Retried", "0"},
        {"Upstash-Signature", signature(message)}};
    with.insert(with.end(), message.more.begin(), message.more.end());
    return with;
}

http_answer serving::deliver(const message& sent) const {
    return request(port_, "POST", sent.route, delivery_headers(sent), sent.body);
}

http_answer serving::as_person(const std::string& method, const std::string& target, const std::string& body) const {
    return request(port_, method, target, {{"Authorization", fmt::format("Bearer {}", admin_token)}}, body);
}

bool serving::logs(std::string_view text) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (worker_->err().find(text) == std::string::npos) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    return true;
}

} // namespace tidesync::tests
