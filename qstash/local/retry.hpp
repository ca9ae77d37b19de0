#pragma once

#include "qstash/local/http.hpp"
#include "qstash/local/message.hpp"
#include "qstash/local/retry_delay.hpp"

#include <chrono>
#include <string>
#include <variant>

/// Decides what becomes of a message after an attempt. Pure: the time is an argument.
namespace tidesync::qstash::local {

/// What one attempt came to.
struct attempt_result {
    int status = 0;          ///< 0: there was no answer
    header_fields headers{}; ///< of the answer, names in lower case
    std::string body{};      ///< what was kept of it
    std::string error{};     ///< without an answer: why, such as `context deadline exceeded`
};

struct delivered {};
struct retry_later {
    std::chrono::milliseconds delay;
};
struct failed {};
using next_step = std::variant<delivered, retry_later, failed>;

/// @param retried  retries so far: 0 after the first attempt
/// @param now      for dates in `Retry-After`
/// Success is 200 to 299. 489 with `Upstash-NonRetryable-Error: true` fails at once. The first of Retry-After,
/// X-RateLimit-Reset, X-RateLimit-Reset-Requests and X-RateLimit-Reset-Tokens that is present and readable replaces the
/// computed delay, unless it asks for more than a day; it adds no attempt. Then the expression, then
/// min(86400, e^(2.5 n)) whole seconds.
/// Source: Upstash documentation, "Retry", and openapi.yaml.
[[nodiscard]] next_step decide(const attempt_result&, const delivery_options&, int retried, time_point now);

} // namespace tidesync::qstash::local
