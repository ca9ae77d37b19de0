#pragma once

#include "qstash/client.hpp"
#include "worker/settings.hpp"

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

/// One message from here to QStash and back: the only proof that address, keys and network fit together.
namespace tidesync::worker {

/// Where the worker that these settings describe listens, as seen from this machine; empty when the port is chosen
/// by the system.
[[nodiscard]] std::string local_url(const settings&);

struct message_trip {
    std::string message_id;
    nlohmann::json run; ///< the run that it started, as /api/runs shows it; null when it did not arrive
    std::chrono::seconds took{};
    std::vector<qstash::log_entry> log; ///< what QStash tells about it, when it did not arrive
};

/// Publishes a dry run for the main job and asks the worker again and again whether it has come.
/// @param tell  called about once a second with the time that has passed
/// @throws qstash::api_error when it could not be published, std::runtime_error when the worker stops answering
[[nodiscard]] message_trip send_message(
    qstash::client&, const settings&, std::chrono::seconds patience,
    const std::function<void(std::chrono::seconds)>& tell);

/// @param runs  what GET /api/runs answers  @returns the run that a delivery of this message started, else null
[[nodiscard]] nlohmann::json run_of_message(const nlohmann::json& runs, const std::string& message_id);

/// What to look at when a message did not arrive, judging by what QStash wrote down about it.
[[nodiscard]] std::string advice(const std::vector<qstash::log_entry>&, const settings&);

/// `ERROR HTTP 401 …`, without control characters.
[[nodiscard]] std::string log_line(const qstash::log_entry&);

} // namespace tidesync::worker
