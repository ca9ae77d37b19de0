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

} // namespace tidesync::worker
