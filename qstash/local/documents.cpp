#include "qstash/local/documents.hpp"

#include <algorithm>

#include "qstash/base64url.hpp"

namespace tidesync::qstash::local {

namespace {

using nlohmann::ordered_json;

std::int64_t ms(time_point when) { return when.time_since_epoch().count(); }

/// {"X-A":["1","2"]}
ordered_json headers_document(const header_fields& headers) {
    auto document = ordered_json::object();
    for (const auto& [name, value] : headers) document[canonical_header_name(name)].push_back(value);
    return document;
}

bool is_utf8(const std::string& bytes) {
    try {
        static_cast<void>(ordered_json(bytes).dump());
        return true;
    } catch (const ordered_json::type_error&) {
        return false;
    }
}

void put_text(ordered_json& into, const char* name, const std::string& text) {
    if (!text.empty()) into[name] = text;
}

/// `body` where it is text, else `bodyBase64`; neither when it is empty.
void put_body(ordered_json& into, const std::string& text_name, const std::string& body) {
    if (body.empty()) return;
    if (is_utf8(body))
        into[text_name] = body;
    else
        into[text_name + "Base64"] = base64(body);
}

void put_labels(ordered_json& into, const delivery_options& options) {
    if (options.labels.empty()) return;
    into["label"] = options.labels.front(); // older clients read the first one only
    into["labels"] = options.labels;
}

/// @param plural  logs say `callbackHeaders` where the others say `callbackHeader`
void put_callbacks(ordered_json& into, const delivery_options& options, const std::string& plural) {
    for (const auto& [name, callback] :
         {std::pair{"callback", &options.callback}, std::pair{"failureCallback", &options.failure_callback}}) {
        put_text(into, name, callback->url);
        if (!callback->headers.empty())
            into[std::string{name} + "Header" + plural] = headers_document(callback->headers);
    }
}

ordered_json headers_or_empty(const nlohmann::json& stored) {
    return stored.is_object() ? ordered_json(stored) : ordered_json::object();
}

} // namespace

std::string base64(std::string_view bytes) {
    auto text = base64url::encode(bytes);
    std::ranges::replace(text, '-', '+');
    std::ranges::replace(text, '_', '/');
    text.append((4 - text.size() % 4) % 4, '=');
    return text;
}

std::string text_of(const ordered_json& document) {
    return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json schedule_document(const stored_schedule& schedule) {
    const auto& options = schedule.options;
    ordered_json document{{"scheduleId", schedule.schedule_id}, {"cron", schedule.cron},
                          {"createdAt", ms(schedule.created)},  {"destination", options.destination},
                          {"method", options.method},           {"retries", options.retries},
                          {"isPaused", schedule.paused},        {"callerIP", schedule.caller_ip}};
    if (!options.headers.empty()) document["header"] = headers_document(options.headers);
    put_body(document, "body", schedule.body);
    put_text(document, "retryDelayExpression", options.retry_delay);
    if (schedule.delay.count() > 0) document["delay"] = schedule.delay.count();
    if (options.timeout) document["timeout"] = options.timeout->count();
    put_callbacks(document, options, "");
    put_labels(document, options);
    if (schedule.last_tick) document["lastScheduleTime"] = ms(*schedule.last_tick);
    if (schedule.next_tick) document["nextScheduleTime"] = ms(*schedule.next_tick);
    if (schedule.last_states.is_object()) document["lastScheduleStates"] = schedule.last_states;
    return document;
}

ordered_json message_document(const stored_message& message) {
    const auto& options = message.options;
    ordered_json document{
        {"messageId", message.message_id},
        {"url", options.destination},
        {"method", options.method},
        {"maxRetries", options.retries},
        {"notBefore", ms(message.not_before)},
        {"createdAt", ms(message.created)},
        {"callerIP", message.caller_ip},
        {"header", headers_document(options.headers)}};
    put_body(document, "body", message.body);
    put_text(document, "retryDelayExpression", options.retry_delay);
    put_text(document, "scheduleId", message.schedule_id);
    put_callbacks(document, options, "");
    put_labels(document, options);
    return document;
}

ordered_json dead_letter_document(const dead_letter& letter) {
    auto document = message_document(letter.message);
    document["dlqId"] = letter.dlq_id;
    document["responseStatus"] = letter.response_status; // 0 without an answer: the Python client wants the member
    document["responseHeader"] = headers_or_empty(letter.response_headers);
    put_body(document, "responseBody", letter.response_body);
    return document;
}

ordered_json log_document(const log_row& entry) {
    const auto& options = entry.message.options;
    ordered_json document{
        {"time", ms(entry.at)},
        {"messageId", entry.message.message_id},
        {"state", entry.state},
        {"url", options.destination},
        {"method", options.method},
        {"maxRetries", options.retries},
        {"header", headers_document(options.headers)}};
    if (!entry.message.body.empty()) document["body"] = base64(entry.message.body);
    put_text(document, "error", entry.error);
    put_text(document, "scheduleId", entry.message.schedule_id);
    put_text(document, "retryDelayExpression", options.retry_delay);
    if (entry.next_delivery) document["nextDeliveryTime"] = ms(*entry.next_delivery);
    if (options.timeout) document["timeout"] = std::chrono::milliseconds{*options.timeout}.count();
    if (entry.response_status != 0) {
        document["responseStatus"] = entry.response_status;
        // The documentation says the plural, the official clients read the singular.
        document["responseHeaders"] = headers_or_empty(entry.response_headers);
        document["responseHeader"] = document["responseHeaders"];
        document["responseBody"] = base64(entry.response_body);
    }
    put_callbacks(document, options, "s");
    put_labels(document, options);
    return document;
}

std::string callback_body(const attempt& made, const attempt_result& result, std::string_view dlq_id) {
    const auto& message = made.message;
    ordered_json document{
        {"status", result.status},
        {"header", headers_document(result.headers)},
        {"body", base64(result.status == 0 ? result.error : result.body)},
        {"retried", made.retried},
        {"maxRetries", message.options.retries},
        {"sourceMessageId", message.message_id},
        {"url", message.options.destination},
        {"method", message.options.method},
        {"sourceHeader", headers_document(message.options.headers)},
        {"sourceBody", base64(message.body)},
        {"notBefore", ms(message.not_before)},
        {"createdAt", ms(message.created)},
        {"callerIP", message.caller_ip}};
    if (!dlq_id.empty()) document["dlqId"] = dlq_id;
    put_text(document, "scheduleId", message.schedule_id);
    return text_of(document);
}

} // namespace tidesync::qstash::local
