#include "tests/faults/scenarios.hpp"

#include <fmt/format.h>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Loses COMMITs of the transactions that send `marker`, every second one after it was done.
void lose_commits(proxy& wire, const std::string& marker, int count, verdict& result) {
    for (int i = 0; i < count; ++i) {
        const auto before = wire.commits_lost();
        wire.lose_commit(marker, i % 2 == 0 ? proxy::lost::reply : proxy::lost::request);
        const auto until = clock::now() + 30s;
        while (wire.commits_lost() == before && clock::now() < until) std::this_thread::sleep_for(5ms);
        if (wire.commits_lost() > before) ++result.hits;
    }
}

} // namespace

verdict lose_production_commits(const dose& given) {
    const int count = given.full ? 100 : 6;
    verdict result{.name = "lose-commits", .hits_wanted = count};
    world in{{.seed = given.seed, .pooled = given.pooled}};
    traffic life{in};
    lose_commits(in.production_wire, "INSERT INTO tidesync.applied", count, result);
    judge(in, life, result);
    return result;
}

verdict lose_accept_commits(const dose& given) {
    const int count = given.full ? 100 : 8;
    verdict result{.name = "lose-accepts", .hits_wanted = count};
    world in{{.seed = given.seed, .pooled = given.pooled}};
    traffic life{in};
    lose_commits(in.store_wire, "INSERT INTO tidesync.message", count, result);
    judge(in, life, result);
    int refused = 0;
    for (const auto& [id, record] : life.messages()) refused += record.refused;
    result.remark = fmt::format("{} answered 503", refused);
    if (refused < result.hits)
        result.violations.push_back(
            fmt::format("{} accepts were lost, and only {} answers were 503", result.hits, refused));
    return result;
}

verdict cut_and_delay(const dose& given) {
    const int rounds = given.full ? 60 : 6;
    verdict result{.name = "cut-and-delay", .hits_wanted = rounds};
    world in{{.seed = given.seed, .pooled = given.pooled}};
    traffic life{in};
    proxy* const wires[] = {&in.production_wire, &in.store_wire, &in.slave_wire};
    for (int i = 0; i < rounds; ++i) {
        // A run that failed for the fourth time waits for two minutes.
        if (!in.await_holder(150s)) {
            result.violations.emplace_back("for 150 s nobody worked on anything, though messages came");
            break;
        }
        auto& wire = *wires[i % 3];
        std::this_thread::sleep_for(std::chrono::milliseconds{in.any(0, 200)});
        switch (in.any(0, 2)) {
        case 0:
            wire.cut();
            break;
        case 1: // longer than the lease: whoever cannot beat must give up before another one begins
            wire.black_hole();
            std::this_thread::sleep_for(lease + 1s);
            break;
        default:
            wire.delay(std::chrono::milliseconds{in.any(20, 120)});
            std::this_thread::sleep_for(lease);
        }
        wire.heal();
        ++result.hits;
    }
    judge(in, life, result);
    return result;
}

} // namespace tidesync::tests
