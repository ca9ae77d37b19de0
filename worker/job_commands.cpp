#include "worker/commands.hpp"

#include "jobs/slave_to_prod/slave_to_prod.hpp"
#include "worker/answers.hpp"
#include "worker/log.hpp"
#include "worker/progress_bar.hpp"
#include "worker/report_text.hpp"
#include "worker/runner.hpp"
#include "worker/start.hpp"

#include <csignal>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

std::atomic<bool> interrupted{false};

/// Lets Ctrl-C and SIGTERM end a run in order: rolled back, and written down as cancelled.
void catch_interrupts() {
    struct sigaction action{};
    action.sa_handler = [](int) { interrupted = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND); // the second one ends the process at once
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

slave_to_prod::slave_to_prod make_job(const settings& config) {
    return slave_to_prod::slave_to_prod{{config.slave, config.production, config.rules, config.limits}};
}

void print(const nlohmann::ordered_json& document) {
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_warnings(const jobs::report& report) {
    for (const auto& warning : report.warnings) fmt::print(stderr, "warning: {}\n", warning);
}

std::string verdict(const run_view& run, const jobs::report& report) {
    if (run.dry_run) return "dry run: nothing was written; these changes wait";
    if (!report.in_step()) return fmt::format("done in {} tables, with warnings", report.tables.size());
    return fmt::format("in step in {} tables", report.tables.size());
}

exit_code show_end(const run_view& run, const command& command) {
    if (run.state != "succeeded") {
        const auto error = run.error.is_object() ? run.error : nlohmann::json::object();
        const auto message = error.value("message", "the run is " + run.state);
        const auto hint = error.value("hint", "see `tidesync runs`");
        explain_failure(command, error.value("code", run.state), message, hint, run.run_id);
        return exit_code::failed;
    }
    if (command.json) {
        print(success_document(run, "manual", true));
        return exit_code::in_step;
    }
    const auto report = run.report.value_or(jobs::report{});
    print_warnings(report);
    fmt::print("{}", sync_table(report));
    fmt::print("{}; run {}\n", verdict(run, report), run.run_id);
    return exit_code::in_step;
}

/// Waits for a run of another process.
/// @returns false when its worker fell silent or gave it back, so that the run can be taken over
bool await_other(run_store& store, const std::string& run_id, std::chrono::steady_clock::time_point until) {
    fmt::print(stderr, "a run is active already; waiting for its end: {}\n", run_id);
    while (!interrupted && std::chrono::steady_clock::now() < until) {
        const auto run = store.find(run_id);
        if (!run) return true;
        if (run->state == "retry_wait" || (run->state == "running" && !run->alive)) return false;
        if (run->state != "queued" && run->state != "running") return true;
        std::this_thread::sleep_for(std::chrono::milliseconds{500});
    }
    return true;
}

/// Starts a run, or takes part in the one that is active, and waits for its end.
std::string join_or_start(run_store& store, runner& runs, const command& command, std::chrono::seconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    const run_request request{
        .job = command.job, .trigger = "manual", .actor = "command line", .dry_run = command.dry_run, .message = {}};
    for (;;) {
        const auto accepted = store.accept(request, process_name());
        if (accepted.claimed) {
            runs.start(*accepted.claimed);
            while (!runs.wait(accepted.run_id, std::chrono::milliseconds{200}))
                if (interrupted) runs.interrupt();
            return accepted.run_id;
        }
        if (await_other(store, accepted.run_id, until)) return accepted.run_id;
    }
}

} // namespace

exit_code run_job(const command& command) {
    const auto config = load_or_explain(purpose::job, command);
    if (!config || !schemas_are_there(*config, command)) return exit_code::configuration;
    catch_interrupts();
    auto job = make_job(*config);
    run_store store{config->run_store};
    store.register_job(command.job);
    progress_bar bar;
    runner runs{store, {&job}, {.run_time = config->run_time_limit}, &bar};

    const auto run_id = join_or_start(store, runs, command, config->run_time_limit + std::chrono::minutes{2});
    bar.finish();
    const auto run = store.find(run_id);
    if (!run) throw std::runtime_error{"the run is not in the run store any more"};
    return show_end(*run, command);
}

exit_code check_job(const command& command) {
    const auto config = load_or_explain(purpose::job, command);
    if (!config) return exit_code::configuration;
    catch_interrupts();
    auto job = make_job(*config);
    progress_bar bar;
    std::stop_source stop;
    const std::jthread watcher{[&stop](const std::stop_token& over) {
        while (!over.stop_requested()) {
            if (interrupted) stop.request_stop();
            std::this_thread::sleep_for(std::chrono::milliseconds{50});
        }
    }};
    const auto result = job.check({.run_id = "", .lease_token = 0, .stop = stop.get_token(), .progress = &bar});
    bar.finish();
    if (const auto* failure = jobs::why(result.how)) {
        explain_failure(command, to_string(failure->code), failure->message, failure->hint);
        return exit_code::failed;
    }

    const bool in_step = result.what.in_step();
    if (command.json) {
        nlohmann::ordered_json document{{"success", true}, {"in_step", in_step}};
        document["tables"] = result.what.tables;
        document["warnings"] = result.what.warnings;
        print(document);
    } else {
        print_warnings(result.what);
        fmt::print("{}", check_table(result.what));
        fmt::print(
            "{}\n", in_step ? "production has every row of the slave as it is"
                            : "production differs: `tidesync run slave-to-prod` brings it in step");
    }
    return in_step ? exit_code::in_step : exit_code::differences;
}

exit_code list_runs(const command& command) {
    const auto config = load_or_explain(purpose::store, command);
    if (!config || !run_store_is_there(*config, command)) return exit_code::configuration;
    run_store store{config->run_store};
    const auto runs = store.list(command.runs_max);
    const auto alarms = store.list_alarms(alarms_shown_max);
    if (command.json)
        print(history_document(runs, alarms));
    else
        fmt::print("{}{}", runs_table(runs), alarms_table(alarms));
    return exit_code::in_step;
}

} // namespace tidesync::worker
