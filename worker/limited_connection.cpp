#include "worker/limited_connection.hpp"

#include "jobs/stores/postgres/connection.hpp"

#include <condition_variable>
#include <mutex>
#include <sys/socket.h>

namespace tidesync::worker {

limited_connection::limited_connection(
    const postgres::address& where, std::string_view side, std::chrono::milliseconds limit)
    : connection_{postgres::connect(where, side)}
    , watch_{[socket = connection_.sock(), limit](const std::stop_token& over) {
        std::mutex mutex;
        std::unique_lock lock{mutex};
        std::condition_variable_any wake;
        wake.wait_for(lock, over, limit, [] { return false; });
        // The thread is joined before the connection goes, so that the number is still its own.
        if (!over.stop_requested()) ::shutdown(socket, SHUT_RDWR);
    }} {}

} // namespace tidesync::worker
