#pragma once

#include "qstash/local/store.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

/// What leaves the scheduler: the documents of the API, in the members that the official clients read, and the body of
/// callbacks. Times are milliseconds, durations seconds (a log's timeout: milliseconds), bytes base64.
/// Source: Upstash documentation, "API reference" and "Callbacks".
namespace tidesync::qstash::local {

[[nodiscard]] nlohmann::ordered_json schedule_document(const stored_schedule&);
[[nodiscard]] nlohmann::ordered_json message_document(const stored_message&);
[[nodiscard]] nlohmann::ordered_json dead_letter_document(const dead_letter&);
[[nodiscard]] nlohmann::ordered_json log_document(const log_row&);

/// The body of a callback or failure callback.
/// @param dlq_id  empty for a callback
[[nodiscard]] std::string callback_body(const attempt&, const attempt_result&, std::string_view dlq_id);

/// As text; bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string text_of(const nlohmann::ordered_json&);

/// The standard alphabet, padded. Source: RFC 4648 section 4.
[[nodiscard]] std::string base64(std::string_view bytes);

} // namespace tidesync::qstash::local
