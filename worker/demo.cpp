#include "worker/commands.hpp"

#include "qstash/client.hpp"
#include "worker/ask_worker.hpp"
#include "worker/report_text.hpp"
#include "worker/schedule_order.hpp"
#include "worker/schedule_text.hpp"
#include "worker/schedules.hpp"
#include "worker/settings_reader.hpp"
#include "worker/start.hpp"
#include "worker/utc.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace tidesync::worker {

namespace {

constexpr std::string_view job = "slave-to-prod";
constexpr auto own_id = "tidesync-demo"; // its own: that of the job may be a real one
constexpr std::chrono::seconds answer_limit{10};
constexpr std::chrono::minutes run_limit{10};
constexpr std::chrono::seconds arrival_limit{60};
constexpr std::chrono::milliseconds ask_every{200};

/// One line of the story: what happened, and in whose words.
void tell(std::string_view what, const std::string& text) {
    fmt::print("{:<10} {}\n", what, text);
    std::fflush(stdout);
}

nlohmann::json ask(const settings& config, const std::string& path) {
    const auto answer = ask_worker(
        local_url(config.for_people()) + path, {fmt::format("Authorization: Bearer {}", config.admin_token.reveal())},
        std::nullopt, answer_limit);
    auto document = nlohmann::json::parse(answer.body, nullptr, false);
    if (answer.status != 200 || !document.is_object())
        throw std::runtime_error{fmt::format("the worker answers {} with HTTP {}", path, answer.status)};
    return document;
}

/// The run that a delivery of this message belongs to.
/// @throws std::runtime_error with what the scheduler wrote down when it does not come
nlohmann::json await_arrival(const settings& config, qstash::client& client, const std::string& message_id) {
    const auto until = std::chrono::steady_clock::now() + arrival_limit;
    for (;;) {
        auto run = run_of_message(ask(config, "/api/runs"), message_id);
        if (!run.is_null()) return run;
        if (std::chrono::steady_clock::now() > until) {
            std::string said;
            for (const auto& entry : client.list_logs(message_id)) said += "; " + log_line(entry);
            throw std::runtime_error{fmt::format("message {} did not arrive{}", message_id, said)};
        }
        std::this_thread::sleep_for(ask_every);
    }
}

nlohmann::json await_end(const settings& config, const std::string& run_id) {
    const auto until = std::chrono::steady_clock::now() + run_limit;
    for (;;) {
        auto run = ask(config, "/api/runs/" + run_id);
        const auto state = run.value("state", "");
        if (state == "succeeded" || state == "dead" || state == "cancelled") return run;
        if (std::chrono::steady_clock::now() > until) throw std::runtime_error{"the run took longer than 10 minutes"};
        std::this_thread::sleep_for(ask_every);
    }
}

std::string time_text(qstash::milliseconds_since_epoch when) { return utc_text(when).substr(11, 12); }

/// `12:00:00.010 CREATED, 12:00:00.013 ACTIVE, 12:00:01.200 DELIVERED`
std::string history_of(qstash::client& client, const std::string& message_id) {
    // The answer is on its way to the scheduler while the run can be seen already.
    const auto until = std::chrono::steady_clock::now() + answer_limit;
    std::vector<qstash::log_entry> log;
    do {
        log = client.list_logs(message_id);
        if (!log.empty() && log.front().state == "DELIVERED") break;
        std::this_thread::sleep_for(ask_every);
    } while (std::chrono::steady_clock::now() < until);
    std::string text;
    std::ranges::reverse(log); // it came newest first
    for (const auto& entry : log) {
        if (!text.empty()) text += ", ";
        if (const auto& time = entry.time) text += time_text(*time) + " ";
        text += entry.state;
    }
    return text;
}

/// Waits for the schedule's own tick. @returns its run
nlohmann::json await_tick(const settings& config, qstash::client& client, const std::string& schedule_id) {
    const auto schedule = client.get_schedule(schedule_id);
    const auto due =
        schedule.next_tick.value_or(std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
    tell("waiting", fmt::format("for the schedule's tick at {}", time_text(due)));
    const auto until = due + arrival_limit;
    const auto actor = "qstash schedule " + schedule_id;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(due - std::chrono::system_clock::now());
        if (isatty(STDERR_FILENO) != 0)
            fmt::print(stderr, "\r\033[K{}", left.count() > 0 ? fmt::format("{:>10} s", left.count()) : "");
        if (left.count() <= 0) {
            const auto history = ask(config, "/api/runs");
            for (const auto& run : history.at("runs")) {
                if (run.value("actor", "") != actor || run.value("created_at", "") < utc_text(due)) continue;
                if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\033[K");
                return await_end(config, run.at("run").get<std::string>());
            }
        }
        if (std::chrono::system_clock::now() > until) throw std::runtime_error{"the schedule did not tick"};
        std::this_thread::sleep_for(ask_every);
    }
}

/// @throws std::runtime_error when it did not succeed
jobs::report report_of(const nlohmann::json& run) {
    if (run.value("state", "") != "succeeded")
        throw std::runtime_error{
            fmt::format("the run is {}: {}", run.value("state", ""), run.value("error", nlohmann::json{}).dump())};
    return run.at("report").get<jobs::report>();
}

} // namespace

exit_code demo(const command& command) {
    const auto config = load_or_explain(purpose::setup, command);
    if (!config) return exit_code::configuration;
    if (const auto where = split_url(config->qstash_url); !where || !is_loopback(where->host)) {
        explain_failure(
            command, "configuration",
            fmt::format("QSTASH_URL is {}: the demo makes a schedule that ticks every minute", config->qstash_url),
            "set QSTASH_URL to a scheduler on this machine (`tidesync qstash-local --dev`)");
        return exit_code::configuration;
    }
    qstash::client client{qstash_client(*config, arrival_limit)};

    const schedule_order order{.job = std::string{job}, .schedule_id = own_id, .cron = "* * * * *"};
    const auto placed = place_schedule(client, std::get<qstash::schedule_request>(request_for(order, *config)));
    if (placed.paused) client.resume_schedule(placed.schedule_id); // else it would wait for a tick in vain
    tell("schedule", fmt::format("{}, every minute for this demo, kept by {}", placed.schedule_id, config->qstash_url));
    const auto message_id = trigger_schedule(client, *config, placed.schedule_id);
    tell("message", fmt::format("{}... for {}", message_id.substr(0, 16), job_url(*config, job)));
    const auto arrived = await_arrival(*config, client, message_id);
    const auto run = await_end(*config, arrived.at("run").get<std::string>());
    tell("delivered", fmt::format("{}", history_of(client, message_id)));
    tell("run", fmt::format("{}, which the worker started once it had verified the signature", run.value("run", "")));
    fmt::print("\n{}\n", sync_table(report_of(run)));

    const auto compared =
        check_job({.what = command::verb::check, .job = std::string{job}, .config_file = command.config_file});
    if (compared != exit_code::in_step) return compared;
    fmt::print("production equals slave\n\n");

    const auto ticked = await_tick(*config, client, placed.schedule_id);
    const auto totals = report_of(ticked).totals();
    tell(
        "tick", fmt::format(
                    "at {}: {} rows inserted, {} updated, {} unchanged", ticked.value("created_at", "").substr(11, 12),
                    totals.inserted, totals.updated, totals.unchanged));
    tell("ticking", fmt::format("on every minute, until `tidesync schedule delete {}`", placed.schedule_id));
    return exit_code::in_step;
}

} // namespace tidesync::worker
