#pragma once

#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/stores/postgres/copy.hpp"

#include <chrono>
#include <string>

/// The statements whose names are only known at run time. Pure functions from a plan to SQL; all names quoted.
namespace tidesync::slave_to_prod {

/// Bounds on what the job asks of a server. Go out as SET LOCAL, so that they also hold behind a pooler.
struct server_limits {
    std::chrono::seconds statement{3600};
    std::chrono::seconds lock{10};
    std::chrono::seconds idle_in_transaction{60};
};

/// How long a server may be silent: it may be at work on one statement for as long as that is allowed to take. A peer
/// that is gone is noticed much earlier, by TCP.
[[nodiscard]] inline postgres::copy_session::time_limits patience(const server_limits& limits) {
    return {.silence_max = limits.statement + std::chrono::seconds{30}};
}

/// Pins how values are written as text, so that both servers write the same.
[[nodiscard]] std::string pin_text_output();

/// SET LOCAL statements for `limits`.
[[nodiscard]] std::string set_limits(const server_limits&);

/// Begins a transaction that reads one state of the database and refuses to read through row security.
/// @param snapshot  as pg_export_snapshot() named it; empty for a snapshot of its own
[[nodiscard]] std::string begin_reading(const server_limits&, const std::string& snapshot);

/// The name of a staging table: `<job>_<token>_<n>` in schema tidesync_staging.
[[nodiscard]] table_name staging_name(std::int64_t lease_token, std::size_t n);
inline constexpr std::string_view staging_prefix = "slave_to_prod_";

[[nodiscard]] std::string copy_out(const table_plan&);
[[nodiscard]] std::string create_staging(const table_plan&, const table_name& staging);
[[nodiscard]] std::string copy_in(const table_plan&, const table_name& staging);

/// Returns one row with `nulls` and `doubles` booleans: keys of staged rows that cannot tell rows apart.
[[nodiscard]] std::string find_bad_keys(const table_plan&, const table_name& staging);

/// Returns a row when several live rows answer to one staged key.
[[nodiscard]] std::string find_doubled_targets(const table_plan&, const table_name& staging);

/// Returns one row with `missing` and `different`: staged rows that production does not have as they are.
[[nodiscard]] std::string count_unlike(const table_plan&, const table_name& staging);

/// Inserts staged rows whose key production lacks.
[[nodiscard]] std::string insert_missing(const table_plan&, const table_name& staging);

/// Updates live rows whose image differs from the staged one; no other row is touched. Empty when every column is key.
[[nodiscard]] std::string update_different(const table_plan&, const table_name& staging);

/// Columns outside the key that no UPDATE can set: GENERATED ALWAYS AS IDENTITY.
[[nodiscard]] std::vector<std::string> fixed_columns(const table_plan&);

/// Returns a row when a fixed column differs somewhere. Empty when there is no such column.
[[nodiscard]] std::string find_fixed_difference(const table_plan&, const table_name& staging);

/// Moves a sequence forward to what was staged; not back, unless the application draws a number in the same instant.
[[nodiscard]] std::string forward_sequence(const sequence&, const table_name& staging);

/// COPY of one line: `count,hash` over the images of all rows, whatever their order.
[[nodiscard]] std::string copy_fingerprint(const table_plan&, bool on_slave, bool portable);

/// COPY in binary of (hash of the key, hash of the row), both bigint, sorted by both.
[[nodiscard]] std::string copy_hashes(const table_plan&, bool on_slave, bool portable);

} // namespace tidesync::slave_to_prod
