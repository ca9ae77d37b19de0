#pragma once

#include "jobs/job.hpp"
#include "jobs/slave_to_prod/catalog.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/stores/postgres/session.hpp"

#include <optional>

/// The two databases, opened for reading: each session sees one state for as long as it is there.
namespace tidesync::slave_to_prod {

/// Two sessions inside one snapshot of the slave: while one sends, the other can compute or fetch.
struct slave_sessions {
    postgres::session words; ///< is asked what the rows are like
    postgres::session rows;  ///< is asked for rows, also by their places
};

struct slave_side {
    catalog tables; ///< of the same snapshot
    slave_sessions sessions;
};

/// @throws postgres::error
[[nodiscard]] slave_side open_slave(const postgres::address&, const server_limits&, const jobs::run_context&);

/// @throws postgres::error
[[nodiscard]] catalog read_production(const postgres::address&, const server_limits&);

/// Production inside one snapshot.
struct production_sessions {
    postgres::session words;
    std::optional<postgres::session> keys; ///< is asked for keys by their places, where rows may be deleted
};

/// @throws postgres::error
[[nodiscard]] production_sessions
open_production(const postgres::address&, const server_limits&, const jobs::run_context&, bool with_keys);

} // namespace tidesync::slave_to_prod
