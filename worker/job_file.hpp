#pragma once

#include <string>
#include <vector>

namespace tidesync::worker {

struct settings;

/// Reads tidesync.yaml into `values`. Unknown keys are problems, not silence: a misspelt `exclude` would sync a table.
/// Each problem names file, line, and what was expected. docs/configuration.md lists the keys.
void read_job_file(const std::string& path, settings& values, std::vector<std::string>& problems);

} // namespace tidesync::worker
