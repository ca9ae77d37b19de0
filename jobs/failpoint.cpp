#include "jobs/failpoint.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

namespace tidesync::jobs {

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nobody changes the environment
    return value == nullptr ? std::string{} : value;
}

} // namespace

void failpoint(std::string_view place) noexcept {
    static const std::string plan = variable("TIDESYNC_FAILPOINT");
    static std::atomic<bool> done{false};
    const auto equals = plan.find('=');
    if (equals == std::string::npos || std::string_view{plan}.substr(0, equals) != place) return;
    if (done.exchange(true)) return;
    // The whole process, at once, as the system would do it: no destructor runs, nothing is flushed.
    ::raise(std::string_view{plan}.substr(equals + 1) == "stop" ? SIGSTOP : SIGKILL);
}

bool fenced() noexcept {
    static const bool off = variable("TIDESYNC_UNFENCED") == "1";
    return !off;
}

} // namespace tidesync::jobs
