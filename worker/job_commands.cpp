#include "worker/commands.hpp"

#include "jobs/stores/postgres/failure.hpp"
#include "worker/alarm_sender.hpp"
#include "worker/answers.hpp"
#include "worker/job_list.hpp"
#include "worker/log.hpp"
#include "worker/pings.hpp"
#include "worker/printable.hpp"
#include "worker/progress_bar.hpp"
#include "worker/report_text.hpp"
#include "worker/run_queue.hpp"
#include "worker/runner.hpp"
#include "worker/start.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

std::atomic<bool> interrupted{false};
std::atomic<bool> terminated{false};

/// Lets both end a run in order, rolled back: Ctrl-C for good, SIGTERM for another worker to go on with.
void catch_interrupts() {
    struct sigaction action{};
    action.sa_handler = [](int signal) {
        if (signal == SIGTERM) terminated = true;
        interrupted = true;
    };
    action.sa_flags = static_cast<int>(SA_RESETHAND); // the second one ends the process at once
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

/// Explains what is wrong when the job file does not have it.
bool job_is_there(const command& command, const settings& config) {
    if (find_job(config, command.job) != nullptr) return true;
    explain_failure(
        command, "usage", fmt::format("there is no job {}", printable(command.job, 64)),
        fmt::format("the jobs are: {}", fmt::join(job_names(config), ", ")));
    return false;
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
        const auto message = printable(error.value("message", "the run is " + run.state));
        const auto hint = error.value("hint", "see `tidesync runs`");
        const auto code = error.value("code", run.state);
        explain_failure(command, code, message, hint, run.run_id);
        return code == "guarded" ? exit_code::refused : exit_code::failed;
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

/// A process that works for one run: it takes part as any worker does, so that the run is done even where no other is.
class helping_hand {
public:
    helping_hand(const settings& config, const job_rules& rules)
        : alarms_{config.alarms}
        , job_{make_job(config, rules.name)}
        , store_{config.run_store, config.lease}
        , pings_{make_pings(config)}
        , runs_{store_, {&job_}, {.run_time = config.run_time_limit}, &bar_, observers()} {
        store_.register_job(rules, run_store::rules::keep);
    }

    run_store& store() { return store_; }

    acceptance accept(const run_request& request) {
        auto accepted = store_.accept(request, name_);
        if (accepted.claimed) runs_.start(std::move(*accepted.claimed));
        return accepted;
    }

    /// Works on what is to be done until the run is over.
    /// @param ours  Ctrl-C ends the run, not only our part in it
    /// @returns nothing when Ctrl-C ended the waiting
    std::optional<run_view> await(const std::string& run_id, bool ours) {
        run_queue queue{store_, runs_, name_, {}};
        bool cancelled = false;
        bool said_pause = false;
        auto next_look = std::chrono::steady_clock::time_point{};
        std::string state;
        const auto began = std::chrono::steady_clock::now();
        auto answered = began;
        std::optional<run_view> run;
        while (!run || !run->is_over()) {
            std::this_thread::sleep_for(pause_after(std::chrono::steady_clock::now() - began));
            if (interrupted && (terminated || !ours)) {
                bar_.finish();
                return std::nullopt; // what we work on is given back
            }
            try {
                if (interrupted && !cancelled) {
                    runs_.interrupt(run_id);
                    static_cast<void>(store_.cancel(run_id, user_of_command_line()));
                    cancelled = true;
                }
                run = store_.find(run_id);
                if (!run) throw std::runtime_error{"the run is not in the run store any more"};
                answered = std::chrono::steady_clock::now();
                if (run->state != state) say_state(*run);
                state = run->state;
                const bool waits = state == "queued" || state == "retry_wait";
                if (waits && !run->dry_run && !said_pause && answered > next_look) { // a pause stops no dry run
                    said_pause = say_pause(run->job);
                    next_look = answered + std::chrono::seconds{2};
                }
            } catch (const postgres::error&) { // the heartbeat decides how long the work itself may go on
                if (std::chrono::steady_clock::now() - answered > store_patience) throw;
            }
        }
        bar_.finish();
        if (run->state == "dead") tell_of_alarms();
        if (pings_) pings_->finish(std::chrono::seconds{5});
        return run;
    }

private:
    static constexpr std::chrono::minutes store_patience{2};

    /// A twentieth of the time that has passed, within bounds: a short run must not be kept waiting, and the run store
    /// not be asked all the time for a long one.
    static std::chrono::steady_clock::duration pause_after(std::chrono::steady_clock::duration passed) {
        return std::clamp<std::chrono::steady_clock::duration>(
            passed / 20, std::chrono::milliseconds{10}, std::chrono::milliseconds{200});
    }

    /// Where no worker is up, nobody else would.
    void tell_of_alarms() {
        if (alarms_.url.empty()) return;
        alarm_sender{store_, alarms_, {}, {.answer_limit = std::chrono::seconds{5}}}.finish(3);
    }

    static std::unique_ptr<pings> make_pings(const settings& config) {
        if (config.ping_url.empty()) return nullptr;
        return std::make_unique<pings>(
            config.ping_url, config.jobs.front().name, run_observers{},
            pings::rhythm{.answer_limit = std::chrono::seconds{5}});
    }

    [[nodiscard]] run_observers observers() const { return pings_ ? run_observers{pings_.get()} : run_observers{}; }

    static void say_state(const run_view& run) {
        if (run.state == "queued") fmt::print(stderr, "waiting for its turn: {}\n", run.run_id);
        if (run.state == "retry_wait")
            fmt::print(
                stderr, "will be tried again at {}: {}\n", run.run_after,
                run.error.is_object() ? printable(run.error.value("message", "")) : "");
    }

    /// A job that is paused while its run waits. @returns whether it is
    bool say_pause(const std::string& name) {
        for (const auto& job : store_.list_jobs()) {
            if (job.name != name || job.paused_at.empty()) continue;
            bar_.finish();
            fmt::print(
                stderr, "{} is paused by {}: {}; no attempt begins until `tidesync resume {}`\n", name,
                printable(job.paused_by), printable(job.paused_reason), name);
            return true;
        }
        return false;
    }

    std::string name_ = process_name();
    alarm_receiver alarms_;
    slave_to_prod::slave_to_prod job_;
    progress_bar bar_;
    run_store store_;
    std::unique_ptr<pings> pings_;
    runner runs_;
};

exit_code leave(const command& command, const std::string& run_id) {
    explain_failure(
        command, "stopped", "the run goes on without this command, as soon as a worker is there",
        fmt::format("`tidesync runs cancel {}` ends it", run_id), run_id);
    return exit_code::failed;
}

/// Why `ensure` did what it did, in one line.
std::string told(const run_store::fallback& found) {
    switch (found.what) {
    case run_store::fallback::kind::served:
        if (found.run.state == "dead")
            return fmt::format(
                "slot {} had its run, which is dead: `tidesync runs show {}` says why, `runs retry` makes up for it",
                found.slot, found.run.run_id);
        return fmt::format(
            "{}: slot {} is served by run {} ({}, {})", found.run.is_over() ? "nothing to do" : "under way", found.slot,
            found.run.run_id, found.run.trigger, found.run.state);
    case run_store::fallback::kind::paused:
        return fmt::format(
            "nothing to do: the job is paused by {}: {}", printable(found.paused_by), printable(found.paused_reason));
    case run_store::fallback::kind::created:
        break;
    }
    return fmt::format("nothing has served slot {}: made run {}", found.slot, found.run.run_id);
}

nlohmann::ordered_json fallback_document(const run_store::fallback& found) {
    const bool served = found.what == run_store::fallback::kind::served;
    const bool paused = found.what == run_store::fallback::kind::paused;
    nlohmann::ordered_json document{
        {"success", found.run.state != "dead"},
        {"decision", served   ? "served"
                     : paused ? "paused"
                              : "created"},
        {"slot", found.slot}};
    if (!paused) document["run"] = found.run.run_id;
    document["message"] = told(found);
    return document;
}

} // namespace

exit_code run_job(const command& command) {
    const auto config = load_or_explain(purpose::job, command);
    if (!config) return exit_code::configuration;
    if (!job_is_there(command, *config)) return exit_code::usage;
    if (!schemas_are_there(*config, command)) return exit_code::configuration;
    catch_interrupts();
    helping_hand worker{*config, *find_job(*config, command.job)};
    const auto who = user_of_command_line();
    const auto accepted = worker.accept(
        {.job = command.job,
         .trigger = "manual",
         .actor = who.actor,
         .dry_run = command.dry_run,
         .message = {},
         .time_for_all = config->run_deadline,
         .approves = command.approve,
         .remote = who.remote});
    if (accepted.what == decision::unapprovable) {
        explain_failure(
            command, "conflict",
            fmt::format("run {} cannot be approved: {}", printable(command.approve, 40), accepted.why),
            "`tidesync runs` lists what a guard stopped");
        return exit_code::failed;
    }
    if (accepted.what == decision::crowded) {
        explain_crowd(command, command.job);
        return exit_code::failed;
    }
    if (accepted.what == decision::coalesced)
        fmt::print(stderr, "a run waits in line already and will do: {}\n", accepted.run_id);
    const auto run = worker.await(accepted.run_id, accepted.what != decision::coalesced);
    return run ? show_end(*run, command) : leave(command, accepted.run_id);
}

exit_code ensure_slot(const command& command) {
    const auto config = load_or_explain(purpose::job, command);
    if (!config) return exit_code::configuration;
    if (!job_is_there(command, *config)) return exit_code::usage;
    if (!schemas_are_there(*config, command)) return exit_code::configuration;
    catch_interrupts();
    helping_hand worker{*config, *find_job(*config, command.job)};
    const auto found = worker.store().ensure(
        {.job = command.job,
         .trigger = "cronjob",
         .actor = "ensure",
         .message = {},
         .time_for_all = config->run_deadline});
    fmt::print(stderr, "{}\n", told(found));
    const bool paused = found.what == run_store::fallback::kind::paused;
    const bool made = found.what == run_store::fallback::kind::created;
    // Somebody may be at it, or have left it: with a hand more it ends, and until then nothing is served.
    if (command.wait && !paused && !found.run.is_over()) {
        const auto run = worker.await(found.run.run_id, made);
        return run ? show_end(*run, command) : leave(command, found.run.run_id);
    }
    if (command.json) print(fallback_document(found));
    return found.run.state == "dead" ? exit_code::failed : exit_code::in_step;
}

exit_code check_job(const command& command) {
    const auto config = load_or_explain(purpose::job, command);
    if (!config) return exit_code::configuration;
    if (!job_is_there(command, *config)) return exit_code::usage;
    catch_interrupts();
    auto job = make_job(*config, command.job);
    progress_bar bar;
    std::stop_source stop;
    const std::jthread watcher{[&stop](const std::stop_token& over) {
        while (!over.stop_requested()) {
            if (interrupted) stop.request_stop();
            std::this_thread::sleep_for(std::chrono::milliseconds{50});
        }
    }};
    const auto result =
        job.check({.job = command.job, .run_id = "", .lease_token = 0, .stop = stop.get_token(), .progress = &bar});
    bar.finish();
    if (const auto* failure = jobs::why(result.how)) {
        explain_failure(command, to_string(failure->code), failure->message, failure->hint);
        return exit_code::failed;
    }

    const bool in_step = result.what.in_step() && result.what.totals().deleted == 0;
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
                            : fmt::format("production differs: `tidesync run {}` brings it in step", command.job));
    }
    return in_step ? exit_code::in_step : exit_code::differences;
}

} // namespace tidesync::worker
