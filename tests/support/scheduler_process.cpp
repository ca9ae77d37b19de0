#include "tests/support/scheduler_process.hpp"

#include "tests/support/serving.hpp"
#include "worker/migrate.hpp"

#include <fmt/format.h>

namespace tidesync::tests {

namespace {

std::vector<std::string> command_line(const std::vector<std::string>& more) {
    std::vector<std::string> arguments{tidesync_binary(), "qstash-local", "--listen", "127.0.0.1:0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

} // namespace

variables scheduler_environment(const database& kept) {
    return {
        {"TIDESYNC_QSTASH_DATABASE_URL", kept.url()},
        {"QSTASH_TOKEN", scheduler_process::token},
        {"QSTASH_CURRENT_SIGNING_KEY", current_key},
        {"QSTASH_NEXT_SIGNING_KEY", next_key}};
}

scheduler_process::scheduler_process(const database& kept, const std::vector<std::string>& more) {
    worker::migrate(kept.address(), worker::schema_part::scheduler);
    process_ = std::make_unique<tests::process>(command_line(more), scheduler_environment(kept));
    port_ = await_listening(*process_);
}

std::string scheduler_process::url() const { return fmt::format("http://127.0.0.1:{}", port_); }

http_answer scheduler_process::call(
    const std::string& method, const std::string& target, headers with, const std::string& body) const {
    with.emplace_back("Authorization", fmt::format("Bearer {}", token));
    return request(port_, method, target, with, body);
}

} // namespace tidesync::tests
