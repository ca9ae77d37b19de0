#pragma once

#include "jobs/slave_to_prod/difference.hpp"
#include "jobs/slave_to_prod/plan.hpp"

#include <string_view>

namespace tidesync::slave_to_prod {

/// How the rows of one table get to production. The report says which was chosen.
enum class strategy {
    equal, ///< nothing to bring: one scan on each side was all
    rows,  ///< compared by words; only the rows that differ travel
    whole, ///< every row travels and is staged: the table is small, or most of it differs, or its rows cannot be told
           ///< apart by a key that is unique on both sides
    load,  ///< production has none: every row travels straight into the table
};

[[nodiscard]] std::string_view to_string(strategy) noexcept;

/// Tables up to this size are staged whole: a second look would take longer than the rows.
inline constexpr std::int64_t small_bytes_max = 256L * 1024;

/// Whether the table may be loaded when production has no row of it. A trigger may change or drop what it is given, and
/// a rule is not asked by COPY: those rows are staged, so that they can be compared one by one. So are those of a table
/// that has a mark, which a load would leave to its default.
[[nodiscard]] bool may_load(const table_plan&) noexcept;

/// Whether to look at the highest keys first: when those differ the rows are compared at once, and one scan of each
/// side is saved. New rows mostly have higher keys than all before them.
[[nodiscard]] bool may_skip_fingerprint(const table_plan&) noexcept;

/// Chooses from what was measured, for a table that is not loaded.
[[nodiscard]] strategy choose_strategy(const table_plan&, const fingerprints&) noexcept;

/// Whether so many rows have turned out to differ that it is cheaper to read all of them in the table's own order than
/// to pick them out.
[[nodiscard]] bool is_cheaper_whole(std::int64_t wanted_rows, std::int64_t slave_rows) noexcept;

} // namespace tidesync::slave_to_prod
