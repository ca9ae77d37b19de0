#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace tidesync::worker {

struct worker_answer {
    long status = 0;
    std::string body; ///< at most 16 MiB
};

/// One HTTP request to a running worker, for the verbs that try one out. Takes no proxy and follows no redirect.
/// @param headers  `Name: value`; may hold a signature or a token, so they are never shown
/// @param body     what to POST; nothing makes it a GET
/// @throws std::runtime_error  without an answer within `limit`; names the URL
[[nodiscard]] worker_answer ask_worker(
    const std::string& url, const std::vector<std::string>& headers, const std::optional<std::string>& body,
    std::chrono::seconds limit);

} // namespace tidesync::worker
