#pragma once

#include <chrono>
#include <csignal>
#include <optional>

namespace tidesync::worker {

/// Blocks SIGTERM and SIGINT for this thread and all it starts, so that one thread can wait for them.
class stop_signals {
public:
    stop_signals();

    /// @returns the signal. A second one ends the process at once.
    [[nodiscard]] int wait() const;

    /// The same, but @returns nothing when none comes in time.
    [[nodiscard]] std::optional<int> wait(std::chrono::seconds limit) const;

private:
    sigset_t set_{};
};

} // namespace tidesync::worker
