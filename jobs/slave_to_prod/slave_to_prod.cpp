#include "jobs/slave_to_prod/slave_to_prod.hpp"

#include "jobs/failpoint.hpp"
#include "jobs/slave_to_prod/another_snapshot.hpp"
#include "jobs/slave_to_prod/apply.hpp"
#include "jobs/slave_to_prod/landing.hpp"
#include "jobs/slave_to_prod/pause.hpp"
#include "jobs/slave_to_prod/prepare.hpp"
#include "jobs/slave_to_prod/readers.hpp"
#include "jobs/slave_to_prod/review.hpp"
#include "jobs/slave_to_prod/sides.hpp"
#include "jobs/slave_to_prod/stage.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>

namespace tidesync::slave_to_prod {

namespace {

using namespace std::chrono_literals;
using jobs::failure_code;

/// The plan found something that only a person can put right.
struct plan_refused {
    std::vector<std::string> problems;
};

/// Times the phases of a run and announces them.
class phase_clock {
public:
    phase_clock(const jobs::run_context& run, jobs::report& report)
        : run_{run}
        , report_{report} {}
    ~phase_clock() { end(); }
    phase_clock(const phase_clock&) = delete;
    phase_clock& operator=(const phase_clock&) = delete;

    void enter(std::string name) {
        end();
        run_.progress->phase(name);
        name_ = std::move(name);
        start_ = std::chrono::steady_clock::now();
    }

    void end() {
        if (name_.empty()) return;
        report_.phases.push_back(
            {std::exchange(name_, {}),
             std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start_)});
    }

private:
    const jobs::run_context& run_;
    jobs::report& report_;
    std::string name_;
    std::chrono::steady_clock::time_point start_;
};

plan plan_or_refuse(
    const catalog& slave, const catalog& production, const settings& settings, plan_for purpose, jobs::report& report) {
    auto plan = make_plan(slave, production, settings.rules, purpose);
    report.warnings = plan.warnings;
    if (!plan.problems.empty()) throw plan_refused{plan.problems};
    return plan;
}

jobs::outcome refusal(const plan_refused& refused, const std::string& job) {
    const auto text = refused.problems.size() == 1
                          ? refused.problems.front()
                          : fmt::format("{} problems: {}", refused.problems.size(), fmt::join(refused.problems, "; "));
    return jobs::give_up{
        {failure_code::plan_refused, text,
         fmt::format("nothing was changed; `tidesync check {}` repeats the test", job)}};
}

/// After a COMMIT whose answer was lost. Do not guess: the receipt is part of the same transaction.
bool has_receipt(const postgres::address& production, const std::string& run_id) {
    try {
        return find_receipt(production, run_id).has_value();
    } catch (const postgres::error&) {
        return false; // still in doubt: the next try asks again before it does anything
    }
}

/// Every snapshot of the slave was lost.
struct snapshots_lost {
    jobs::outcome how;
};

/// Runs `body`, which takes a snapshot of the slave and reads it; again with another where a standby took the snapshot
/// away. By then nothing has been written but staging tables, which go with the `body` that made them, and what
/// production's transaction had loaded, which has rolled back.
template <typename Body>
void with_snapshots(const jobs::run_context& run, jobs::report& report, Body&& body) {
    bool standby = false;
    int cancelled = 0;
    for (int snapshots = 1;; ++snapshots) {
        try {
            return body();
        } catch (const postgres::error& e) {
            standby = standby || (report.source && report.source->standby);
            const broken_reading broken{.side = e.side(), .sqlstate = e.sqlstate(), .standby = standby};
            if (run.stop.stop_requested() || !is_worth_another_snapshot(broken)) throw;
            if (is_recovery_conflict(broken)) ++cancelled;
            const auto longest = pause_before_another_snapshot(snapshots);
            if (!longest && cancelled > 0) throw snapshots_lost{cancelled_each_time(cancelled, snapshots, e.what())};
            if (!longest) throw;
            pause(run.stop, *longest);
            if (run.stop.stop_requested()) throw;
        }
        jobs::report anew;
        anew.phases = std::move(report.phases); // the time was spent
        report = std::move(anew);
    }
}

/// Runs `body` and turns everything a store can cause into an outcome.
template <typename Body>
jobs::result guarded(const jobs::run_context& run, Body&& body) {
    jobs::result result;
    try {
        body(result.what);
    } catch (const plan_refused& refused) {
        result.how = refusal(refused, run.job);
    } catch (const refused_to_apply& refused) {
        result.how = refused.how;
    } catch (const snapshots_lost& lost) {
        result.how = lost.how;
    } catch (const postgres::error& e) {
        if (e.in_doubt)
            result.how = jobs::retry{
                .after = 1s,
                .why =
                    {failure_code::unreachable, e.what(),
                     "this leaves open whether COMMIT happened: before anything else is done, or the run told as dead, "
                     "its receipt is read"},
                .in_doubt = true};
        else if (run.stop.stop_requested())
            result.how = jobs::give_up{
                {failure_code::stopped, "the run was told to stop; production is as it was before", "run it again"}};
        else
            result.how = postgres::outcome_of(e);
    }
    // Whatever was counted before a failure was rolled back with it.
    if (jobs::why(result.how) != nullptr)
        for (auto& table : result.what.tables) table.inserted = table.updated = table.unchanged = table.deleted = 0;
    return result;
}

} // namespace

