#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidesync::worker {

/// A message that QStash gave up. Every text is safe to store and to print: bounded, UTF-8, no control characters.
/// Only the message id is sure to be there; other texts are empty and numbers absent when QStash did not say.
struct delivery_alarm {
    std::string source_message_id; ///< 1 to 256 visible ASCII characters
    std::string received_at;       ///< ISO 8601, UTC; the store sets it
    std::string schedule_id;
    std::string url;
    std::string method;
    std::optional<int> status; ///< what the last try was answered
    std::optional<int> retried;
    std::optional<int> max_retries;
    std::string dlq_id;   ///< in QStash's dead letter queue
    std::string response; ///< the first 500 bytes of the last answer's body
    std::string run_id;   ///< the run of that message, where it had reached us; the store finds it
};

/// Reads the body of QStash's failure callback. Lenient, because its sources disagree: numbers may be strings, any
/// member but the message id may be absent or of another kind, unknown ones are passed over without being kept.
/// @returns nothing when this is no JSON object or names no message
/// Source: Upstash documentation, "Callbacks".
[[nodiscard]] std::optional<delivery_alarm> read_failure_callback(std::string_view body);

} // namespace tidesync::worker
