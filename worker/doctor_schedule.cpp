#include "worker/doctor_findings.hpp"

#include "qstash/cron.hpp"
#include "worker/printable.hpp"
#include "worker/schedule_order.hpp"
#include "worker/schedules.hpp"
#include "worker/utc.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

namespace tidesync::worker {

namespace {

using state = check::state;

constexpr int ticks_looked_at = 12;

check judge_last(const qstash::schedule& schedule, std::string_view id) {
    const bool failed =
        std::ranges::any_of(schedule.last_states, [](const auto& entry) { return entry.second == "FAIL"; });
    if (failed || !schedule.error.empty())
        return {
            state::warning,
            schedule.error.empty()
                ? fmt::format("QStash could not deliver what schedule {} last sent", id)
                : fmt::format("QStash says of the last tick of {}: {}", id, printable(schedule.error, 200)),
            "docs/runbook.md, \"A delivery failed for good\"; the next tick brings over all that is missing"};
    if (schedule.last_states.empty()) return {state::note, fmt::format("schedule {} has not ticked yet", id), {}};
    const bool under_way =
        std::ranges::any_of(schedule.last_states, [](const auto& entry) { return entry.second == "IN_PROGRESS"; });
    return {
        state::ok,
        fmt::format(
            "the last {} of {} {}", under_way ? "message" : "delivery", id,
            under_way ? "is on its way, or being retried" : "went well"),
        {}};
}

} // namespace

std::vector<check> judge_schedule(
    const job_rules& job, const std::optional<qstash::schedule>& found, const settings& config,
    std::chrono::sys_seconds now) {
    const auto id = default_schedule_id(job.name);
    if (!found)
        return {
            {state::warning, fmt::format("QStash has no schedule {}: it calls nobody", id),
             "`tidesync setup` tests everything and makes it"}};
    std::vector<check> lines;
    const auto tick = next_tick(*found, now);
    if (found->paused)
        lines.push_back(
            {state::warning, fmt::format("schedule {} is paused: nothing is delivered", id),
             fmt::format("`tidesync schedule resume {}`", id)});
    else
        lines.push_back(
            {state::ok,
             fmt::format(
                 "schedule {} ticks by `{}`{}", id, printable(found->cron),
                 tick ? ", next at " + utc_text(*tick).substr(0, 16) + "Z" : std::string{}),
             {}});
    if (!config.public_url.empty()) {
        const auto correction = correction_of(*found, config, job.name);
        if (calls_elsewhere(*found, config))
            lines.push_back(
                {state::warning,
                 fmt::format(
                     "schedule {} calls {}, which is not under TIDESYNC_PUBLIC_URL {}", id,
                     printable(found->destination), config.public_url),
                 fmt::format(
                     "another worker's, or ours before it moved: then `tidesync schedule create --job {}` with its "
                     "cron expression",
                     job.name)});
        else if (correction)
            lines.push_back(
                {state::problem,
                 fmt::format(
                     "schedule {} is not as this worker needs it: {}", id, fmt::join(correction->changes, "; ")),
                 "`tidesync setup` puts it right, and keeps what you chose"});
    }
    if (found->timeout && *found->timeout < shortest_timeout(config) && config.public_url.empty())
        lines.push_back(
            {state::problem,
             fmt::format(
                 "QStash waits {} s for an answer to {}, and TIDESYNC_DELIVERY_WAIT is {} s: long runs are delivered "
                 "twice",
                 found->timeout->count(), id, config.delivery_wait.count()),
             fmt::format(
                 "`tidesync schedule create --job {} --cron '{}' --timeout {}`", job.name, printable(found->cron),
                 shortest_timeout(config).count())});
    lines.push_back(judge_last(*found, id));
    lines.push_back(judge_ticks(found->cron, job.slot_every, now));
    return lines;
}

check judge_ticks(std::string_view cron, std::chrono::seconds slot_every, std::chrono::sys_seconds now) {
    const auto every = slot_every.count();
    const auto remedy = fmt::format(
        "`ensure` would run for ticks that QStash never had, or miss some: set slot_every_s in tidesync.yaml (now {}) "
        "and "
        "the cron expression alike, such as 21600 and `0 */6 * * *`",
        every);
    try {
        const auto expression = qstash::cron::parse(cron);
        auto last = expression.next(now);
        for (int i = 0; last && i < ticks_looked_at; ++i) {
            if (last->time_since_epoch().count() % every != 0)
                return {
                    state::warning,
                    fmt::format(
                        "`{}` ticks at {}, which is no multiple of {} s since 1970 (UTC)", printable(cron),
                        utc_text(*last).substr(0, 16) + "Z", every),
                    remedy};
            const auto next = expression.next(*last);
            if (next && *next - *last != slot_every)
                return {
                    state::warning,
                    fmt::format(
                        "`{}` ticks {} s apart, the job's slots are {} s", printable(cron), (*next - *last).count(),
                        every),
                    remedy};
            last = next;
        }
    } catch (const std::invalid_argument& e) {
        return {state::note, fmt::format("`{}` was not compared with slot_every_s: {}", printable(cron), e.what()), {}};
    }
    return {state::ok, fmt::format("`{}` and slot_every_s ({}) mean the same ticks", printable(cron), every), {}};
}

check judge_dead_letters(int given_up) {
    if (given_up == 0) return {state::ok, "no message of ours is in QStash's dead letter queue", {}};
    return {
        state::warning,
        fmt::format("{} message{} of ours in QStash's dead letter queue", given_up, given_up == 1 ? " is" : "s are"),
        "docs/runbook.md, \"A delivery failed for good\""};
}

} // namespace tidesync::worker
