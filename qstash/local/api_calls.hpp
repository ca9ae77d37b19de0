#pragma once

#include "qstash/local/api_context.hpp"

#include <nlohmann/json.hpp>

/// What each route answers. All throw `refused`, and what the store throws.
namespace tidesync::qstash::local {

// api_publish.cpp

[[nodiscard]] response publish(const api_context&);
[[nodiscard]] response publish_batch(const api_context&);

// api_schedules.cpp

/// What a call came to: a response, or an item of one.
struct api_answer {
    int status;
    nlohmann::ordered_json document;
};
[[nodiscard]] api_answer create_schedule(const api_context&, message_order);

[[nodiscard]] response post_schedule(const api_context&);
[[nodiscard]] response list_schedules(const api_context&);
[[nodiscard]] response get_schedule(const api_context&);
[[nodiscard]] response delete_schedule(const api_context&);
[[nodiscard]] response pause_schedule(const api_context&);
[[nodiscard]] response resume_schedule(const api_context&);

// api_messages.cpp

[[nodiscard]] response get_message(const api_context&);
[[nodiscard]] response cancel_message(const api_context&);
[[nodiscard]] response cancel_messages(const api_context&);
[[nodiscard]] response list_logs(const api_context&);

// api_dlq.cpp

[[nodiscard]] response list_dlq(const api_context&);
[[nodiscard]] response get_dead_letter(const api_context&);
[[nodiscard]] response delete_dead_letter(const api_context&);
[[nodiscard]] response delete_dead_letters(const api_context&);
[[nodiscard]] response retry_dead_letter(const api_context&);
[[nodiscard]] response retry_dead_letters(const api_context&);

// api_keys.cpp

[[nodiscard]] response get_keys(const api_context&);
[[nodiscard]] response rotate_keys(const api_context&);

} // namespace tidesync::qstash::local
