#include "qstash/local/api.hpp"

#include "qstash/cron.hpp"
#include "qstash/digest.hpp"
#include "qstash/local/documents.hpp"
#include "qstash/local/filters.hpp"
#include "qstash/local/order.hpp"
#include "qstash/local/random_id.hpp"
#include "qstash/local/refused.hpp"
#include "qstash/local/wire_text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

namespace tidesync::qstash::local {

namespace {

using nlohmann::ordered_json;

constexpr int schedule_id_letters = 28;
constexpr int key_letters = 28;

constexpr int page_rows = 100; // unless `count` says otherwise
constexpr int schedules_read_at_once = 50;
constexpr int canceled_at_once = 500;
constexpr int canceled_by_id_max = 1000;
constexpr std::size_t batch_items_max = 100;
constexpr std::size_t item_header_bytes_max = 32UL * 1024; // as of a request
constexpr std::size_t answer_bytes_max = 16UL * 1024 * 1024;

/// One authenticated call, and all that answering it needs.
struct context {
    const store& stored;
    const api::settings& with;
    const request& asked;
    const call& what;
    const std::string& account;

    [[nodiscard]] time_point now() const { return with.clock ? with.clock() : stored.now(); }
    void tell_made() const {
        if (with.made) with.made();
    }
    [[nodiscard]] const std::string& id() const { return what.path.at(1); }
};

/// What a call came to: an answer, or an item of one.
struct outcome {
    int status;
    ordered_json document;
};

response json_response(int status, const ordered_json& document) {
    return {.status = status, .body = text_of(document)};
}

response not_found(std::string_view what, const std::string& id) {
    return error_response(404, fmt::format("{} {} not found", what, id.substr(0, 100)));
}

cron parse_cron(const std::string& text) try { return cron::parse(text); } catch (const std::invalid_argument& e) {
    throw refused{400, fmt::format("Invalid cron expression {}", e.what())};
}

std::optional<time_point> next_tick(const cron& expression, time_point now) {
    const auto next = expression.next(std::chrono::floor<std::chrono::seconds>(now));
    return next ? std::optional<time_point>{*next} : std::nullopt;
}

/// May every URL of this message be called?
void check_destinations(const delivery_options& options, const destination_policy& policy) {
    for (const auto& url : {options.destination, options.callback.url, options.failure_callback.url}) {
        if (url.empty()) continue;
        try {
            if (const auto why = refuse_host(parse_destination(url), policy))
                throw refused{400, fmt::format("invalid destination url: {}", *why)};
        } catch (const std::invalid_argument& e) {
            throw refused{400, e.what()};
        }
    }
}

// -- schedules --------------------------------------------------------------------------------------------------------

outcome create_schedule(const context& in, message_order order) {
    if (order.cron.empty()) throw refused{400, "Invalid cron expression empty spec string (Upstash-Cron)"};
    check_destinations(order.options, in.with.policy);
    const auto expression = parse_cron(order.cron);
    const auto now = in.now();
    const auto next = next_tick(expression, now);
    if (!next) throw refused{400, "Invalid cron expression it has no tick within five years"};
    stored_schedule schedule;
    schedule.schedule_id =
        order.schedule_id.empty() ? random_id("scd_", schedule_id_letters) : std::move(order.schedule_id);
    schedule.cron = std::move(order.cron);
    schedule.options = std::move(order.options);
    schedule.body = std::move(order.body);
    schedule.delay = order.delay;
    schedule.caller_ip = in.asked.remote;
    schedule.next_tick = next;
    if (!in.stored.put_schedule(in.account, schedule, now, in.with.schedules_max))
        throw refused{412, fmt::format("quota maxSchedules exceeded: there are {} already", in.with.schedules_max)};
    in.tell_made();
    return {200, {{"scheduleId", schedule.schedule_id}}};
}

response post_schedule(const context& in) {
    const auto made = create_schedule(in, or_refuse(read_order(in.what, in.asked)));
    return json_response(made.status, made.document);
}

/// All of them, as the API knows no pages here.
response list_schedules(const context& in) {
    std::string list = "[";
    std::vector<stored_schedule> some;
    do {
        const auto last = some.empty() ? std::optional<stored_schedule>{} : std::move(some.back());
        some = in.stored.list_schedules(in.account, last ? &*last : nullptr, schedules_read_at_once);
        for (const auto& schedule : some) {
            list += list.size() == 1 ? "" : ",";
            list += text_of(schedule_document(schedule));
        }
    } while (static_cast<int>(some.size()) == schedules_read_at_once);
    return {.status = 200, .body = std::move(list) + ']'};
}

response get_schedule(const context& in) {
    const auto found = in.stored.get_schedule(in.account, in.id());
    return found ? json_response(200, schedule_document(*found)) : not_found("schedule", in.id());
}

response delete_schedule(const context& in) {
    return in.stored.delete_schedule(in.account, in.id()) ? json_response(200, {{"status", "deleted"}})
                                                          : not_found("schedule", in.id());
}

response pause_or_resume(const context& in, bool pause) {
    const auto now = in.now();
    const bool found = in.stored.set_paused(in.account, in.id(), pause, [&](const std::string& expression) {
        return next_tick(parse_cron(expression), now);
    });
    if (!found) return not_found("schedule", in.id());
    in.tell_made();
    return json_response(200, {{"isPaused", pause}});
}

response pause_schedule(const context& in) { return pause_or_resume(in, true); }
response resume_schedule(const context& in) { return pause_or_resume(in, false); }

// -- messages ---------------------------------------------------------------------------------------------------------

outcome make_message(const context& in) {
    auto order = or_refuse(read_order(in.what, in.asked));
    if (!order.cron.empty()) return create_schedule(in, std::move(order)); // the older way to make one
    check_destinations(order.options, in.with.policy);
    const auto now = in.now();
    const auto not_before = order.not_before.value_or(now + order.delay);
    if (not_before > now + in.with.delay_max) throw refused{400, "quota maxDelay exceeded"};
    const auto made = in.stored.add_message(
        in.account,
        {.message_id = random_id("msg_", message_id_letters),
         .schedule_id = {},
         .callback_of = {},
         .options = std::move(order.options),
         .body = std::move(order.body),
         .caller_ip = in.asked.remote,
         .not_before = std::max(not_before, now)},
        now, order.deduplication_id, in.with.deduplication_window);
    in.tell_made();
    if (made.deduplicated) return {202, {{"messageId", made.message_id}, {"deduplicated", true}}};
    return {200, {{"messageId", made.message_id}}};
}

response publish(const context& in) {
    const auto made = make_message(in);
    return json_response(made.status, made.document);
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
ordered_json publish_item(const context& in, const nlohmann::json& item) try {
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

response publish_batch(const context& in) {
    const auto items = nlohmann::json::parse(in.asked.body, nullptr, false);
    if (!items.is_array()) throw refused{400, "the body is not a JSON array"};
    if (items.size() > batch_items_max)
        throw refused{400, fmt::format("a batch of more than {} messages", batch_items_max)};
    auto made = ordered_json::array();
    for (const auto& item : items) made.push_back(publish_item(in, item));
    return json_response(200, made);
}

response get_message(const context& in) {
    const auto message = in.stored.get_message(in.account, in.id());
    return message ? json_response(200, message_document(*message)) : not_found("message", in.id());
}

response cancel_message(const context& in) {
    const nlohmann::json filter{{"message_ids", {in.id()}}};
    const int canceled = in.stored.cancel_messages(in.account, filter, 1, in.now());
    return canceled == 0 ? not_found("message", in.id()) : json_response(202, {{"cancelled", canceled}});
}

int cancel_all(const context& in, const selection& chosen) {
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

response cancel_messages(const context& in) {
    const auto chosen = or_refuse(read_selection(in.what, in.asked.body, selecting::messages));
    return json_response(202, {{"cancelled", chosen.nothing ? 0 : cancel_all(in, chosen)}});
}

/// The text of an array, grown entry by entry: a page never stands in memory as documents.
class array_text {
public:
    /// @returns false when it has grown large enough: control characters take six bytes for one
    [[nodiscard]] bool add(const ordered_json& entry) {
        text_ += text_.size() == 1 ? "" : ",";
        text_ += text_of(entry);
        return text_.size() < answer_bytes_max;
    }
    [[nodiscard]] std::string take() { return std::move(text_) + ']'; }

private:
    std::string text_ = "[";
};

/// @returns whether there are further ones than the entries of this page that went into the text
template <typename Row, typename Document>
bool write_page(page_of<Row>& page, Document document, array_text& into) {
    for (std::size_t n = 0; n < page.rows.size(); ++n) {
        const bool room = into.add(document(page.rows[n]));
        if (room || n + 1 == page.rows.size()) continue;
        page.rows.resize(n + 1);
        return true;
    }
    return page.more;
}

response text_response(std::string body) { return {.status = 200, .body = std::move(body)}; }

std::string cursor_member(const std::string& cursor) { return text_of({{"cursor", cursor}}).substr(1); }

response list_logs(const context& in) {
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
    return text_response(std::move(body));
}

// -- dead letters -----------------------------------------------------------------------------------------------------

std::optional<store::dlq_place> place_of(const std::string& cursor) {
    auto behind = page_end::parse(cursor);
    if (!behind) return std::nullopt;
    return store::dlq_place{.died_ms = behind->ms, .message_id = std::move(behind->behind)};
}

std::string cursor_of(const dead_letter& last) {
    return fmt::format("{}-{}", last.died.time_since_epoch().count(), last.message.message_id);
}

response list_dlq(const context& in) {
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
    return text_response(std::move(body));
}

struct bulk {
    std::vector<std::string> dlq_ids;
    std::string cursor; ///< empty when these are all
};

/// What a bulk call is about. Ids are taken as they are, whatever else is said.
bulk read_bulk(const context& in) {
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

response get_dead_letter(const context& in) {
    const auto found = in.stored.list_dlq(in.account, std::nullopt, 1, {{"dlq_ids", {in.id()}}}, false);
    return found.rows.empty() ? not_found("dlq entry", in.id())
                              : json_response(200, dead_letter_document(found.rows.front()));
}

response delete_dead_letter(const context& in) {
    return in.stored.delete_dlq(in.account, {in.id()}) == 0 ? not_found("dlq entry", in.id())
                                                            : json_response(200, {{"deleted", 1}});
}

response delete_dead_letters(const context& in) {
    const auto chosen = read_bulk(in);
    ordered_json document{{"deleted", chosen.dlq_ids.empty() ? 0 : in.stored.delete_dlq(in.account, chosen.dlq_ids)}};
    if (!chosen.cursor.empty()) document["cursor"] = chosen.cursor;
    return json_response(200, document);
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

std::vector<std::string> retry(const context& in, const std::vector<std::string>& dlq_ids) {
    auto with_destination = in.what;
    with_destination.destination = "http://localhost/"; // an order needs one; each message keeps its own
    const auto order = or_refuse(read_order(with_destination, in.asked));
    check_destinations(order.options, in.with.policy);
    const auto now = in.now();
    const auto not_before = order.not_before.value_or(now + order.delay);
    if (not_before > now + in.with.delay_max) throw refused{400, "quota maxDelay exceeded"};
    const auto made = in.stored.retry_dlq(in.account, dlq_ids, now, [&](const stored_message& dead) {
        new_message message{
            .message_id = random_id("msg_", message_id_letters),
            .schedule_id = dead.schedule_id,
            .callback_of = {},
            .options = dead.options,
            .body = {}, // of the dead one
            .caller_ip = in.asked.remote,
            .not_before = std::max(now, not_before)};
        override_with(order, in.what, message.options);
        return message;
    });
    in.tell_made();
    return made;
}

response retry_dead_letter(const context& in) {
    const auto& dlq_id = in.what.path.at(2);
    const auto made = retry(in, {dlq_id});
    return made.empty() ? not_found("dlq entry", dlq_id) : json_response(201, {{"messageId", made.front()}});
}

response retry_dead_letters(const context& in) {
    const auto chosen = read_bulk(in);
    auto responses = ordered_json::array();
    for (const auto& message_id : retry(in, chosen.dlq_ids)) responses.push_back({{"messageId", message_id}});
    ordered_json document{{"responses", std::move(responses)}};
    if (!chosen.cursor.empty()) document["cursor"] = chosen.cursor;
    return json_response(201, document);
}

// -- keys -------------------------------------------------------------------------------------------------------------

response keys_response(const keys_of_account& keys) {
    return json_response(200, {{"current", keys.current}, {"next", keys.next}});
}

response get_keys(const context& in) { return keys_response(in.stored.read_keys(in.account)); }

response rotate_keys(const context& in) {
    return keys_response(in.stored.rotate_keys(in.account, random_id("sig_", key_letters), in.now()));
}

// -- table ------------------------------------------------------------------------------------------------------------

struct route {
    std::vector<std::string> methods;
    std::vector<std::string> path; ///< `*` stands for any one segment
    response (*answer)(const context&);
};

const std::vector<route>& route_table() {
    static const std::vector<route> table = {
        {{"POST"}, {"publish"}, publish},
        {{"POST"}, {"batch"}, publish_batch},
        {{"POST"}, {"schedules"}, post_schedule},
        {{"GET"}, {"schedules"}, list_schedules},
        {{"GET"}, {"schedules", "*"}, get_schedule},
        {{"DELETE"}, {"schedules", "*"}, delete_schedule},
        {{"PATCH", "POST"}, {"schedules", "*", "pause"}, pause_schedule},   // clients send PATCH, the
        {{"PATCH", "POST"}, {"schedules", "*", "resume"}, resume_schedule}, // documentation says POST
        {{"GET"}, {"messages", "*"}, get_message},
        {{"DELETE"}, {"messages", "*"}, cancel_message},
        {{"DELETE"}, {"messages"}, cancel_messages},
        {{"GET"}, {"logs"}, list_logs},
        {{"GET"}, {"events"}, list_logs},
        {{"GET"}, {"dlq"}, list_dlq},
        {{"GET"}, {"dlq", "*"}, get_dead_letter},
        {{"DELETE"}, {"dlq", "*"}, delete_dead_letter},
        {{"DELETE"}, {"dlq"}, delete_dead_letters},
        {{"POST"}, {"dlq", "retry", "*"}, retry_dead_letter},
        {{"POST"}, {"dlq", "retry"}, retry_dead_letters},
        {{"GET"}, {"keys"}, get_keys},
        {{"POST"}, {"keys", "rotate"}, rotate_keys},
        {{"POST"}, {"rotate"}, rotate_keys}, // as the Go client has it
    };
    return table;
}

/// Calls of QStash that this server does not have.
bool is_elsewhere(const call& what) {
    constexpr std::array<std::string_view, 8> absent = {"enqueue",           "queues",      "topics",    "flowcontrol",
                                                        "globalparallelism", "bulkactions", "workflows", "llm"};
    const bool retry_of_message = what.path.size() == 3 && what.path[0] == "messages" && what.path[2] == "retry";
    return retry_of_message || std::ranges::find(absent, what.path.front()) != absent.end();
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
    return std::ranges::equal(pattern, path, [](const auto& p, const auto& s) { return p == "*" || p == s; });
}

response dispatch(const context& in) {
    std::vector<std::string> allowed;
    for (const auto& candidate : route_table()) {
        if (!fits(candidate.path, in.what.path)) continue;
        if (std::ranges::find(candidate.methods, in.what.method) != candidate.methods.end())
            return candidate.answer(in);
        allowed.insert(allowed.end(), candidate.methods.begin(), candidate.methods.end());
    }
    if (is_elsewhere(in.what))
        return error_response(
            501, fmt::format("/v2/{} is not part of this server", in.what.path.front().substr(0, 100)));
    if (allowed.empty()) return error_response(404, "there is no such call");
    return {.status = 405, .body = "Method Not Allowed", .content_type = "text/plain"};
}

/// @returns the account whose token it is; compares with all of them, so that the time tells nothing
const api::account* find_account(const std::vector<api::account>& accounts, const std::string& token) {
    const api::account* found = nullptr;
    for (const auto& account : accounts)
        if (equal_in_constant_time(sha256(account.token), sha256(token))) found = &account;
    return token.empty() ? nullptr : found;
}

} // namespace

api::api(const store& shared, settings with)
    : store_{shared}
    , settings_{std::move(with)} {}

response api::handle(const request& asked) const try {
    const auto what = or_refuse(read_call(asked));
    const auto* owner = find_account(settings_.accounts, what.token);
    if (owner == nullptr) return error_response(401, "unable to authenticate: invalid token");
    return dispatch({store_, settings_, asked, what, owner->name});
} catch (const refused& e) {
    return error_response(e.why.status, e.why.text);
}

response error_response(int status, const std::string& text) { return json_response(status, {{"error", text}}); }

} // namespace tidesync::qstash::local
