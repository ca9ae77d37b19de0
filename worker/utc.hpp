#pragma once

#include <chrono>
#include <string>

namespace tidesync::worker {

/// `2026-11-21T06:00:00.123Z`, as every document and log line writes a time.
[[nodiscard]] std::string utc_text(std::chrono::system_clock::time_point);

} // namespace tidesync::worker
