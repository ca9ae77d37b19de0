#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace tidesync::tests {

/// Chance that comes from a seed alone. The engine's numbers are laid down by the standard. Those of the distributions
/// and of std::shuffle are not, so a seed that failed with one library would be another story with the next.
///
/// Let each throw stand in a statement of its own: in which order the arguments of a call are made is not laid down
/// either.
class dice {
public:
    explicit dice(std::uint64_t seed)
        : engine_{seed} {}

    /// 0 to n - 1. A remainder prefers small numbers, by less than anybody could notice here.
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }

    bool one_in(std::size_t n) { return below(n) == 0; }

    template <typename T>
    const T& pick(const std::vector<T>& from) {
        return from[below(from.size())];
    }

private:
    std::mt19937_64 engine_;
};

} // namespace tidesync::tests
