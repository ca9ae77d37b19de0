#pragma once

#include "jobs/slave_to_prod/plan.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// The statements that stage rows and bring production in step with them. Pure functions from a plan to SQL; all names
/// quoted.
namespace tidesync::slave_to_prod {

/// The name of a staging table: `<job>_<token>_<n>` in schema tidesync_staging.
[[nodiscard]] table_name staging_name(std::string_view job, std::int64_t lease_token, std::size_t n);

/// What the names of a job's staging tables begin with, before its token: `slave_to_prod_`.
[[nodiscard]] std::string staging_prefix(std::string_view job);

/// Whether a live row, under the alias t, answers to a staged key, under the alias s.
[[nodiscard]] std::string same_key(const table_plan&);

[[nodiscard]] std::string create_staging(const table_plan&, const table_name& staging);

/// COPY into a staging table, in the plan's format.
[[nodiscard]] std::string copy_in(const table_plan&, const table_name& staging);

/// COPY straight into production's table, in the plan's format.
[[nodiscard]] std::string load(const table_plan&);

/// Returns one row: count and word of what is staged.
[[nodiscard]] std::string fingerprint_staged(const table_plan&, const table_name& staging, bool portable);

/// Returns one row: count and word of the rows of production that answer to a staged key.
[[nodiscard]] std::string fingerprint_landed(const table_plan&, const table_name& staging, bool portable);

/// Returns one row: count and word of production's table.
[[nodiscard]] std::string fingerprint_loaded(const table_plan&, bool portable);

/// Returns one row with two booleans: whether a staged key is null somewhere, and whether one is there twice.
[[nodiscard]] std::string find_bad_keys(const table_plan&, const table_name& staging);

/// Returns a row when several live rows answer to one staged key.
[[nodiscard]] std::string find_doubled_targets(const table_plan&, const table_name& staging);

/// Returns one row: staged rows that production lacks, staged rows it holds otherwise, and then for each column in how
/// many of those it differs.
[[nodiscard]] std::string count_unlike(const table_plan&, const table_name& staging);

/// Returns one row: staged rows that production lacks, and staged rows it holds otherwise.
[[nodiscard]] std::string count_changes(const table_plan&, const table_name& staging);

/// Takes those rows out of a staging table that production holds as they are.
[[nodiscard]] std::string drop_equal(const table_plan&, const table_name& staging);

/// Inserts staged rows whose key production lacks, in the order of the key.
[[nodiscard]] std::string insert_missing(const table_plan&, const table_name& staging);

/// Updates live rows whose image differs from the staged one; no other row is touched. All that answer to a staged key
/// are locked first, so that they stay as they are until COMMIT, and in the order of the key: two who do so wait for
/// each other, and never in a circle. Empty when every column is key.
[[nodiscard]] std::string update_different(const table_plan&, const table_name& staging);

/// Sets the values aside that a rival watches over, in those rows where they are about to change: then two rows can
/// swap them. Empty when that cannot be done.
[[nodiscard]] std::string set_aside(const table_plan&, const planned_rival&, const table_name& staging);

/// The same of rows that are to be deleted, and until then may hold a value that another row needs.
[[nodiscard]] std::string
set_aside_gone(const table_plan&, const planned_rival&, const table_name& staging, const table_name& gone);

/// Columns outside the key that no UPDATE can set: GENERATED ALWAYS AS IDENTITY.
[[nodiscard]] std::vector<std::string> fixed_columns(const table_plan&);

/// Returns a row when a fixed column differs somewhere. Empty when there is no such column.
[[nodiscard]] std::string find_fixed_difference(const table_plan&, const table_name& staging);

/// Moves a sequence forward to the highest number in `rows`; not back, unless the application draws a number in the
/// same instant.
/// @param rows  a staging table, or the table itself after a load, as SQL reads it
[[nodiscard]] std::string forward_sequence(const sequence&, const std::string& rows);

} // namespace tidesync::slave_to_prod
