#pragma once

#include "jobs/job.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/stores/postgres/copy.hpp"

namespace tidesync::slave_to_prod {

/// Compares one table on both sides by hashes, each side inside the snapshot its session has open. Writes nothing.
/// First one hash per table; only when they differ, the sorted hashes of all rows, merged as they arrive. Memory does
/// not grow with the table.
/// @returns total, missing, different, extra, unchanged and bytes
/// @throws postgres::error
[[nodiscard]] jobs::table_report
compare(const table_plan&, bool portable_hashes, postgres::copy_session& slave, postgres::copy_session& production);

} // namespace tidesync::slave_to_prod
