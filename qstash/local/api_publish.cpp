#include "qstash/local/api_calls.hpp"

#include "qstash/local/random_id.hpp"
#include "qstash/local/refused.hpp"
#include "qstash/local/wire_text.hpp"

#include <fmt/format.h>

namespace tidesync::qstash::local {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t batch_items_max = 100;
constexpr std::size_t item_header_bytes_max = 32UL * 1024; // as of a request

api_answer make_message(const api_context& in) {
    auto order = or_refuse(read_order(in.what, in.asked));
    if (!order.cron.empty()) return create_schedule(in, std::move(order)); // the older way to make one
    in.check_destinations(order.options);
    const auto now = in.now();
    const auto not_before = in.not_before(order, now);
    const auto made = in.stored.add_message(
        in.account,
        {.message_id = random_id("msg_", message_id_letters),
         .schedule_id = {},
         .callback_of = {},
         .options = std::move(order.options),
         .body = std::move(order.body),
         .caller_ip = in.asked.remote,
         .not_before = not_before},
        now, order.deduplication_id, in.with.deduplication_window);
    in.tell_made();
    if (made.deduplicated) return {202, {{"messageId", made.message_id}, {"deduplicated", true}}};
    return {200, {{"messageId", made.message_id}}};
}

/// `{"X-A":"1"}`, where a value may be a list.
header_fields headers_of_item(const nlohmann::json& given) {
    if (given.is_null()) return {};
    if (!given.is_object()) throw refused{400, "headers is not an object"};
    header_fields headers;
    std::size_t bytes = 0;
    const auto add = [&](const std::string& name, const nlohmann::json& value) {
        if (!value.is_string()) throw refused{400, fmt::format("the value of {} is no text", name)};
        const auto& text = value.get_ref<const std::string&>();
        if (!clean_text(text)) throw refused{400, fmt::format("control character in the value of {}", name)};
        bytes += name.size() + text.size();
        if (bytes > item_header_bytes_max) throw refused{400, "headers of more than 32768 bytes"};
        headers.emplace_back(lower_case(name), text);
    };
    for (const auto& [name, value] : given.items()) {
        if (!header_name(name)) throw refused{400, "a name that no header can have"};
        if (!value.is_array()) add(name, value);
        for (const auto& one : value.is_array() ? value : nlohmann::json::array()) add(name, one);
    }
    return headers;
}

std::string text_of_item(const nlohmann::json& item, const char* name) {
    const auto found = item.find(name);
    if (found == item.end() || found->is_null()) return {};
    if (!found->is_string()) throw refused{400, fmt::format("{} is no text", name)};
    return found->get<std::string>();
}

/// Does what a publish of its own would do. Settings of the batch's own request do not count.
ordered_json publish_item(const api_context& in, const nlohmann::json& item) try {
    if (!item.is_object()) throw refused{400, "this item is not an object"};
    if (!text_of_item(item, "queue").empty()) throw refused{501, "queue is not part of this server"};
    const auto destination = text_of_item(item, "destination");
    if (destination.empty() || !clean_text(destination)) throw refused{400, "destination is missing, or no URL"};
    const request asked{
        .method = "POST",
        .target = "/v2/publish/" + destination,
        .headers = headers_of_item(item.value("headers", nlohmann::json{})),
        .body = text_of_item(item, "body"),
        .remote = in.asked.remote};
    auto what = or_refuse(read_call(asked));
    what.token = in.what.token; // an authorization in the item is for the destination
    return make_message({in.stored, in.with, asked, what, in.account}).document;
} catch (const refused& e) {
    return {{"error", e.why.text}};
}

} // namespace

response publish(const api_context& in) {
    const auto made = make_message(in);
    return json_response(made.status, made.document);
}

response publish_batch(const api_context& in) {
    const auto items = nlohmann::json::parse(in.asked.body, nullptr, false);
    if (!items.is_array()) throw refused{400, "the body is not a JSON array"};
    if (items.size() > batch_items_max)
        throw refused{400, fmt::format("a batch of more than {} messages", batch_items_max)};
    auto made = ordered_json::array();
    for (const auto& item : items) made.push_back(publish_item(in, item));
    return json_response(200, made);
}

} // namespace tidesync::qstash::local
