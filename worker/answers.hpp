#pragma once

#include "worker/http.hpp"
#include "worker/run_store.hpp"
#include "worker/token_store.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

/// Every document that leaves the worker is made here: HTTP answers and what `--json` prints.
namespace tidesync::worker {

/// `{"success":false,"error":{code,message,hint}}`, with `run` when one is concerned.
/// @param code  of HTTP: bad_request, unauthorized, not_found, method_not_allowed, too_large, headers_too_large,
///              too_busy, too_many_requests, conflict, forbidden, store_unavailable, draining, internal,
///              not_configured, qstash_rate_limited, qstash_refused, qstash_unreachable; of a dead run: a
///              jobs::failure_code, lost or deadline; of a skipped one: paused; of the command line besides: usage,
///              configuration, address_in_use
[[nodiscard]] nlohmann::ordered_json
error_document(std::string_view code, std::string_view message, std::string_view hint, std::string_view run_id = {});

[[nodiscard]] http_response error_answer(
    int status, std::string_view code, std::string_view message, std::string_view hint, std::string_view run_id = {});

/// A run that ended well, as the route always answered: `{"success":true,"message",…,"statistics":{…}}`.
/// @param type  `scheduled` or `manual`
[[nodiscard]] nlohmann::ordered_json success_document(const run_view&, std::string_view type, bool with_tables);

/// A run as `/api/runs/{id}` and `tidesync runs --json` show it.
[[nodiscard]] nlohmann::ordered_json run_document(const run_view&);

/// A job as `/api/jobs` shows it.
[[nodiscard]] nlohmann::ordered_json job_document(const job_view&);

/// `{"entries":[…]}`, as `/api/audit` and `tidesync audit --json` show it.
[[nodiscard]] nlohmann::ordered_json audit_document(const std::vector<audit_view>&);

/// A token as `tidesync token list --json` shows it. The token itself is kept nowhere.
[[nodiscard]] nlohmann::ordered_json token_document(const token_view&);

/// A message that QStash gave up; what QStash did not say is null.
[[nodiscard]] nlohmann::ordered_json alarm_document(const delivery_alarm&);

/// `{"runs":[…],"alarms":[…]}`, as `/api/runs` and `tidesync runs --json` show it.
[[nodiscard]] nlohmann::ordered_json history_document(const std::vector<run_view>&, const std::vector<delivery_alarm>&);

/// What a delivery or trigger is told about its run.
/// @param from_qstash  a dead run is then 489, which ends QStash's retries; other callers get 500
[[nodiscard]] http_response run_answer(const run_view&, decision, std::string_view type, bool from_qstash);

[[nodiscard]] http_response json_answer(int status, const nlohmann::ordered_json&);

} // namespace tidesync::worker
