#include "worker/stop_signals.hpp"

namespace tidesync::worker {

stop_signals::stop_signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int stop_signals::wait() const {
    int signal = 0;
    sigwait(&set_, &signal);
    // A second signal ends the process at once. PostgreSQL rolls back by itself when a connection goes.
    pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
    return signal;
}

std::optional<int> stop_signals::wait(std::chrono::seconds limit) const {
    const timespec patience{.tv_sec = limit.count(), .tv_nsec = 0};
    const int signal = sigtimedwait(&set_, nullptr, &patience);
    return signal > 0 ? std::optional{signal} : std::nullopt;
}

} // namespace tidesync::worker
