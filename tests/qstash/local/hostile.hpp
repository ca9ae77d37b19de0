#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace tidesync::qstash::testing {

/// Puts texts together by chance. The seed is fixed, so that a failure comes back; change it to look further.
struct dice {
    std::uint32_t seed = 20'260'914;
    std::mt19937 numbers{seed};

    /// @returns from 0 to below `count`
    std::size_t below(std::size_t count) { return numbers() % count; }

    std::string text(const std::vector<std::string>& pieces, std::size_t pieces_max) {
        std::string made;
        for (auto left = below(pieces_max + 1); left > 0; --left) made += pieces[below(pieces.size())];
        return made;
    }
};

} // namespace tidesync::qstash::testing
