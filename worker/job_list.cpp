#include "worker/job_list.hpp"

#include <algorithm>

namespace tidesync::worker {

std::vector<std::string> job_names(const settings& config) {
    std::vector<std::string> names;
    names.reserve(config.jobs.size());
    for (const auto& job : config.jobs) names.push_back(job.name);
    return names;
}

const job_rules* find_job(const settings& config, std::string_view name) {
    const auto found = std::ranges::find(config.jobs, name, &job_rules::name);
    return found == config.jobs.end() ? nullptr : &*found;
}

slave_to_prod::table_rules rules_of_job(const settings& config, std::string_view name) {
    auto rules = config.rules;
    for (const auto& group : rules.groups)
        if (slave_to_prod::job_of_group(group.name) == name) rules.group = group.name;
    return rules;
}

slave_to_prod::slave_to_prod make_job(const settings& config, std::string_view name) {
    return slave_to_prod::slave_to_prod{{config.slave, config.production, rules_of_job(config, name), config.limits}};
}

std::deque<slave_to_prod::slave_to_prod> make_jobs(const settings& config) {
    std::deque<slave_to_prod::slave_to_prod> jobs;
    for (const auto& job : config.jobs) jobs.push_back(make_job(config, job.name));
    return jobs;
}

} // namespace tidesync::worker
