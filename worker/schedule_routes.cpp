#include "worker/schedule_routes.hpp"

#include "jobs/stores/postgres/failure.hpp"
#include "worker/answers.hpp"
#include "worker/log.hpp"
#include "worker/schedule_actions.hpp"
#include "worker/schedule_text.hpp"
#include "worker/schedules.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace tidesync::worker {

namespace {

// For all calls of one request together: it holds one of the server's handlers meanwhile.
constexpr std::chrono::seconds action_limit{12};

http_response answer(const qstash_failure& failure) {
    return error_answer(failure.http_status, failure.code, failure.message, failure.hint);
}

/// Calls QStash for a request. A failure becomes an answer: 502 and 503 mean QStash, never us.
template <typename Body>
http_response ask_qstash(const settings& config, Body&& body) {
    if (config.qstash_token.empty()) return answer(no_qstash_token());
    try {
        auto with = qstash_client(config, action_limit);
        with.until = std::chrono::steady_clock::now() + action_limit;
        qstash::client client{std::move(with)};
        return body(client);
    } catch (const qstash::api_error& e) {
        const auto failure = explain(e);
        if (failure.http_status != 404) // that is the caller's mistake, and nobody else has to act
            log::event(log::level::warn, "QStash did not do it", {{"code", failure.code}, {"error", failure.message}});
        return answer(failure);
    } catch (const std::invalid_argument& e) { // what was read from QStash can not always be sent back
        return error_answer(400, "bad_request", e.what(), "create the schedule anew: `tidesync schedule create`");
    }
}

/// What QStash said is worth more to the caller than that this could not be written down as well.
void record_failure(services& with, const audit_entry& entry) {
    try {
        with.record(entry);
    } catch (const postgres::error& e) {
        log::event(
            log::level::warn, "the audit was not written",
            {{"request_id", entry.who.request_id}, {"action", entry.action}, {"error", e.what()}});
    }
}

} // namespace

http_response list_schedules(const services& with) {
    return ask_qstash(with.config, [](qstash::client& client) {
        const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        auto schedules = nlohmann::ordered_json::array();
        for (const auto& schedule : client.list_schedules()) schedules.push_back(schedule_document(schedule, now));
        return json_answer(200, {{"success", true}, {"schedules", std::move(schedules)}});
    });
}

http_response change_schedule(services& with, const http_request& request, const requester& who) {
    const auto parsed = parse_action(request.body);
    if (const auto* wrong = std::get_if<bad_order>(&parsed))
        return error_answer(400, "bad_request", wrong->message, wrong->hint);
    const auto& action = std::get<schedule_action>(parsed);
    auto entry = entry_of(action, who);
    // Before the call: then nothing is done at QStash that stands nowhere. That it failed is worth a second entry.
    if (!with.config.qstash_token.empty()) with.record(entry);
    auto told = ask_qstash(with.config, [&](qstash::client& client) {
        const auto performed = perform(action, client, with.config);
        if (const auto* wrong = std::get_if<bad_order>(&performed))
            return error_answer(400, "bad_request", wrong->message, wrong->hint);
        const auto& change = std::get<schedule_change>(performed);
        log::event(
            log::level::info, "schedule changed",
            {{"action", std::string{to_string(action.what)}},
             {"schedule", change.schedule_id},
             {"by", who.actor},
             {"request_id", who.request_id},
             {"remote", who.remote}});
        nlohmann::ordered_json document{{"success", true}, {"scheduleId", change.schedule_id}};
        if (!change.message_id.empty()) document["messageId"] = change.message_id;
        return json_answer(200, document);
    });
    if (told.status >= 400 && !with.config.qstash_token.empty()) {
        entry.detail["answered"] = told.status;
        record_failure(with, entry);
    }
    return told;
}

} // namespace tidesync::worker
