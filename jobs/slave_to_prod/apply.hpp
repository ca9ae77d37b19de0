#pragma once

#include "jobs/job.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/stage.hpp"
#include "jobs/slave_to_prod/statements.hpp"

#include <optional>
#include <vector>

namespace tidesync::slave_to_prod {

/// What an earlier attempt of this run committed, when one did.
/// @throws postgres::error
[[nodiscard]] std::optional<jobs::report> find_receipt(const postgres::address& production, const std::string& run_id);

/// Passes the fence for good, so that no attempt with an older token can commit any more, and looks then.
/// @returns what an earlier attempt of this run committed, when one did
/// @throws postgres::error
[[nodiscard]] std::optional<jobs::report>
fence_off(const postgres::address& production, const server_limits&, const jobs::run_context&);

/// Raised inside the transaction, which then rolls back: a newer run has passed the fence, staged rows are not what was
/// sent, keys do not tell rows apart, or rows did not land as they were sent.
struct refused_to_apply {
    jobs::outcome how;
};

/// Brings production in step with the staged rows in one transaction: fence, insert what is new, update what differs,
/// sequences, receipt, COMMIT. All or nothing.
/// @param report  counts per table are filled in before COMMIT; its JSON is the receipt
/// @throws postgres::error  `in_doubt` when the answer to COMMIT was lost: ask find_receipt
/// @throws refused_to_apply
void apply(
    const postgres::address& production, const plan&, const std::vector<staged_table>&, const server_limits&,
    const jobs::run_context&, jobs::report& report);

} // namespace tidesync::slave_to_prod
