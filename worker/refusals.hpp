#pragma once

#include "worker/call.hpp"
#include "worker/http.hpp"

#include <chrono>
#include <string_view>

/// What those are told who may not, and those whose request can never succeed.
namespace tidesync::worker {

/// 401. The caller learns what the route takes, the log and the metrics why it was refused. After many refusals of one
/// address 429 and no line in the log, whoever sits behind that address: a good credential is never refused for it.
/// What came with a signature stays 401: QStash would take `Retry-After` for its own, more patient pauses.
/// @param needs  of the route
[[nodiscard]] http_response unauthorized(const call&, const refused&, access needs);

/// 403. Says which scope is needed.
[[nodiscard]] http_response forbidden(const call&, const bearer&, scope least);

/// 429. @param wait  until the next request may come
[[nodiscard]] http_response too_many(std::string_view message, std::string_view hint, std::chrono::milliseconds wait);

/// 429 for one more dry run than a job may have at work. Without `Retry-After` for QStash, as above.
[[nodiscard]] http_response crowded(bool from_qstash, std::string_view job);

/// A verified request that can never succeed: QStash must not try again, anybody else made a mistake.
/// @param status  for anybody else
[[nodiscard]] http_response
impossible(bool from_qstash, int status, std::string_view code, std::string_view message, std::string_view hint);

} // namespace tidesync::worker
