#pragma once

#include "jobs/report.hpp"
#include "worker/run_store.hpp"

#include <string>
#include <vector>

/// What people read on a terminal.
namespace tidesync::worker {

/// A table of counts per synced table, with a line of sums.
[[nodiscard]] std::string sync_table(const jobs::report&);

/// The same for `check`: missing, different and extra rows.
[[nodiscard]] std::string check_table(const jobs::report&);

/// The history, newest first.
[[nodiscard]] std::string runs_table(const std::vector<run_view>&);

/// One run with all that is known about it.
[[nodiscard]] std::string run_text(const run_view&);

/// What people did, newest first.
[[nodiscard]] std::string audit_table(const std::vector<audit_view>&);

/// A line for each job that is paused: since when, by whom, and why.
[[nodiscard]] std::string pauses_text(const std::vector<job_view>&);

/// Messages that QStash gave up, newest first, and what the last try of each was answered. Empty when there are none.
[[nodiscard]] std::string alarms_table(const std::vector<delivery_alarm>&);

} // namespace tidesync::worker
