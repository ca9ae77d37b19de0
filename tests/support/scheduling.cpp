#include "tests/support/scheduling.hpp"

#include "tests/catch.hpp"

#include <fmt/format.h>

namespace tidesync::tests {

using namespace std::chrono_literals;

scheduling::scheduling(qstash::local::tick_rules ticks, qstash::local::destination_policy policy)
    : transactions_{"scheduler store", database_.address()}
    , ticks_{ticks}
    , policy_{std::move(policy)}
    , now_ms_{1'795'000'000'000 - 1'795'000'000'000 % 3'600'000} {
    for (const auto file : qstash::local::schema_files()) database_.run(file);
    store_ = std::make_unique<qstash::local::store>(
        [this](auto activity, const auto& body) { transactions_.run(activity, body); },
        std::vector<std::string>{"default", "other"});
    store_->give_keys("default", {current_key, next_key}, false);
    api_ = std::make_unique<qstash::local::api>(
        *store_, qstash::local::api::settings{
                     .accounts = {{"default", token}, {"other", "another-token-only-for-tests"}},
                     .policy = policy_,
                     .made =
                         [this] {
                             for (const auto& loop : loops_) loop->wake();
                         },
                     .clock = [this] { return now(); }});
}

scheduling::~scheduling() { stop(); }

qstash::local::time_point scheduling::now() const {
    return qstash::local::time_point{std::chrono::milliseconds{now_ms_.load()}};
}

void scheduling::advance(std::chrono::milliseconds by) {
    now_ms_ += by.count();
    for (const auto& loop : loops_) loop->wake();
}

void scheduling::start() {
    loops_.push_back(std::make_unique<qstash::local::scheduler>(
        *store_,
        qstash::local::scheduler::settings{
            .policy = policy_, .ticks = ticks_, .poll = 50ms, .clock = [this] { return now(); }},
        qstash::local::observer{}));
    threads_.emplace_back([loop = loops_.back().get()](const std::stop_token& stop) { loop->run(stop); });
}

void scheduling::stop() {
    threads_.clear(); // asks to stop, and joins
    loops_.clear();
}

scheduling::reply scheduling::call(
    const std::string& method, const std::string& target, qstash::local::header_fields headers,
    const std::string& body) const {
    headers.emplace_back("authorization", fmt::format("Bearer {}", token));
    const auto answer = api_->handle(
        {.method = method, .target = target, .headers = std::move(headers), .body = body, .remote = "192.0.2.7"});
    return {answer.status, nlohmann::json::parse(answer.body, nullptr, false)};
}

std::string scheduling::publish(
    const std::string& url, const qstash::local::header_fields& headers, const std::string& body) const {
    const auto answer = call("POST", "/v2/publish/" + url, headers, body);
    INFO(answer.body.dump());
    REQUIRE(answer.status == 200);
    return answer.body.at("messageId").get<std::string>();
}

std::string scheduling::states(const std::string& message_id) const {
    const auto answer = call("GET", "/v2/logs?order=earliestFirst&messageId=" + message_id);
    std::string text;
    for (const auto& entry : answer.body.at("logs"))
        text += (text.empty() ? "" : " ") + entry.at("state").get<std::string>();
    return text;
}

bool scheduling::settle() const {
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (database_.value("SELECT count(*) FROM tidesync_qstash.message WHERE state = 'active'") != "0") {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

bool scheduling::await_states(const std::string& message_id, const std::string& expected) const {
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (states(message_id) != expected) {
        if (std::chrono::steady_clock::now() > until) {
            UNSCOPED_INFO("the log says: " << states(message_id));
            return false;
        }
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

} // namespace tidesync::tests
