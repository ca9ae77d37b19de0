#pragma once

#include "jobs/job.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/slave_to_prod/sides.hpp"
#include "jobs/slave_to_prod/stage.hpp"

#include <optional>
#include <vector>

namespace tidesync::slave_to_prod {

/// What an earlier attempt of this run committed, when one did.
/// @throws postgres::error
[[nodiscard]] std::optional<jobs::report> find_receipt(const postgres::address& production, const std::string& run_id);

/// What the last run of the job that committed did; nothing also where production has no receipts yet, or keeps them
/// from this role.
/// @throws postgres::error
[[nodiscard]] std::optional<jobs::report>
find_last_receipt(const postgres::address& production, const std::string& job);

/// Passes the fence for good, so that no attempt with an older token can commit any more, and looks then.
/// @returns what an earlier attempt of this run committed, when one did
/// @throws postgres::error
[[nodiscard]] std::optional<jobs::report>
fence_off(const postgres::address& production, const server_limits&, const jobs::run_context&);

/// Brings production in step with what was prepared in one transaction: fence, rows that are loaded, rows that are
/// inserted and updated, proof that they are there as the slave has them, sequences, receipt, COMMIT. All or nothing.
///
/// What another transaction was in the way of (a lock, a deadlock, rows that changed in the same moment) is tried again
/// here, a few times and after a pause, as a whole: what was staged still holds.
/// @param tables  one for each of the plan
/// @param slave   for loads
/// @param report  counts per table are filled in before COMMIT; its JSON is the receipt
/// @throws postgres::error  `in_doubt` when the answer to COMMIT was lost: ask find_receipt
/// @throws refused_to_apply
void apply(
    const postgres::address& production, const plan&, const std::vector<prepared_table>& tables, slave_sessions& slave,
    const server_limits&, const jobs::run_context&, jobs::report& report);

} // namespace tidesync::slave_to_prod
