#pragma once

#include "qstash/local/http.hpp"

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tidesync::qstash::local {

using time_point = std::chrono::sys_time<std::chrono::milliseconds>;

/// Where the result of a delivery is reported, and how that message is to be sent.
struct callback_options {
    std::string url; ///< empty: no callback
    std::string method = "POST";
    header_fields headers;      ///< for the callback's request, names in canonical case
    std::optional<int> retries; ///< nothing: those of the message
    std::string retry_delay;
    std::optional<std::chrono::seconds> timeout;
};

/// How a message is delivered: what the `Upstash-*` headers of a publish or of a schedule say.
struct delivery_options {
    std::string destination;
    std::string method = "POST";
    header_fields headers;   ///< for the destination, names in canonical case, `Content-Type` among them
    int retries = 3;         ///< after the first attempt
    std::string retry_delay; ///< expression; empty for the default back-off
    std::optional<std::chrono::seconds> timeout; ///< nothing: the server's limit
    callback_options callback;                   ///< after every attempt
    callback_options failure_callback;           ///< once, when the message has failed for good
    std::vector<std::string> labels;
};

/// For the store: everything but the body.
void to_json(nlohmann::json&, const delivery_options&);
void from_json(const nlohmann::json&, delivery_options&);

} // namespace tidesync::qstash::local
