// The fault suite: real processes, servers and connections, broken in every way that can be had, and a checker that
// knows nothing of the worker's code. ./dev test plays it with fixed seeds, ./dev faults for as long as you like.
#include "tests/faults/scenarios.hpp"

#include <CLI/CLI.hpp>
#include <atomic>
#include <fmt/format.h>
#include <fstream>
#include <thread>

using namespace tidesync::tests;

namespace tidesync::tests {

const std::vector<scenario>& scenarios() {
    static const std::vector<scenario> all{
        {"kill-holder", "kill -9 of the worker that holds the lease", kill_holder},
        {"kill-everywhere", "a worker dies at each place where it matters", kill_everywhere, true},
        {"stop-holder", "a worker sleeps through its lease and wakes up", stop_holder, true},
        {"lose-commits", "production's answer to COMMIT is lost, or COMMIT is", lose_production_commits},
        {"lose-accepts", "the same of the run store while it takes a message", lose_accept_commits},
        {"cut-and-delay", "connections are reset, slow, or swallow everything", cut_and_delay},
        {"crash-servers", "PostgreSQL ends at once and starts again", crash_servers, false, true},
        {"empty-staging", "PostgreSQL crashes between staging and applying", empty_staging, false, true},
        {"store-away", "nobody can reach the run store", store_away},
        {"crash-pooler", "PgBouncer is killed in front of everything", crash_pooler},
        {"many-at-once", "fifty callers with one message", many_at_once},
        {"longer-than-delivery", "a run takes longer than the queue waits", longer_than_the_delivery},
    };
    return all;
}

} // namespace tidesync::tests

namespace {

using clock_type = std::chrono::steady_clock;

/// One thing to play, and how.
struct turn {
    const scenario* what = nullptr;
    dose how;
};

void show_heading() {
    fmt::print(
        "{:<25} {:>9} {:>6} {:>9} {:>5} {:>5} {:>9} {:>10} {:>6} {:>5}\n", "scenario", "seed", "pooler", "hits", "runs",
        "lost", "messages", "deliveries", "snaps", "s");
}

void show(const verdict& result, const dose& given, bool good, std::chrono::seconds took) {
    fmt::print(
        "{:<25} {:>9} {:>6} {:>4}/{:<4} {:>5} {:>5} {:>9} {:>10} {:>6} {:>5}  {}{}{}\n", result.name, given.seed,
        given.pooled ? "yes" : "no", result.hits, result.hits_wanted, result.runs, result.lost_attempts,
        result.messages, result.tries, result.snapshots, took.count(), good ? "ok" : "FAILED",
        result.remark.empty() ? "" : "  ", result.remark);
    constexpr std::size_t shown_max = 20;
    if (good) return;
    if (result.hits < result.hits_wanted) fmt::print("    too few faults hit: this proves nothing\n");
    for (std::size_t i = 0; i < result.violations.size() && i < shown_max; ++i)
        fmt::print("    {}\n", result.violations[i]);
    if (result.logs.empty()) return;
    const auto file = fmt::format("build/logs/faults-{}-{}.log", result.name, given.seed);
    std::ofstream{file} << result.logs;
    fmt::print("    what the workers said: {}\n", file);
}

/// @returns whether it ended as it should
bool play(const turn& each) {
    const auto start = clock_type::now();
    verdict result{.name = std::string{each.what->name}};
    try {
        result = each.what->play(each.how);
    } catch (const std::exception& e) {
        result.violations.emplace_back(e.what());
    }
    const auto took = std::chrono::duration_cast<std::chrono::seconds>(clock_type::now() - start);
    bool good = result.passed();
    if (each.how.unfenced) { // to be caught at it is to pass
        good = result.applied_twice > 0;
        result.name += ", unfenced";
        result.remark = fmt::format("{} applied twice", result.applied_twice);
    }
    static std::mutex one_at_a_time;
    const std::scoped_lock lock{one_at_a_time};
    show(result, each.how, good, took);
    std::fflush(stdout);
    return good;
}

/// Mostly they wait, for leases to end, so that several fit side by side; those that need the servers for themselves
/// come last. @returns how many failed
int play_all(const std::vector<turn>& turns, int lanes) {
    std::atomic<int> failed{0};
    std::atomic<std::size_t> next{0};
    const auto lane = [&] {
        for (auto i = next++; i < turns.size(); i = next++)
            if (!turns[i].what->alone && !play(turns[i])) ++failed;
    };
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < lanes; ++i) threads.emplace_back(lane);
    }
    for (const auto& each : turns)
        if (each.what->alone && !play(each)) ++failed;
    return failed;
}

std::vector<turn> turns_of(std::uint32_t seed, bool full, bool only_unfenced, const std::string& only) {
    std::vector<turn> turns;
    auto nth = seed;
    for (const auto& each : scenarios()) {
        const dose how{.seed = seed, .pooled = ++nth % 2 == 0, .full = full}; // two rounds play everything both ways
        if (!only.empty() && only != each.name) continue;
        if (!only_unfenced) turns.push_back({&each, how});
        if (!each.can_be_unfenced) continue;
        turns.push_back({&each, how});
        turns.back().how.unfenced = true;
    }
    return turns;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Breaks processes, connections and servers under real workers, and checks what is left"};
    std::uint32_t seed = 20261121;
    int minutes = 0;
    int lanes = 0;
    std::string only;
    bool unfenced = false;
    app.add_option("--seed", seed, "Of the first round; each further round has the next one")->capture_default_str();
    app.add_option("--minutes", minutes, "Play whole rounds with full counts until so much time has passed")
        ->check(CLI::Range(1, 24 * 60));
    app.add_option("--only", only, "One scenario");
    app.add_option("--lanes", lanes, "How many are played at once (default: 3, with --minutes 1)")
        ->check(CLI::Range(1, 16));
    app.add_flag("--unfenced", unfenced, "Only with the fence taken away, where changes must be applied twice");
    CLI11_PARSE(app, argc, argv);

    const bool full = minutes > 0;
    constexpr int lanes_short = 3;
    if (lanes == 0) lanes = full ? 1 : lanes_short;
    fmt::print("seed {}\n", seed);
    show_heading();
    std::size_t played = 0;
    int failed = 0;
    const auto until = clock_type::now() + std::chrono::minutes{minutes};
    do {
        const auto turns = turns_of(seed++, full, unfenced, only);
        played += turns.size();
        failed += play_all(turns, lanes);
    } while (clock_type::now() < until);
    fmt::print("{} passed, {} failed\n", played - static_cast<std::size_t>(failed), failed);
    return failed == 0 && played > 0 ? 0 : 1;
}
