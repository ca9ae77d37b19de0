#pragma once

#include "jobs/job.hpp"
#include "jobs/report.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/stage.hpp"

#include <optional>
#include <string>
#include <vector>

/// Looks at what a run is about to do before it does it.
namespace tidesync::slave_to_prod {

/// Names what a run would do: the same for the same rows, and for no other. Whoever approves a run that was stopped
/// approves this.
/// @param beside  what a guard said that is not about the rows of one table
[[nodiscard]] std::string
name_difference(const plan&, const std::vector<prepared_table>&, const std::vector<std::string>& beside);

/// Lets the run go on, or stops it. What stopped it stands in the report, with the counts of what it would have done.
/// @param last  what the last run that committed did
/// @throws refused_to_apply  a guard objects, and nobody has approved this very difference
void review(
    const plan&, const std::vector<prepared_table>&, const table_rules&, const std::optional<jobs::report>& last,
    const jobs::run_context&, jobs::report&);

/// The same for tables that were only compared: what would stop a run becomes a warning.
void foresee(const plan&, const table_rules&, const std::optional<jobs::report>& last, jobs::report&);

} // namespace tidesync::slave_to_prod
