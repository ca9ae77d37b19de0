#pragma once

#include "tests/faults/traffic.hpp"

#include <string>
#include <vector>

namespace tidesync::tests {

/// What a scenario comes to.
struct verdict {
    std::string name;
    int hits = 0;        ///< faults that hit what they were aimed at
    int hits_wanted = 0; ///< fewer prove nothing
    int runs = 0;
    int lost_attempts = 0;
    int messages = 0;
    int tries = 0; ///< deliveries of these messages
    int snapshots = 0;
    int applied_twice = 0; ///< transactions that changed production beyond one for each run
    std::string remark{};  ///< a figure of its own
    std::vector<std::string> violations{};
    std::string logs{}; ///< of all workers

    [[nodiscard]] bool passed() const { return violations.empty() && hits >= hits_wanted; }
};

/// Lets everything come to rest, ends the workers, and holds what the stores say against what was seen. Knows nothing
/// of the worker's code: it asks with statements of its own, past every proxy.
void judge(world&, traffic&, verdict&);

/// The same for a scenario whose messages are its own.
void judge(world&, verdict&);

} // namespace tidesync::tests
