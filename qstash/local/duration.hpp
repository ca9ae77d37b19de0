#pragma once

#include <chrono>
#include <string_view>

namespace tidesync::qstash::local {

/// Reads `1d2h30m10s`: whole numbers, each with its unit d, h, m or s, in any order. A lone `0` needs none, as in Go.
/// @throws std::invalid_argument  in Go's words: `time: missing unit in duration "10"`, `time: invalid duration "x"`,
///         `time: unknown unit "ms" in duration "5ms"`; also for more than 10 years of 365 days, or an empty text.
///         The message is short and plain ASCII whatever the text is
[[nodiscard]] std::chrono::seconds parse_duration(std::string_view text);

} // namespace tidesync::qstash::local
