#pragma once

#include "jobs/job.hpp"
#include "worker/http.hpp"
#include "worker/run_store.hpp"
#include "worker/runner.hpp"
#include "worker/settings.hpp"

#include <atomic>
#include <string>

namespace tidesync::worker {

/// What routes work with.
struct services {
    const settings& config;
    run_store& store;
    runner& runs;
    std::vector<std::string> jobs; ///< their names
    std::string worker_name;
    std::atomic<bool> draining{false};
};

/// Finds the route, checks who asks, and answers. The route table is at the top of the .cpp.
[[nodiscard]] http_response handle(services&, const http_request&);

} // namespace tidesync::worker
