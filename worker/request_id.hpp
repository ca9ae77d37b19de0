#pragma once

#include "worker/http.hpp"

#include <string>

namespace tidesync::worker {

/// What a request is called in its answer, the log and the audit: the caller's `X-Request-Id` where it is one of 8 to
/// 64 letters, digits, `.`, `_` and `-`, so that a proxy's log and ours can be laid side by side; else a random UUID.
[[nodiscard]] std::string id_of(const http_request&);

/// Names the request in its answer: the header `X-Request-Id`, and `request_id` in an error document.
void name_request(http_response&, const std::string& id);

} // namespace tidesync::worker
