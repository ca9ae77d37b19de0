#pragma once

#include "worker/settings.hpp"

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

/// A running worker, asked from the same machine by the verbs that try one out.
namespace tidesync::worker {

/// Where a worker listens, as seen from this machine; empty when the port is chosen by the system.
[[nodiscard]] std::string local_url(const listen_address&);

struct worker_answer {
    long status = 0;
    std::string body; ///< at most 16 MiB
};

/// One HTTP request. Takes no proxy and follows no redirect.
/// @param headers  `Name: value`; may hold a signature or a token, so they are never shown
/// @param body     what to POST; nothing makes it a GET
/// @throws std::runtime_error  without an answer within `limit`; names the URL
[[nodiscard]] worker_answer ask_worker(
    const std::string& url, const std::vector<std::string>& headers, const std::optional<std::string>& body,
    std::chrono::seconds limit);

/// @param runs  what GET /api/runs answers  @returns the run that a delivery of this message started, else null
[[nodiscard]] nlohmann::json run_of_message(const nlohmann::json& runs, const std::string& message_id);

/// A member of what may be anything. @returns empty for what is not there or no text
[[nodiscard]] std::string text_member(const nlohmann::json& object, const char* name);

} // namespace tidesync::worker
