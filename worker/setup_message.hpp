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

/// What to look at when a message did not arrive, judging by what QStash wrote down about it.
[[nodiscard]] std::string advice(const std::vector<qstash::log_entry>&, const settings&);

} // namespace tidesync::worker
