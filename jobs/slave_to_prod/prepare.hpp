#pragma once

#include "jobs/job.hpp"
#include "jobs/report.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/sides.hpp"
#include "jobs/slave_to_prod/stage.hpp"
#include "jobs/stores/postgres/session.hpp"

#include <vector>

/// From two snapshots to rows that lie ready in production: look, choose how, bring over what differs.
namespace tidesync::slave_to_prod {

/// Compares every table as a whole and chooses how its rows will get to production. Moves no rows.
/// @param report  gets an entry for each table
/// @returns one for each table of the plan, nothing staged yet
/// @throws postgres::error
/// @throws refused_to_apply  when a filter is no condition that both sides understand
[[nodiscard]] std::vector<prepared_table>
survey(const plan&, slave_sessions&, postgres::session& production, const jobs::run_context&, jobs::report& report);

/// Stages what production lacks of every table, and the keys of what is to be deleted. What is loaded stays where it
/// is.
/// @throws postgres::error
void prepare(
    const plan&, std::vector<prepared_table>&, slave_sessions&, production_sessions&, staging_area&,
    const jobs::run_context&, jobs::report&);

/// Finds out whether the filters are conditions that both sides understand.
/// @throws refused_to_apply
void check_filters(const plan&, postgres::session& slave, postgres::session& production);

/// Counts the rows of one table that differ; writes nothing anywhere.
/// @returns total, missing, different, extra (what a sync would delete counts as deleted instead), unchanged and bytes
/// @throws postgres::error
[[nodiscard]] jobs::table_report
compare(const table_plan&, bool portable, postgres::session& slave, postgres::session& production);

} // namespace tidesync::slave_to_prod
