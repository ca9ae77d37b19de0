#include "tests/faults/scenarios.hpp"

#include <array>
#include <fmt/format.h>
#include <tuple>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Waits for a worker that holds a lease and lives. A lease may outlive its worker, which was killed over another run.
std::optional<std::pair<lease_holder, std::size_t>> await_worker_at_work(const world& in) {
    const auto until = clock::now() + 20s;
    while (clock::now() < until) {
        const auto held = in.await_holder(20s);
        if (!held) break;
        if (const auto which = in.index_of(held->pid)) return std::pair{*held, *which};
        std::this_thread::sleep_for(5ms);
    }
    return std::nullopt;
}

/// From the last sign of life of a worker to the next attempt at its run.
constexpr auto takeover_max = lease + 7s;

variables settings_of(const dose& given) {
    if (given.unfenced) return {{"TIDESYNC_UNFENCED", "1"}};
    return {};
}

/// Waits for the next attempt at a run whose worker is gone, or for its end.
/// @returns false when nobody took it up in time
bool is_taken_up(const world& in, const lease_holder& lost) {
    return in.await(
        fmt::format(
            "SELECT count(*) > 0 FROM tidesync.run r WHERE run_id = '{0}' AND (finished_at IS NOT NULL OR EXISTS ("
            "SELECT FROM tidesync.attempt a WHERE a.run_id = r.run_id AND a.lease_token > {1}))",
            lost.run_id, lost.token),
        "t", takeover_max);
}

bool is_over(const world& in, const std::string& run_id) {
    return in.await(
        fmt::format("SELECT count(*) FROM tidesync.run WHERE run_id = '{}' AND finished_at IS NULL", run_id), "0",
        takeover_max);
}

bool was_lost(const world& in, const lease_holder& held) {
    return in.databases.production.value(fmt::format(
               "SELECT count(*) FROM tidesync.attempt WHERE lease_token = {} AND outcome = 'lost'", held.token)) == "1";
}

/// The attempt that a process made last.
std::optional<lease_holder> last_attempt_of(const world& in, pid_t pid) {
    const auto found = in.databases.production.run(fmt::format(
        "SELECT run_id, lease_token FROM tidesync.attempt WHERE split_part(worker, '/', 2) = '{}' "
        "ORDER BY lease_token DESC LIMIT 1",
        pid));
    if (found.empty()) return std::nullopt;
    return lease_holder{
        .run_id = found[0]["run_id"].as<std::string>(),
        .token = found[0]["lease_token"].as<std::int64_t>(),
        .pid = pid};
}

/// Starts a worker that does something to itself at a place, and waits until it has. @returns its number
std::optional<std::size_t> await_failpoint(world& in, const variables& settings, bool stops) {
    in.replace_worker(0, settings);
    const auto which = in.count() - 1;
    auto& armed = in.worker(which);
    armed.expected_to_die = !stops;
    const auto until = clock::now() + 25s;
    while (clock::now() < until) {
        if (stops ? armed.program->is_stopped() : armed.program->wait(0ms).has_value()) return which;
        std::this_thread::sleep_for(5ms);
    }
    armed.expected_to_die = false;
    return std::nullopt;
}

} // namespace

verdict kill_holder(const dose& given) {
    const int kills = given.full ? 200 : 12;
    verdict result{.name = "kill-holder", .hits_wanted = kills};
    world in{{.seed = given.seed, .pooled = given.pooled, .workers = 3, .settings = settings_of(given)}};
    in.production_wire.delay(3ms);
    traffic life{in};
    // Some come too late: the run had just ended.
    for (int i = 0; i < 3 * kills && result.hits < kills; ++i) {
        const auto at_work = await_worker_at_work(in);
        if (!at_work) {
            result.violations.emplace_back("for 20 s nobody worked on anything, though messages came");
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{in.any(0, 250)});
        const auto& [held, which] = *at_work;
        in.replace_worker(which);
        if (!is_taken_up(in, held)) result.violations.push_back(fmt::format("run {} was not taken up", held.run_id));
        if (was_lost(in, held)) ++result.hits;
    }
    judge(in, life, result);
    return result;
}

