#pragma once

#include "jobs/slave_to_prod/plan.hpp"

#include <string>

/// The statements about rows that production has and the slave has not. Their keys lie in a table of tidesync_staging.
/// Pure functions from a plan to SQL; all names quoted.
namespace tidesync::slave_to_prod {

[[nodiscard]] std::string create_gone(const table_plan&, const table_name& gone);

/// COPY into it, in the plan's format.
[[nodiscard]] std::string copy_gone_in(const table_plan&, const table_name& gone);

/// COPY of the keys of all rows of production that count, in the plan's format. A key that is null somewhere is
/// nobody's.
[[nodiscard]] std::string copy_keys(const table_plan&);

/// Takes keys out of it that the slave has after all: all of them where every row is staged; else equal ones that are
/// spelled otherwise, and words that met.
[[nodiscard]] std::string keep_staged(const table_plan&, const table_name& gone, const table_name& staging);

/// Returns one row: how many keys lie in it, and one word over them.
[[nodiscard]] std::string fingerprint_gone(const table_plan&, const table_name& gone);

/// Locks these rows, in the order of the key, and forgets those that do not count any more: they are gone already,
/// marked, or outside the filter. To be asked under the settings under which they were found.
[[nodiscard]] std::string hold_gone(const table_plan&, const table_name& gone);

/// Deletes the rows that are held, or marks them.
[[nodiscard]] std::string remove_gone(const table_plan&, const table_name& gone);

/// Returns a row when a row that is not to go refers to one that is, by a constraint that would take it along.
[[nodiscard]] std::string find_dependants(const table_plan&, const planned_cascade&, const table_name& gone);

/// Returns one row: how many of them are there all the same, and unmarked.
[[nodiscard]] std::string count_left(const table_plan&, const table_name& gone);

} // namespace tidesync::slave_to_prod
