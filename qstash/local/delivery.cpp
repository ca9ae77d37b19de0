#include "qstash/local/delivery.hpp"

#include "qstash/cron.hpp"
#include "qstash/local/documents.hpp"
#include "qstash/local/random_id.hpp"
#include "qstash/sign.hpp"

#include <algorithm>

namespace tidesync::qstash::local {

namespace {

constexpr int jti_letters = 28;

new_message callback_message(const attempt& made, const callback_options& callback, std::string body, time_point now) {
    new_message message{
        .message_id = random_id("msg_", message_id_letters),
        .schedule_id = {},
        .callback_of = made.message.message_id,
        .options = {},
        .body = std::move(body),
        .caller_ip = made.message.caller_ip,
        .not_before = now};
    auto& options = message.options;
    options.destination = callback.url;
    options.method = callback.method;
    options.headers = callback.headers;
    const bool typed = std::ranges::any_of(options.headers, [](const auto& h) { return h.first == "Content-Type"; });
    if (!typed) options.headers.emplace_back("Content-Type", "application/json");
    options.retries = callback.retries.value_or(made.message.options.retries);
    options.retry_delay = callback.retry_delay;
    options.timeout = callback.timeout;
    return message;
}

} // namespace

tick plan_tick(const due_schedule& schedule, time_point now, const tick_rules& rules) {
    const auto expression = cron::parse(schedule.cron);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    const auto due = std::chrono::floor<std::chrono::seconds>(schedule.due);
    const auto next = expression.next(seconds);
    tick result{.message = std::nullopt, .next = next ? std::optional<time_point>{*next} : std::nullopt};
    const auto last = expression.last(due - std::chrono::seconds{1}, seconds).value_or(due);
    const bool missed = now - last > rules.grace;
    if (missed && !rules.catch_up) return result;
    result.message = new_message{
        .message_id = random_id("msg_", message_id_letters),
        .schedule_id = schedule.schedule_id,
        .callback_of = {},
        .options = schedule.options,
        .body = schedule.body,
        .caller_ip = schedule.caller_ip,
        .not_before = now + schedule.delay,
        .catch_up_of = missed ? std::optional<time_point>{last} : std::nullopt};
    return result;
}

outgoing request_of(const attempt& made, std::chrono::sys_seconds signed_at, std::chrono::seconds response_limit) {
    const auto& message = made.message;
    const auto& options = message.options;
    outgoing request{
        .id = made.lease_token,
        .url = options.destination,
        .method = options.method,
        .headers = options.headers,
        .body = message.body,
        .timeout = std::min(response_limit, options.timeout.value_or(response_limit))};
    // Signed anew for each attempt: a token lives five minutes, retries may come a day later.
    const auto token = sign(
        {.url = options.destination, .body = message.body, .jti = random_id("jwt_", jti_letters), .iat = signed_at},
        made.key);
    auto& headers = request.headers;
    headers.emplace_back("User-Agent", "Upstash-QStash");
    headers.emplace_back("Upstash-Signature", token);
    headers.emplace_back("Upstash-Message-Id", message.message_id);
    headers.emplace_back("Upstash-Retried", std::to_string(made.retried));
    headers.emplace_back("Upstash-Region", "LOCAL");
    headers.emplace_back("Upstash-Caller-Ip", message.caller_ip);
    if (!message.schedule_id.empty()) headers.emplace_back("Upstash-Schedule-Id", message.schedule_id);
    if (message.catch_up_of)
        headers.emplace_back(
            "Tidesync-Catch-Up-Of",
            std::to_string(std::chrono::floor<std::chrono::seconds>(*message.catch_up_of).time_since_epoch().count()));
    return request;
}

attempt_end end_of(const attempt& made, const attempt_result& result, const next_step& step, time_point now) {
    attempt_end end{.step = step, .callbacks = {}, .failure_callbacks = {}};
    const auto& options = made.message.options;
    if (!options.callback.url.empty())
        end.callbacks.push_back(callback_message(made, options.callback, callback_body(made, result, {}), now));
    if (!options.failure_callback.url.empty() && std::holds_alternative<failed>(step))
        end.failure_callbacks.push_back(
            callback_message(made, options.failure_callback, callback_body(made, result, dlq_id_of(made, now)), now));
    return end;
}

} // namespace tidesync::qstash::local
