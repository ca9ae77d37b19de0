#pragma once

#include "worker/http.hpp"
#include "worker/routes.hpp"

#include <string>

/// What people see of runs and jobs over HTTP and do to them. Each change is written to log and audit with who asked.
namespace tidesync::worker {

/// A run that was just accepted. It is stored: when the store does not answer now, all that is known is that it waits.
[[nodiscard]] run_view look_at_accepted(run_store&, const std::string& run_id);

/// Stores a request, and starts its run where it may start here and now.
[[nodiscard]] acceptance accept_run(services&, const run_request&);

[[nodiscard]] http_response show_run(services&, const std::string& run_id);
/// `?limit=` 1 to 500, 50 without; the same below.
[[nodiscard]] http_response list_runs(services&, const http_request&);
/// `?state=` as well.
[[nodiscard]] http_response list_runs_of_job(services&, const std::string& job, const http_request&);
[[nodiscard]] http_response list_audit(services&, const http_request&);
[[nodiscard]] http_response list_jobs(services&);

/// 202 while a worker still has to notice, 200 when it is done, 409 for a run that has ended.
[[nodiscard]] http_response cancel_run(services&, const std::string& run_id, const requester&);

/// A new run that makes up for one that is dead, cancelled or skipped. 202 with the new run.
[[nodiscard]] http_response retry_run(services&, const std::string& run_id, const requester&);

/// @param body  `{"reason": "…"}`
[[nodiscard]] http_response pause_job(services&, const std::string& job, const requester&, const std::string& body);
[[nodiscard]] http_response resume_job(services&, const std::string& job, const requester&);

} // namespace tidesync::worker
