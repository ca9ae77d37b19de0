#pragma once

#include "jobs/slave_to_prod/slave_to_prod.hpp"
#include "worker/settings.hpp"

#include <deque>
#include <string>
#include <string_view>
#include <vector>

/// The jobs that the settings describe: slave-to-prod, and one for each group of its tables.
namespace tidesync::worker {

[[nodiscard]] std::vector<std::string> job_names(const settings&);

/// @returns null when there is no such job
[[nodiscard]] const job_rules* find_job(const settings&, std::string_view name);

/// @param name  one of job_names
[[nodiscard]] slave_to_prod::slave_to_prod make_job(const settings&, std::string_view name);

[[nodiscard]] std::deque<slave_to_prod::slave_to_prod> make_jobs(const settings&);

/// What the table rules say to one of the jobs.
/// @param name  one of job_names
[[nodiscard]] slave_to_prod::table_rules rules_of_job(const settings&, std::string_view name);

} // namespace tidesync::worker