verdict kill_everywhere(const dose& given) {
    constexpr std::array places{
        "accept.before_commit", "accept.after_commit", "claim.after",      "stage.begun",
        "apply.begun",          "apply.fence_passed",  "apply.table_done", "apply.before_commit",
        "apply.committed",      "end.before",          "end.after"};
    const int rounds = given.full ? 10 : 1;
    verdict result{.name = "kill-everywhere", .hits_wanted = static_cast<int>(places.size()) * rounds};
    world in{{.seed = given.seed, .pooled = given.pooled, .workers = 2, .settings = settings_of(given)}};
    traffic life{in};
    for (int round = 0; round < rounds; ++round)
        for (const std::string place : places) {
            const auto which = await_failpoint(in, {{"TIDESYNC_FAILPOINT", place + "=kill"}}, false);
            if (!which) {
                result.violations.push_back(fmt::format("nobody came to {}", place));
                continue;
            }
            ++result.hits;
            const auto held = last_attempt_of(in, in.worker(*which).program->id());
            in.replace_worker(*which);
            if (place.starts_with("accept") || !held) continue;
            if (!is_taken_up(in, *held))
                result.violations.push_back(fmt::format("{}: the run was not taken up", place));
            // Or the next to die might die over the same run, which then has no more attempts.
            if (!is_over(in, held->run_id)) result.violations.push_back(fmt::format("{}: the run did not end", place));
            if (given.unfenced || (place != "apply.committed" && place != "end.before")) continue;
            // It had committed: the next attempt has nothing to write, and says how the first one ended.
            if (!in.await(
                    fmt::format(
                        "SELECT state || ' ' || a.lease_token FROM tidesync.run JOIN tidesync.applied a USING (run_id) "
                        "WHERE run_id = '{}'",
                        held->run_id),
                    fmt::format("succeeded {}", held->token), 20s))
                result.violations.push_back(fmt::format("{}: the run did not find its receipt", place));
        }
    judge(in, life, result);
    return result;
}

verdict stop_holder(const dose& given) {
    // At these places a process that sleeps through its lease could do most harm; and anywhere else.
    constexpr std::array places{
        "claim.after=stop",
        "stage.begun=stop",
        "apply.begun=stop",
        "apply.fence_passed=stop",
        "",
        "apply.before_commit=stop",
        "apply.committed=stop",
        "",
        "beat.before_commit=stop",
        "end.before_commit=stop"};
    const int stops = given.full ? 100 : static_cast<int>(places.size());
    verdict result{.name = "stop-holder", .hits_wanted = stops * 3 / 4};
    world in{{.seed = given.seed, .pooled = given.pooled, .workers = 2, .settings = settings_of(given)}};
    in.production_wire.delay(2ms);
    traffic life{in};
    for (int i = 0; i < stops; ++i) {
        const std::string place = places.at(static_cast<std::size_t>(i) % places.size());
        std::optional<lease_holder> held;
        std::optional<std::size_t> which;
        if (place.empty()) {
            if (const auto at_work = await_worker_at_work(in)) {
                std::tie(held, which) = *at_work;
                in.worker(*which).program->signal(SIGSTOP);
            }
        } else {
            which = await_failpoint(in, {{"TIDESYNC_FAILPOINT", place}}, true);
            if (which) held = last_attempt_of(in, in.worker(*which).program->id());
        }
        if (!which || !held) {
            result.violations.push_back(
                fmt::format("nobody could be stopped at {}", place.empty() ? "any place" : place));
            continue;
        }
        const auto asleep_until = clock::now() + lease * (given.full ? in.any(11, 50) : in.any(11, 20)) / 10;
        if (!is_taken_up(in, *held))
            result.violations.push_back(fmt::format("a worker stopped at {} kept its run {}", place, held->run_id));
        // It may hold the fence and rows of production, but no longer than its lease.
        if (!is_over(in, held->run_id))
            result.violations.push_back(
                fmt::format("a worker stopped at {} held up the successor of {}", place, held->run_id));
        std::this_thread::sleep_until(asleep_until);
        if (was_lost(in, *held)) ++result.hits;
        in.worker(*which).program->signal(SIGCONT);
    }
    judge(in, life, result);
    return result;
}

} // namespace tidesync::tests
