#include "worker/commands.hpp"

#include "worker/answers.hpp"
#include "worker/printable.hpp"
#include "worker/redrive.hpp"
#include "worker/report_text.hpp"
#include "worker/run_store.hpp"
#include "worker/start.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

/// What people do to runs and jobs on the command line. Workers that run take up what was asked for.
namespace tidesync::worker {

namespace {

void print(const nlohmann::ordered_json& document) {
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

/// Prints a result: the document with --json, else the line.
exit_code done(const command& command, const nlohmann::ordered_json& document, const std::string& line) {
    if (command.json)
        print(document);
    else
        fmt::print("{}\n", line);
    return exit_code::in_step;
}

exit_code no_run(const command& command) {
    explain_failure(
        command, "not_found", fmt::format("there is no run {}", printable(command.run_id, 80)),
        "`tidesync runs` lists the latest");
    return exit_code::failed;
}

exit_code no_job(const command& command) {
    explain_failure(
        command, "not_found", fmt::format("no worker has ever served job {}", command.job),
        "start `tidesync serve`, or run the job once");
    return exit_code::failed;
}

} // namespace

exit_code list_runs(const command& command) {
    const auto config = settings_with_store(command);
    if (!config) return exit_code::configuration;
    run_store store{config->run_store};
    const auto runs = store.list(command.rows_max);
    const auto alarms = store.list_alarms(alarms_shown_max);
    if (command.json)
        print(history_document(runs, alarms));
    else
        fmt::print("{}{}{}", runs_table(runs), pauses_text(store.list_jobs()), alarms_table(alarms));
    return exit_code::in_step;
}

exit_code show_run(const command& command) {
    const auto config = settings_with_store(command);
    if (!config) return exit_code::configuration;
    const auto run = run_store{config->run_store}.find(command.run_id);
    if (!run) return no_run(command);
    if (command.json)
        print(run_document(*run));
    else
        fmt::print("{}", run_text(*run));
    return exit_code::in_step;
}

exit_code cancel_run(const command& command) {
    const auto config = settings_with_store(command);
    if (!config) return exit_code::configuration;
    run_store store{config->run_store};
    const auto state = store.cancel(command.run_id, user_of_command_line());
    if (state)
        return done(
            command, {{"success", true}, {"status", *state}, {"run", command.run_id}},
            *state == "cancelled" ? "cancelled"
            : *state == "running"
                ? "its worker will notice within seconds, and roll it back"
                : "an earlier attempt may have changed production: a worker looks first, then the run ends");
    const auto run = store.find(command.run_id);
    if (!run) return no_run(command);
    explain_failure(
        command, "conflict", fmt::format("the run has ended: it is {}", run->state), "nothing is left to cancel",
        command.run_id);
    return exit_code::failed;
}

exit_code retry_run(const command& command) {
    const auto config = settings_with_store(command);
    if (!config) return exit_code::configuration;
    run_store store{config->run_store};
    const auto old = store.find(command.run_id);
    if (!old) return no_run(command);
    const auto request = redrive_of(*old, user_of_command_line(), config->run_deadline);
    if (!request) {
        explain_failure(
            command, "conflict", fmt::format("the run is {}", old->state),
            "only a dead, cancelled or skipped run is made up for; `tidesync run` makes a new one", command.run_id);
        return exit_code::failed;
    }
    const auto accepted = store.accept(*request, {});
    if (accepted.what == decision::crowded) {
        explain_crowd(command, old->job);
        return exit_code::failed;
    }
    if (accepted.what == decision::skipped) {
        const auto made = store.find(accepted.run_id);
        explain_failure(
            command, "paused",
            made ? printable(made->error.value("message", "the job is paused")) : "the job is paused",
            fmt::format("`tidesync resume {}` first", old->job), accepted.run_id);
        return exit_code::failed;
    }
    return done(
        command, {{"success", true}, {"decision", to_string(accepted.what)}, {"run", accepted.run_id}},
        fmt::format("run {} is in line; a worker takes it up", accepted.run_id));
}

exit_code list_audit(const command& command) {
    const auto config = settings_with_store(command);
    if (!config) return exit_code::configuration;
    const auto entries = run_store{config->run_store}.list_audit(command.rows_max);
    if (command.json)
        print(audit_document(entries));
    else
        fmt::print("{}", audit_table(entries));
    return exit_code::in_step;
}

exit_code pause_job(const command& command) {
    const auto config = settings_with_store(command);
    if (!config) return exit_code::configuration;
    if (!run_store{config->run_store}.pause(command.job, user_of_command_line(), command.reason))
        return no_job(command);
    return done(
        command, {{"success", true}, {"job", command.job}, {"paused", true}},
        fmt::format("{} starts nothing until `tidesync resume {}`; what runs goes on", command.job, command.job));
}

exit_code resume_job(const command& command) {
    const auto config = settings_with_store(command);
    if (!config) return exit_code::configuration;
    const auto was_paused = run_store{config->run_store}.resume(command.job, user_of_command_line());
    if (!was_paused) return no_job(command);
    return done(
        command, {{"success", true}, {"job", command.job}, {"paused", false}},
        *was_paused ? fmt::format("{} may start again", command.job) : fmt::format("{} was not paused", command.job));
}

} // namespace tidesync::worker
