#pragma once

#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/stores/postgres/session.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

/// Finds out where two tables differ without moving their rows. Each side reads inside the snapshot that its session
/// has open; both work at the same time. Nothing is written.
namespace tidesync::slave_to_prod {

/// A set of rows in two figures, whatever their order.
struct fingerprint {
    std::int64_t rows = 0;
    std::uint64_t word = 0; ///< bit_xor over the rows' words

    bool operator==(const fingerprint&) const = default;

    /// Adds one row.
    void add(std::uint64_t row_word) {
        ++rows;
        word ^= row_word;
    }
};

struct fingerprints {
    fingerprint slave, production;

    [[nodiscard]] bool equal() const { return slave == production; }
};

/// One scan of the table on each side, and a few bytes on the wire.
/// @throws postgres::error
[[nodiscard]] fingerprints
take_fingerprints(const table_plan&, bool portable, postgres::session& slave, postgres::session& production);

/// Asks for the fingerprint of one side; `read_fingerprint` must follow.
void start_fingerprint(const table_plan&, side, bool portable, postgres::session&);
[[nodiscard]] fingerprint read_fingerprint(postgres::session&);

/// Asks for a fingerprint that is one row of a count and a word.
/// @throws postgres::error
[[nodiscard]] fingerprint ask_fingerprint(postgres::session&, const std::string& sql, std::string activity);

/// A whole number as PostgreSQL writes it; 0 for null.
[[nodiscard]] std::int64_t number_in(const std::optional<std::string>& field) noexcept;

/// Rows by what would have to be done about them.
struct difference {
    std::int64_t missing = 0;   ///< on the slave, not in production
    std::int64_t different = 0; ///< on both sides, not the same
    std::int64_t extra = 0;     ///< in production, not on the slave
    std::int64_t bytes = 0;     ///< moved to find out
    fingerprint slave;          ///< of all its rows, added up on the way
    std::int64_t production_rows = 0;
};

/// A row of the slave that production lacks or holds otherwise.
struct wanted_row {
    row_place place; ///< on the slave
    std::uint64_t word = 0;
};

/// Who is told of the rows that differ, sorted by key. Each may be empty.
struct difference_listener {
    std::function<void(std::int64_t)> compared;  ///< now and then: how many rows of the slave so far
    std::function<void(const wanted_row&)> want; ///< of every row to bring
    /// Of every row that production alone has, by its place there; and of some whose key only has a word in common with
    /// one that is wanted: keep_staged tells them apart.
    std::function<void(const row_place&)> gone;
};

/// Whether the highest keys differ, and so the tables: an index knows, and nothing has to be scanned to find out. For
/// tables whose key is one integer.
/// @returns false when that is no sign: the highest keys are the same, or one side has no row
/// @throws postgres::error
[[nodiscard]] bool highest_keys_differ(const table_plan&, postgres::session& slave, postgres::session& production);

/// Merges the words of all rows of both sides, sorted by key, as they arrive. Memory does not grow with the table. Rows
/// whose keys share a word (a chance of n^2 / 2^65, and never with integers) may be wanted although they are equal, and
/// never the other way about.
/// @throws postgres::error
[[nodiscard]] difference find_difference(
    const table_plan&, bool portable, postgres::session& slave, postgres::session& production,
    const difference_listener&);

} // namespace tidesync::slave_to_prod
