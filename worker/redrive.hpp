#pragma once

#include "worker/runs.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace tidesync::worker {

/// The request for a run that makes up for one that did not end well.
/// @returns nothing when it ended well, or has not ended
[[nodiscard]] inline std::optional<run_request>
redrive_of(const run_view& old, const requester& who, std::chrono::seconds time_for_all) {
    if (old.state != "dead" && old.state != "cancelled" && old.state != "skipped") return std::nullopt;
    return run_request{
        .job = old.job,
        .trigger = "redrive",
        .actor = who.actor,
        .dry_run = old.dry_run,
        .message = {},
        .time_for_all = time_for_all,
        .retry_of = old.run_id,
        .request_id = who.request_id,
        .remote = who.remote};
}

} // namespace tidesync::worker
