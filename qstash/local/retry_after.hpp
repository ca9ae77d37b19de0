#pragma once

#include "qstash/local/message.hpp"

#include <chrono>
#include <optional>
#include <string_view>

namespace tidesync::qstash::local {

/// Reads the value of a `Retry-After` or `X-RateLimit-Reset` header: whole seconds (`120`), a date
/// (`Sun, 06 Nov 1994 08:49:37 GMT`), or a duration as Go writes it (`6m5s`, `1.5s`, `300ms`; units ns us µs ms s m h).
/// @param now  for dates; one that has passed is a wait of 0
/// @returns how long to wait, rounded up to a millisecond, so that nobody comes too early; nothing when the value
///          cannot be read. A wait of more than a year may be told as any other of more than a year
/// Source: Upstash documentation, "Retry"; RFC 9110 section 5.6.7, the fixed form only; Go, time.ParseDuration.
[[nodiscard]] std::optional<std::chrono::milliseconds> read_retry_after(std::string_view value, time_point now);

} // namespace tidesync::qstash::local
