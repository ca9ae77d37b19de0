#pragma once

#include "tests/faults/checker.hpp"

#include <cstdint>
#include <vector>

namespace tidesync::tests {

/// How much of a scenario is played.
struct dose {
    std::uint32_t seed = 1;
    bool pooled = false;
    bool full = false;     ///< the counts of the full suite, else those that fit into every test run
    bool unfenced = false; ///< take the fence away: then changes must be applied twice
};

struct scenario {
    std::string_view name;
    std::string_view what; ///< the fault, in a line
    verdict (*play)(const dose&);
    bool can_be_unfenced = false;
    bool alone = false; ///< breaks the servers, which all scenarios share
};

/// In the order they are played.
[[nodiscard]] const std::vector<scenario>& scenarios();

// -- what happens to processes: processes.cpp
verdict kill_holder(const dose&);
verdict kill_everywhere(const dose&);
verdict stop_holder(const dose&);

// -- what happens to connections: connections.cpp
verdict lose_production_commits(const dose&);
verdict lose_accept_commits(const dose&);
verdict cut_and_delay(const dose&);

// -- what happens to servers: outages.cpp
verdict crash_servers(const dose&);
verdict empty_staging(const dose&);
verdict store_away(const dose&);
verdict crash_pooler(const dose&);

// -- what callers do: callers.cpp
verdict many_at_once(const dose&);
verdict longer_than_the_delivery(const dose&);

} // namespace tidesync::tests
