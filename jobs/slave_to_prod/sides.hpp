#pragma once

#include "jobs/job.hpp"
#include "jobs/report.hpp"
#include "jobs/slave_to_prod/catalog.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/stores/postgres/session.hpp"

#include <memory>
#include <string>

/// The two databases, opened for reading: each session sees one state for as long as it is there.
namespace tidesync::slave_to_prod {

/// Two sessions inside one snapshot of the slave: while one sends, the other can compute or fetch.
///
/// The snapshot is that of `words`; others only borrow it. On a standby that makes a difference: its replay waits for
/// those who held the snapshot when it began to wait, and not for whoever borrows it then. As soon as the owner is gone
/// it clears away rows that a borrower should still see, who is not told. So what was read counts only when the owner
/// is there at the end: see `close_snapshot`.
struct slave_sessions {
    postgres::session words;                 ///< is asked what the rows are like
    std::unique_ptr<postgres::session> rows; ///< is asked for rows, also by their places; null where none are moved
};

struct slave_side {
    catalog tables; ///< of the same snapshot
    slave_sessions sessions;
    std::string snapshot; ///< for sessions that borrow it
};

/// Takes a snapshot.
/// @param report  is told what the slave is as soon as that is known
/// @throws postgres::error
[[nodiscard]] slave_side open_slave(
    const postgres::address&, const server_limits&, const jobs::run_context&, bool with_rows, jobs::report& report);

/// More sessions inside a snapshot that others have taken.
/// @throws postgres::error
[[nodiscard]] slave_sessions borrow_slave(
    const postgres::address&, const server_limits&, const jobs::run_context&, const std::string& snapshot,
    bool with_rows);

/// To be called after all was read, and before any of it is made use of for good: lets the snapshot go, having made
/// sure that it was there until now.
/// @throws postgres::error  when it was not
void close_snapshot(slave_sessions&);

/// Ends the transaction of a session that is not needed.
void let_go(postgres::session&) noexcept;

/// @throws postgres::error
[[nodiscard]] catalog read_production(const postgres::address&, const server_limits&);

/// Production inside one snapshot.
struct production_sessions {
    postgres::session words;
    std::unique_ptr<postgres::session> keys; ///< is asked for keys by their places; null where no row may be deleted
};

struct opened_production {
    production_sessions sessions;
    std::string snapshot; ///< for sessions that borrow it
};

/// Takes a snapshot.
/// @throws postgres::error
[[nodiscard]] opened_production
open_production(const postgres::address&, const server_limits&, const jobs::run_context&, bool with_keys);

/// More sessions inside a snapshot that others have taken.
/// @throws postgres::error
[[nodiscard]] production_sessions borrow_production(
    const postgres::address&, const server_limits&, const jobs::run_context&, const std::string& snapshot,
    bool with_keys);

} // namespace tidesync::slave_to_prod
