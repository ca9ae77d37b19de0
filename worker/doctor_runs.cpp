#include "worker/doctor_findings.hpp"

#include "worker/printable.hpp"

#include <fmt/format.h>

namespace tidesync::worker {

namespace {

using namespace std::chrono_literals;
using state = check::state;

constexpr std::int64_t step_after_restore = 1'000'000;
/// A worker looks every second, and for lost runs every few.
constexpr auto worker_patience = 60s;

std::string age_text(std::chrono::seconds age) {
    if (age < 2min) return fmt::format("{} s", age.count());
    if (age < 2h) return fmt::format("{} min", std::chrono::floor<std::chrono::minutes>(age).count());
    if (age < 48h) return fmt::format("{} h", std::chrono::floor<std::chrono::hours>(age).count());
    return fmt::format("{} days", std::chrono::floor<std::chrono::hours>(age).count() / 24);
}

check judge_success(const job_state& job) {
    const bool paused = !job.paused.empty();
    if (!job.success_age)
        return {
            state::warning, fmt::format("{} has never ended well", job.name),
            fmt::format("`tidesync run {}`, or `tidesync setup` to let QStash call", job.name)};
    const auto text =
        fmt::format("{} last ended well {} ago, {}", job.name, age_text(*job.success_age), job.last_success);
    if (!job.late && (!paused || *job.success_age <= job.slot_every)) return {state::ok, text, {}};
    const auto late = fmt::format("{}; it should every {}", text, age_text(job.slot_every));
    if (paused) return {state::warning, late + ", but is paused", {}};
    return {
        job.scheduled ? state::problem : state::warning, late,
        fmt::format("`tidesync run {}` now; then docs/runbook.md, \"Production is behind\"", job.name)};
}

} // namespace

std::int64_t token_after_restore(const fence_state& fence) { return fence.token + step_after_restore; }

check judge_tokens(std::int64_t last_token, const fence_state& fence, std::string_view where) {
    if (last_token >= fence.token)
        return {
            state::ok,
            fence.token == 0
                ? fmt::format("tokens: the run store gave out {}, production has let none pass yet", last_token)
                : fmt::format(
                      "tokens: the run store gave out {}, the highest that production let pass is {}", last_token,
                      fence.token),
            {}};
    return {
        state::problem,
        fmt::format(
            "the run store is older than production: its last token is {}, production let {} pass ({}, {}): every run "
            "is "
            "refused. It was restored from a backup, moved, or lost its newest tokens in a failover",
            last_token, fence.token, fence.job, fence.at),
        fmt::format(
            "in {}, as the owner of schema tidesync: SELECT setval('tidesync.lease_token_seq', {});", where,
            token_after_restore(fence))};
}

check judge_receipts(std::size_t looked_at, const std::vector<receipt>& unknown) {
    const auto those = fmt::format(
        "the {}{} receipt{} of the last {} days", looked_at == receipts_looked_at_max ? "latest " : "", looked_at,
        looked_at == 1 ? "" : "s", days_looked_back);
    if (looked_at == 0)
        return {state::ok, fmt::format("production has no receipt of the last {} days", days_looked_back), {}};
    if (unknown.empty()) return {state::ok, fmt::format("the run store knows every run of {}", those), {}};
    return {
        state::warning,
        fmt::format(
            "of {} in production, {} belong{} to runs that the run store does not know, the latest to {} of {}", those,
            unknown.size(), unknown.size() == 1 ? "s" : "", unknown.front().run_id, unknown.front().at),
        "the run store was restored or moved: what these runs wrote is in production, only their history is gone. Or "
        "somebody runs the job with another run store: give every worker the same TIDESYNC_DATABASE_URL"};
}

std::vector<check> judge_job(const job_state& job) {
    std::vector<check> lines{judge_success(job)};
    if (!job.paused.empty())
        lines.push_back(
            {state::warning, fmt::format("{} is paused {}", job.name, printable(job.paused)),
             fmt::format("`tidesync resume {}`", job.name)});
    if (job.waiting && *job.waiting > worker_patience)
        lines.push_back(
            {state::problem,
             fmt::format(
                 "a run of {} has been due for {}, and no worker takes it up", job.name, age_text(*job.waiting)),
             "is a worker running, with this run store? `tidesync serve`; its log says why it takes no more"});
    if (job.lost && *job.lost > worker_patience)
        lines.push_back(
            {state::problem,
             fmt::format(
                 "a run of {} lost its worker {} ago, and no other takes it over", job.name, age_text(*job.lost)),
             "is a worker running, with this run store? `tidesync serve`, or `tidesync ensure " + job.name +
                 " --wait`"});
    if (job.fallbacks > 0)
        lines.push_back(
            {state::warning,
             fmt::format(
                 "the fallback ran {} time{} for {} in the last {} days: QStash had not", job.fallbacks,
                 job.fallbacks == 1 ? "" : "s", job.name, days_lately),
             "the data is fine, the way from QStash to the worker was not: docs/runbook.md, \"The fallback had to "
             "run\""});
    if (job.dead > 0)
        lines.push_back(
            {job.dead_since_success ? state::problem : state::warning,
             fmt::format(
                 "{} run{} of {} died in the last {} days; the latest, {}: {}: {}", job.dead, job.dead == 1 ? "" : "s",
                 job.name, days_lately, job.dead_run, printable(job.dead_code), printable(job.dead_message, 300)),
             job.dead_since_success ? fmt::format(
                                          "`tidesync runs show {}`; when its cause is gone: `tidesync runs retry {}`",
                                          job.dead_run, job.dead_run)
                                    : "one has ended well since, and brought over all that was missing"});
    return lines;
}

check judge_alarms(int lately) {
    if (lately == 0) return {state::ok, fmt::format("QStash gave no message up in the last {} days", days_lately), {}};
    return {
        state::warning,
        fmt::format("QStash gave {} message{} up in the last {} days", lately, lately == 1 ? "" : "s", days_lately),
        "`tidesync runs` lists them; docs/runbook.md, \"A delivery failed for good\""};
}

} // namespace tidesync::worker
