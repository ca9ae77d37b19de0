#pragma once

#include "jobs/report.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/readers.hpp"
#include "jobs/slave_to_prod/stage.hpp"

#include <vector>

/// From two snapshots to rows that lie ready in production: look, choose how, bring over what differs.
namespace tidesync::slave_to_prod {

/// Compares every table as a whole and chooses how its rows will get to production. Moves no rows.
/// @param report  gets an entry for each table
/// @returns one for each table of the plan, nothing staged yet
/// @throws postgres::error
/// @throws refused_to_apply  when a filter is no condition that both sides understand
[[nodiscard]] std::vector<prepared_table> survey(const plan&, readers&, jobs::report& report);

/// Stages what production lacks of every table, and the keys of what is to be deleted. What is loaded stays where it
/// is.
/// @throws postgres::error
void prepare(const plan&, std::vector<prepared_table>&, readers&, staging_area&, jobs::report&);

/// Counts the rows of every table that differ; writes nothing anywhere.
/// @param report  gets an entry for each table: total, missing, different, extra (what a sync would delete counts as
///                deleted instead), unchanged and bytes
/// @throws postgres::error
/// @throws refused_to_apply  when a filter is no condition that both sides understand
void compare(const plan&, readers&, jobs::report& report);

} // namespace tidesync::slave_to_prod
