#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace tidesync::worker {

/// What stands between us and a server.
enum class pooler {
    none,
    session,     ///< one server connection for as long as ours lasts
    transaction, ///< another one for every transaction: nothing of a session lasts
    statement,   ///< no transactions at all
};

/// Finds out by trying: two connections take turns, and each looks who serves it and whether a setting of its session
/// is still there. The setting is taken back; where transactions wander from server to server none is made.
/// @param limit  for all of it
/// @throws postgres::error  with an empty SQLSTATE when no second connection was given in time
[[nodiscard]] pooler probe_pooler(const postgres::address&, std::string_view side, std::chrono::milliseconds limit);

/// Hands a snapshot from one connection to another, as the job does on the slave.
/// @returns why it does not work, empty when it does
[[nodiscard]] std::string
probe_snapshot(const postgres::address&, std::string_view side, std::chrono::milliseconds limit);

} // namespace tidesync::worker
