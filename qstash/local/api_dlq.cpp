#include "qstash/local/api_calls.hpp"

#include "qstash/local/documents.hpp"
#include "qstash/local/filters.hpp"
#include "qstash/local/page_text.hpp"
#include "qstash/local/random_id.hpp"
#include "qstash/local/refused.hpp"

#include <fmt/format.h>

namespace tidesync::qstash::local {

namespace {

using nlohmann::ordered_json;

std::optional<store::dlq_place> place_of(const std::string& cursor) {
    auto behind = page_end::parse(cursor);
    if (!behind) return std::nullopt;
    return store::dlq_place{.died_ms = behind->ms, .message_id = std::move(behind->behind)};
}

std::string cursor_of(const dead_letter& last) {
    return fmt::format("{}-{}", last.died.time_since_epoch().count(), last.message.message_id);
}

struct bulk {
    std::vector<std::string> dlq_ids;
    std::string cursor; ///< empty when these are all
};

/// What a bulk call is about. Ids are taken as they are, whatever else is said.
bulk read_bulk(const api_context& in) {
    const auto chosen = or_refuse(read_selection(in.what, in.asked.body, selecting::dead_letters));
    if (chosen.nothing) return {};
    if (chosen.by_ids) return {chosen.filter.at("dlq_ids").get<std::vector<std::string>>(), {}};
    const auto page = in.stored.list_dlq(
        in.account, place_of(chosen.cursor), chosen.rows_max.value_or(page_rows), chosen.filter, true);
    bulk result;
    for (const auto& letter : page.rows) result.dlq_ids.push_back(letter.dlq_id);
    if (page.more) result.cursor = cursor_of(page.rows.back());
    return result;
}

/// The settings of a retry's own request go before the old ones.
void override_with(const message_order& order, const call& what, delivery_options& options) {
    const auto given = [&](const char* name) { return what.settings.contains(name); };
    if (given("upstash-method")) options.method = order.options.method;
    if (given("upstash-retries")) options.retries = order.options.retries;
    if (given("upstash-retry-delay")) options.retry_delay = order.options.retry_delay;
    if (given("upstash-timeout")) options.timeout = order.options.timeout;
    if (given("upstash-callback")) options.callback = order.options.callback;
    if (given("upstash-failure-callback")) options.failure_callback = order.options.failure_callback;
    if (given("upstash-label")) options.labels = order.options.labels;
    for (const auto& [name, value] : order.options.headers) {
        if (name == "Content-Type") continue; // of the retry's own, empty request
        std::erase_if(options.headers, [&](const auto& header) { return header.first == name; });
        options.headers.emplace_back(name, value);
    }
}

std::vector<std::string> retry(const api_context& in, const std::vector<std::string>& dlq_ids) {
    auto with_destination = in.what;
    with_destination.destination = "http://localhost/"; // an order needs one; each message keeps its own
    const auto order = or_refuse(read_order(with_destination, in.asked));
    in.check_destinations(order.options);
    const auto now = in.now();
    const auto not_before = in.not_before(order, now);
    const auto made = in.stored.retry_dlq(in.account, dlq_ids, now, [&](const stored_message& dead) {
        new_message message{
            .message_id = random_id("msg_", message_id_letters),
            .schedule_id = dead.schedule_id,
            .callback_of = {},
            .options = dead.options,
            .body = {}, // of the dead one
            .caller_ip = in.asked.remote,
            .not_before = not_before};
        override_with(order, in.what, message.options);
        return message;
    });
    in.tell_made();
    return made;
}

} // namespace

response list_dlq(const api_context& in) {
    const auto chosen = or_refuse(read_selection(in.what, {}, selecting::dead_letters));
    page_of<dead_letter> page;
    if (!chosen.nothing)
        page = in.stored.list_dlq(
            in.account, place_of(chosen.cursor), chosen.rows_max.value_or(page_rows), chosen.filter,
            chosen.without_bodies);
    array_text messages;
    const bool more = write_page(page, dead_letter_document, messages);
    auto body = R"({"messages":)" + messages.take();
    body += more ? ',' + cursor_member(cursor_of(page.rows.back())) : "}";
    return {.status = 200, .body = std::move(body)};
}

response get_dead_letter(const api_context& in) {
    const auto found = in.stored.list_dlq(in.account, std::nullopt, 1, {{"dlq_ids", {in.id()}}}, false);
    return found.rows.empty() ? not_found("dlq entry", in.id())
                              : json_response(200, dead_letter_document(found.rows.front()));
}

response delete_dead_letter(const api_context& in) {
    return in.stored.delete_dlq(in.account, {in.id()}) == 0 ? not_found("dlq entry", in.id())
                                                            : json_response(200, {{"deleted", 1}});
}

response delete_dead_letters(const api_context& in) {
    const auto chosen = read_bulk(in);
    ordered_json document{{"deleted", chosen.dlq_ids.empty() ? 0 : in.stored.delete_dlq(in.account, chosen.dlq_ids)}};
    if (!chosen.cursor.empty()) document["cursor"] = chosen.cursor;
    return json_response(200, document);
}

response retry_dead_letter(const api_context& in) {
    const auto& dlq_id = in.what.path.at(2);
    const auto made = retry(in, {dlq_id});
    return made.empty() ? not_found("dlq entry", dlq_id) : json_response(201, {{"messageId", made.front()}});
}

response retry_dead_letters(const api_context& in) {
    const auto chosen = read_bulk(in);
    auto responses = ordered_json::array();
    for (const auto& message_id : retry(in, chosen.dlq_ids)) responses.push_back({{"messageId", message_id}});
    ordered_json document{{"responses", std::move(responses)}};
    if (!chosen.cursor.empty()) document["cursor"] = chosen.cursor;
    return json_response(201, document);
}

} // namespace tidesync::qstash::local
