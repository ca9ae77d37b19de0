#include "worker/ask_worker.hpp"
#include "worker/commands.hpp"
#include "worker/start.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

namespace tidesync::worker {

namespace {

constexpr std::chrono::seconds answer_limit{3}; // a probe that takes longer is as good as none

} // namespace

exit_code health(const command& command) {
    const auto config = load_or_explain(purpose::health, command);
    if (!config) return exit_code::configuration;
    const auto url = local_url(config->for_people());
    if (url.empty()) {
        explain_failure(
            command, "configuration", fmt::format("{} has port 0", config->for_people().setting),
            "give it the port of the worker that is to be asked");
        return exit_code::configuration;
    }
    try {
        const auto answer = ask_worker(url + (command.ready ? "/readyz" : "/livez"), {}, std::nullopt, answer_limit);
        const auto said = nlohmann::json::parse(answer.body, nullptr, false);
        if (answer.status == 200) {
            fmt::print("{}\n", text_member(said, "status"));
            return exit_code::in_step;
        }
        const auto error = said.is_object() ? said.value("error", nlohmann::json{}) : nlohmann::json{};
        explain_failure(
            command, "unhealthy", fmt::format("{} answers {}: {}", url, answer.status, text_member(error, "message")),
            "the worker's log has the reason");
    } catch (const std::runtime_error& e) {
        explain_failure(command, "unhealthy", e.what(), "is `tidesync serve` running, with the same settings?");
    }
    return exit_code::differences;
}

exit_code pre_stop(const command& command) {
    std::this_thread::sleep_for(command.sleep);
    return exit_code::in_step;
}

} // namespace tidesync::worker
