#pragma once

#include "qstash/http_call.hpp"
#include "worker/runs.hpp"
#include "worker/secret.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Alarms as HTTP requests. Source: the Standard Webhooks specification, https://www.standardwebhooks.com.
namespace tidesync::worker {

/// Who is told of alarms.
struct alarm_receiver {
    secret url; ///< empty when nobody is
    secret key; ///< raw bytes
};

/// @returns the raw bytes of a secret `whsec_` and base64; nothing for another text, or for less than 24 bytes or more
///          than 64
[[nodiscard]] std::optional<std::string> webhook_key(std::string_view text);

/// @param timestamp  unix seconds
/// @returns          the value of `webhook-signature`
[[nodiscard]] std::string
sign_webhook(std::string_view id, std::int64_t timestamp, std::string_view body, std::string_view key);

/// One try to tell of an alarm. Its id is the same at every try, its timestamp is the try's own.
[[nodiscard]] qstash::http_request webhook_request(const alarm_receiver&, const due_alarm&);

} // namespace tidesync::worker
