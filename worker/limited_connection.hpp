#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <chrono>
#include <pqxx/pqxx>
#include <string_view>
#include <thread>

namespace tidesync::worker {

/// A connection that is cut when its time is over: libpq itself waits for a silent server, or for a pooler that has no
/// connection to give, without end. What was under way then fails as a broken connection.
class limited_connection {
public:
    /// @throws postgres::error
    limited_connection(const postgres::address&, std::string_view side, std::chrono::milliseconds limit);

    [[nodiscard]] pqxx::connection& get() { return connection_; }

private:
    pqxx::connection connection_;
    std::jthread watch_; // last: it uses the connection
};

} // namespace tidesync::worker
