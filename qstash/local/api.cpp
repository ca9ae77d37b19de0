#include "qstash/local/api.hpp"

#include "qstash/cron.hpp"
#include "qstash/digest.hpp"
#include "qstash/local/documents.hpp"
#include "qstash/local/filters.hpp"
#include "qstash/local/order.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

namespace tidesync::qstash::local {

namespace {

using nlohmann::ordered_json;

constexpr int schedule_id_letters = 28;
constexpr int message_id_letters = 60;
constexpr int key_letters = 28;

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

/// Thrown where a refusal is found deep inside; `handle` makes the response of it.
struct refused : std::runtime_error {
    explicit refused(refusal with)
        : std::runtime_error{with.text}
        , why{std::move(with)} {}
    refusal why;
};

template <typename Value>
Value or_refuse(std::variant<Value, refusal> either) {
    if (auto* no = std::get_if<refusal>(&either)) throw refused{std::move(*no)};
    return std::get<Value>(std::move(either));
}

response json_response(int status, const ordered_json& document) {
    return {.status = status, .body = text_of(document)};
}

response not_found(std::string_view what, const std::string& id) {
    return error_response(404, fmt::format("{} {} not found", what, id.substr(0, 100)));
}

cron parse_cron(const std::string& text) try { return cron::parse(text); } catch (const std::invalid_argument& e) {
    throw refused{{400, fmt::format("Invalid cron expression {}", e.what())}};
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
                throw refused{{400, fmt::format("invalid destination url: {}", *why)}};
        } catch (const std::invalid_argument& e) {
            throw refused{{400, e.what()}};
        }
    }
}

// -- schedules --------------------------------------------------------------------------------------------------------

response create_schedule(const context& in, message_order order) {
    if (order.cron.empty()) throw refused{{400, "Invalid cron expression empty spec string (Upstash-Cron)"}};
    check_destinations(order.options, in.with.policy);
    const auto expression = parse_cron(order.cron);
    const auto now = in.now();
    const auto next = next_tick(expression, now);
    if (!next) throw refused{{400, "Invalid cron expression it has no tick within five years"}};
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
        throw refused{{412, fmt::format("quota maxSchedules exceeded: there are {} already", in.with.schedules_max)}};
    in.tell_made();
    return json_response(200, {{"scheduleId", schedule.schedule_id}});
}

response post_schedule(const context& in) { return create_schedule(in, or_refuse(read_order(in.what, in.asked))); }

response list_schedules(const context& in) {
    auto list = ordered_json::array();
    for (const auto& schedule : in.stored.list_schedules(in.account)) list.push_back(schedule_document(schedule));
    return json_response(200, list);
}

response get_schedule(const context& in) {
    const auto found = in.stored.list_schedules(in.account, in.id());
    return found.empty() ? not_found("schedule", in.id()) : json_response(200, schedule_document(found.front()));
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

response publish(const context& in) {
    auto order = or_refuse(read_order(in.what, in.asked));
    if (!order.cron.empty()) return create_schedule(in, std::move(order)); // the older way to make one
    check_destinations(order.options, in.with.policy);
    const auto now = in.now();
    const auto not_before = order.not_before.value_or(now + order.delay);
    if (not_before > now + in.with.delay_max) throw refused{{400, "quota maxDelay exceeded"}};
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
    if (made.deduplicated) return json_response(202, {{"messageId", made.message_id}, {"deduplicated", true}});
    return json_response(200, {{"messageId", made.message_id}});
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

response cancel_messages(const context& in) {
    const auto chosen = or_refuse(read_selection(in.what, in.asked.body, selecting::messages));
    const int canceled =
        chosen.nothing ? 0 : in.stored.cancel_messages(in.account, chosen.filter, chosen.rows_max, in.now());
    return json_response(202, {{"cancelled", canceled}});
}

response list_logs(const context& in) {
    const auto chosen = or_refuse(read_selection(in.what, {}, selecting::logs));
    auto entries = ordered_json::array();
    std::vector<log_row> rows;
    if (!chosen.nothing)
        rows = in.stored.list_logs(
            in.account, number_of(chosen.cursor), chosen.rows_max, chosen.filter, chosen.earliest_first);
    for (const auto& row : rows) entries.push_back(log_document(row));
    ordered_json document{{"events", entries}, {"logs", entries}}; // the clients' name and the documentation's
    if (static_cast<int>(rows.size()) == chosen.rows_max)
        document["cursor"] = fmt::format("{}-{}", rows.back().at.time_since_epoch().count(), rows.back().entry_id);
    return json_response(200, document);
}

// -- dead letters -----------------------------------------------------------------------------------------------------

struct dlq_page {
    std::vector<dead_letter> letters;
    std::string cursor; ///< empty on the last page
};

dlq_page read_dlq(const context& in, const std::string& body) {
    const auto chosen = or_refuse(read_selection(in.what, body, selecting::dead_letters));
    dlq_page page;
    if (chosen.nothing) return page;
    page.letters = in.stored.list_dlq(in.account, number_of(chosen.cursor), chosen.rows_max, chosen.filter);
    if (static_cast<int>(page.letters.size()) == chosen.rows_max) page.cursor = page.letters.back().dlq_id;
    return page;
}

std::vector<std::string> ids_of(const dlq_page& page) {
    std::vector<std::string> ids;
    for (const auto& letter : page.letters) ids.push_back(letter.dlq_id);
    return ids;
}

response list_dlq(const context& in) {
    const auto page = read_dlq(in, {});
    auto messages = ordered_json::array();
    for (const auto& letter : page.letters) messages.push_back(dead_letter_document(letter));
    ordered_json document{{"messages", std::move(messages)}};
    if (!page.cursor.empty()) document["cursor"] = page.cursor;
    return json_response(200, document);
}

response get_dead_letter(const context& in) {
    const auto found = in.stored.list_dlq(in.account, std::nullopt, 1, {{"dlq_ids", {in.id()}}});
    return found.empty() ? not_found("dlq entry", in.id()) : json_response(200, dead_letter_document(found.front()));
}

response delete_dead_letter(const context& in) {
    return in.stored.delete_dlq(in.account, {in.id()}) == 0 ? not_found("dlq entry", in.id())
                                                            : json_response(200, {{"deleted", 1}});
}

response delete_dead_letters(const context& in) {
    const auto page = read_dlq(in, in.asked.body);
    ordered_json document{{"deleted", in.stored.delete_dlq(in.account, ids_of(page))}};
    if (!page.cursor.empty()) document["cursor"] = page.cursor;
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
    const auto made = in.stored.retry_dlq(in.account, dlq_ids, now, [&](const stored_message& dead) {
        new_message message{
            .message_id = random_id("msg_", message_id_letters),
            .schedule_id = dead.schedule_id,
            .callback_of = {},
            .options = dead.options,
            .body = dead.body,
            .caller_ip = in.asked.remote,
            .not_before = std::max(now, order.not_before.value_or(now + order.delay))};
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
    const auto page = read_dlq(in, in.asked.body);
    auto responses = ordered_json::array();
    for (const auto& message_id : retry(in, ids_of(page))) responses.push_back({{"messageId", message_id}});
    ordered_json document{{"responses", std::move(responses)}};
    if (!page.cursor.empty()) document["cursor"] = page.cursor;
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
    };
    return table;
}

/// Calls of QStash that this server does not have.
bool is_elsewhere(const call& what) {
    constexpr std::array<std::string_view, 9> absent = {
        "enqueue", "batch", "queues", "topics", "flowcontrol", "globalparallelism", "bulkactions", "workflows", "llm"};
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
