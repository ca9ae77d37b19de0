#include "worker/utc.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace tidesync::worker {

std::string utc_text(std::chrono::system_clock::time_point time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    return fmt::format(
        "{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
        std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds).count());
}

} // namespace tidesync::worker
