#pragma once

#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/stores/postgres/session.hpp"

#include <chrono>
#include <compare>
#include <cstdint>
#include <span>
#include <string>

/// The statements that read the two sides, and what every transaction begins with. Pure functions from a plan to SQL;
/// all names quoted.
namespace tidesync::slave_to_prod {

/// Bounds on what the job asks of a server. Go out as SET LOCAL, so that they also hold behind a pooler.
struct server_limits {
    std::chrono::seconds statement{3600};
    std::chrono::seconds lock{10};
    std::chrono::seconds idle_in_transaction{60};
    /// Tables read at the same time. Each takes two sessions of the slave, and up to three of production.
    int readers = 2;
};

/// How long a server may be silent: it may be at work on one statement for as long as that is allowed to take. A peer
/// that is gone is noticed much earlier, by TCP.
[[nodiscard]] inline postgres::session::time_limits patience(const server_limits& limits) {
    return {.silence_max = limits.statement + std::chrono::seconds{30}};
}

/// Which of the two databases a statement is for: a table may be partitioned on one of them only.
enum class side { slave, production };

/// Pins how values are written as text, so that both servers write the same, and how it is read.
[[nodiscard]] std::string pin_text_output();

/// Sets back what the database's own code may look at: how a trigger reads the clock, what a default writes. What reads
/// the text that the slave wrote stays pinned; dates, times and intervals are written so that every setting reads them.
[[nodiscard]] std::string own_text_output();

/// SET LOCAL statements for `limits`.
[[nodiscard]] std::string set_limits(const server_limits&);

/// Begins a transaction that reads one state of the database and refuses to read through row security.
/// @param snapshot  as pg_export_snapshot() named it; empty for a snapshot of its own
[[nodiscard]] std::string begin_reading(const server_limits&, const std::string& snapshot);

/// The table as a FROM names it. A parent's rows include its partitions'; tables that merely inherit are synced each
/// for itself.
[[nodiscard]] std::string from(const table_plan&, side);

/// The table with a WHERE for the rows that count: those that the filter takes, and in production those that are not
/// marked as gone.
[[nodiscard]] std::string rows_of(const table_plan&, side);

/// COPY of one line: `count,word` over all rows, whatever their order.
[[nodiscard]] std::string copy_fingerprint(const table_plan&, side, bool portable);

/// Returns one row: the highest key, null when there is no row. For tables whose key is one column.
[[nodiscard]] std::string find_highest_key(const table_plan&, side);

/// COPY in binary of (word of the key, word of the row), both bigint, sorted by both.
/// @param with_places  then also where each row lies: ctid, and of a partitioned table tableoid
[[nodiscard]] std::string copy_words(const table_plan&, side, bool portable, bool with_places);

/// COPY of all rows of the slave that count, in the plan's format.
[[nodiscard]] std::string copy_out(const table_plan&);

/// Where a version of a row lies; good for as long as the snapshot is held in which it was seen.
struct row_place {
    std::uint32_t table = 0; ///< OID of the partition; 0 when the table is not partitioned
    std::uint32_t block = 0;
    std::uint16_t offset = 0;

    auto operator<=>(const row_place&) const = default;
};

/// COPY of rows of the slave by their places, in the plan's format.
/// @param partition  as SQL reads it; empty when the table is not partitioned
/// @param places     all of that partition
[[nodiscard]] std::string
copy_out_at(const table_plan&, const std::string& partition, std::span<const row_place> places);

/// The same of the keys of rows of production, in binary where the plan's format is.
[[nodiscard]] std::string
copy_keys_at(const table_plan&, const std::string& partition, std::span<const row_place> places);

} // namespace tidesync::slave_to_prod
