#pragma once

#include <chrono>
#include <stop_token>

namespace tidesync::slave_to_prod {

/// Waits for half of `longest` to all of it, never for the same time, so that two who met do not meet again. Ends early
/// when a stop is requested.
void pause(const std::stop_token&, std::chrono::milliseconds longest);

} // namespace tidesync::slave_to_prod
