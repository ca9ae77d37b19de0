#include "qstash/client_entries.hpp"

#include "qstash/client_json.hpp"

namespace tidesync::qstash {
namespace {

using nlohmann::json;

constexpr std::size_t dlq_body_bytes_max = 4096;

} // namespace

schedule schedule_of(const json& object) {
    schedule read;
    read.schedule_id = text_of(object, "scheduleId");
    read.cron = text_of(object, "cron");
    read.destination = text_of(object, "destination");
    read.method = text_of(object, "method");
    read.headers = headers_of(member(object, "header"));
    read.body = body_of(object, "body", "bodyBase64").value_or("");
    read.retries = small_number_of(object, "retries");
    read.retry_delay = text_of(object, "retryDelayExpression");
    read.delay = seconds_of(object, "delay");
    read.timeout = seconds_of(object, "timeout");
    read.callback = text_of(object, "callback");
    read.failure_callback = text_of(object, "failureCallback");
    read.failure_callback_retries = small_number_of(object, "failureCallbackRetries");
    read.labels = texts_of(member(object, "labels"));
    if (read.labels.empty()) read.labels = texts_of(member(object, "label"));
    read.paused = flag_of(object, "isPaused");
    read.caller_ip = text_of(object, object.contains("callerIP") ? "callerIP" : "callerIp");
    read.created_at = time_of(object, "createdAt");
    read.last_tick = time_of(object, "lastScheduleTime");
    read.next_tick = time_of(object, "nextScheduleTime");
    const auto& states = member(object, "lastScheduleStates");
    if (states.is_object())
        for (const auto& [message_id, state] : states.items()) read.last_states[message_id] = text_of(state);
    read.error = text_of(object, "error");
    return read;
}

log_entry log_entry_of(const json& object) {
    log_entry read;
    read.time = time_of(object, "time");
    read.message_id = text_of(object, "messageId");
    read.state = text_of(object, "state");
    if (read.state == "CANCELLED") read.state = "CANCELED"; // the documentation and the clients spell it differently
    read.url = text_of(object, "url");
    read.schedule_id = text_of(object, "scheduleId");
    read.error = text_of(object, "error");
    read.response_status = small_number_of(object, "responseStatus").value_or(0);
    read.next_delivery = time_of(object, "nextDeliveryTime");
    return read;
}

dlq_entry dlq_entry_of(const json& object) {
    dlq_entry read;
    read.dlq_id = text_of(object, "dlqId");
    read.message_id = text_of(object, "messageId");
    read.url = text_of(object, "url");
    read.schedule_id = text_of(object, "scheduleId");
    read.response_status = small_number_of(object, "responseStatus").value_or(0);
    read.response_body = body_of(object, "responseBody", "responseBodyBase64").value_or("");
    if (read.response_body.size() > dlq_body_bytes_max) read.response_body.resize(dlq_body_bytes_max);
    read.created_at = time_of(object, "createdAt");
    return read;
}

} // namespace tidesync::qstash
