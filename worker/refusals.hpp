#pragma once

#include "worker/authorize.hpp"
#include "worker/http.hpp"
#include "worker/routes.hpp"

#include <string_view>

/// What those are told who may not, and those whose request can never succeed.
namespace tidesync::worker {

/// 401. The caller learns what the route takes, the log and the metrics why it was refused.
/// @param needs  of the route
[[nodiscard]] http_response unauthorized(services&, const http_request&, const refused&, access needs);

/// 403. Says which scope is needed.
[[nodiscard]] http_response forbidden(const http_request&, const bearer&, scope least);

/// A verified request that can never succeed: QStash must not try again, anybody else made a mistake.
/// @param status  for anybody else
[[nodiscard]] http_response
impossible(bool from_qstash, int status, std::string_view code, std::string_view message, std::string_view hint);

} // namespace tidesync::worker
