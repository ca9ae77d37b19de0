#include "qstash/local/api_calls.hpp"

#include "qstash/local/documents.hpp"
#include "qstash/local/filters.hpp"
#include "qstash/local/page_text.hpp"
#include "qstash/local/refused.hpp"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>

namespace tidesync::qstash::local {

namespace {

constexpr int canceled_at_once = 500;
constexpr int canceled_by_id_max = 1000;

int cancel_all(const api_context& in, const selection& chosen) {
    const auto now = in.now();
    if (chosen.by_ids) return in.stored.cancel_messages(in.account, chosen.filter, canceled_by_id_max, now);
    if (chosen.rows_max) return in.stored.cancel_messages(in.account, chosen.filter, *chosen.rows_max, now);
    // What is made meanwhile is not meant: else this might never end.
    auto filter = chosen.filter;
    filter["to_ms"] = std::min<std::int64_t>(filter.value("to_ms", INT64_MAX), now.time_since_epoch().count());
    int canceled = 0;
    while (const int some = in.stored.cancel_messages(in.account, filter, canceled_at_once, now)) canceled += some;
    return canceled;
}

} // namespace

response get_message(const api_context& in) {
    const auto message = in.stored.get_message(in.account, in.id());
    return message ? json_response(200, message_document(*message)) : not_found("message", in.id());
}

response cancel_message(const api_context& in) {
    const nlohmann::json filter{{"message_ids", {in.id()}}};
    const int canceled = in.stored.cancel_messages(in.account, filter, 1, in.now());
    return canceled == 0 ? not_found("message", in.id()) : json_response(202, {{"cancelled", canceled}});
}

response cancel_messages(const api_context& in) {
    const auto chosen = or_refuse(read_selection(in.what, in.asked.body, selecting::messages));
    return json_response(202, {{"cancelled", chosen.nothing ? 0 : cancel_all(in, chosen)}});
}

response list_logs(const api_context& in) {
    const auto chosen = or_refuse(read_selection(in.what, {}, selecting::logs));
    const auto behind = page_end::parse(chosen.cursor);
    const auto entry = behind ? whole_number(behind->behind) : std::nullopt;
    if (behind && !entry) throw refused{400, "cursor is not one that this call gave"};
    page_of<log_row> page;
    if (!chosen.nothing)
        page = in.stored.list_logs(
            in.account, entry, chosen.rows_max.value_or(page_rows), chosen.filter, chosen.earliest_first,
            chosen.without_bodies);
    array_text entries;
    const bool more = write_page(page, log_document, entries);
    const auto list = entries.take();
    // The clients' name and the documentation's.
    std::string body;
    body.reserve(2 * list.size() + 200);
    body.append(R"({"events":)").append(list).append(R"(,"logs":)").append(list);
    if (more) {
        const auto& last = page.rows.back();
        body += ',' + cursor_member(fmt::format("{}-{}", last.at.time_since_epoch().count(), last.entry_id));
    } else {
        body += '}';
    }
    return {.status = 200, .body = std::move(body)};
}

} // namespace tidesync::qstash::local
