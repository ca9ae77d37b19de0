#pragma once

#include "jobs/slave_to_prod/plan.hpp"

#include <string>

/// The statements about rows that production has and the slave has not. Their keys lie in a table of tidesync_staging.
/// Pure functions from a plan to SQL; all names quoted.
namespace tidesync::slave_to_prod {

[[nodiscard]] std::string create_gone(const table_plan&, const table_name& gone);

/// COPY into it, in the plan's format.
[[nodiscard]] std::string copy_gone_in(const table_plan&, const table_name& gone);

/// Fills it with the keys of production that are not among the staged ones, which are all that the slave has.
[[nodiscard]] std::string find_gone(const table_plan&, const table_name& gone, const table_name& staging);

/// Takes keys out of it that the slave has after all: equal ones that are spelled otherwise, and words that met.
[[nodiscard]] std::string keep_staged(const table_plan&, const table_name& gone, const table_name& staging);

/// Returns one row: how many keys lie in it, and one word over them.
[[nodiscard]] std::string fingerprint_gone(const table_plan&, const table_name& gone);

/// Deletes these rows, or marks them, as long as the filter still takes them; locked in the order of the key first.
[[nodiscard]] std::string remove_gone(const table_plan&, const table_name& gone);

/// Returns one row: how many of them are there all the same.
[[nodiscard]] std::string count_left(const table_plan&, const table_name& gone);

} // namespace tidesync::slave_to_prod