jobs::result slave_to_prod::check(const jobs::run_context& run) {
    return guarded(run, [&](jobs::report& report) { compare_all(run, report); });
}

jobs::result slave_to_prod::sync(const jobs::run_context& run, jobs::sync_mode mode) {
    return guarded(run, [&](jobs::report& report) {
        if (mode == jobs::sync_mode::apply) return apply_changes(run, report);
        compare_all(run, report);
        for (auto& table : report.tables) {
            table.inserted = std::exchange(table.missing, 0);
            table.updated = std::exchange(table.different, 0);
        }
    });
}

jobs::settlement slave_to_prod::settle(const jobs::run_context& run) {
    try {
        if (auto receipt = fence_off(settings_.production, settings_.limits, run)) return std::move(*receipt);
        return jobs::nothing_done{};
    } catch (const postgres::error& e) {
        return jobs::retry{
            .after = 5s,
            .why =
                {failure_code::unreachable, e.what(),
                 "whether an attempt has changed production is not known before production answers"},
            .in_doubt = true};
    }
}

void slave_to_prod::apply_changes(const jobs::run_context& run, jobs::report& report) {
    if (auto receipt = find_receipt(settings_.production, run.run_id)) {
        report = std::move(*receipt); // an earlier attempt committed and could not say so
        return;
    }
    with_snapshots(run, report, [&] { apply_snapshot(run, report); });
}

void slave_to_prod::apply_snapshot(const jobs::run_context& run, jobs::report& report) {
    phase_clock phases{run, report};
    phases.enter("plan");
    // Production first: the snapshot of the slave is not to grow old meanwhile.
    const auto live_tables = read_production(settings_.production, settings_.limits);
    const auto purpose = may_delete(settings_.rules) ? readers::purpose::deleting : readers::purpose::moving;
    readers readers{settings_.slave, settings_.production, settings_.limits, purpose, run, report};
    const auto plan = plan_or_refuse(readers.slave_tables(), live_tables, settings_, plan_for::writing, report);
    jobs::failpoint("stage.begun"); // the state of the slave that will be written is chosen

    phases.enter("compare");
    readers.open_more(plan, report.warnings);
    auto tables = survey(plan, readers, report);

    phases.enter("stage");
    staging_area staging{settings_.production, run, settings_.limits, report.warnings};
    prepare(plan, tables, readers, staging, report);
    auto slave = readers.leave(); // nothing of production is held any more until it is written
    if (std::ranges::none_of(tables, [](const auto& table) { return table.how == strategy::load; }))
        close_snapshot(slave);
    staging.complete(plan, tables);
    review(plan, tables, settings_.rules, find_last_receipt(settings_.production, run.job), run, report);

    phases.enter("apply");
    try {
        apply(settings_.production, plan, tables, slave, settings_.limits, run, report);
    } catch (const postgres::error& e) {
        if (!e.in_doubt || !has_receipt(settings_.production, run.run_id)) throw;
    }
}

void slave_to_prod::compare_all(const jobs::run_context& run, jobs::report& report) {
    with_snapshots(run, report, [&] { compare_snapshot(run, report); });
}

void slave_to_prod::compare_snapshot(const jobs::run_context& run, jobs::report& report) {
    phase_clock phases{run, report};
    phases.enter("plan");
    const auto live_tables = read_production(settings_.production, settings_.limits);
    readers readers{settings_.slave, settings_.production, settings_.limits, readers::purpose::comparing, run, report};
    const auto plan = plan_or_refuse(readers.slave_tables(), live_tables, settings_, plan_for::comparing, report);

    phases.enter("compare");
    readers.open_more(plan, report.warnings);
    compare(plan, readers, report);
    auto slave = readers.leave();
    close_snapshot(slave);
    foresee(plan, settings_.rules, find_last_receipt(settings_.production, run.job), report);
}

} // namespace tidesync::slave_to_prod
