#pragma once

namespace tidesync::worker {

/// What the process ends with. Scripts and CronJobs rely on these.
enum class exit_code : int {
    in_step = 0,     ///< done, or nothing to do
    differences = 1, ///< `check` found some; `doctor` problems; `health` no health
    partial = 2,
    failed = 3,
    refused = 4, ///< a guard stopped the run
    usage = 64,
    configuration = 78,
};

} // namespace tidesync::worker
