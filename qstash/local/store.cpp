#include "qstash/local/store.hpp"

#include <array>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <qstash/local/sql/queries.hpp>
#include <qstash/local/sql/schema.hpp>
#include <stdexcept>

#include "qstash/digest.hpp"
#include "qstash/local/destination.hpp"

namespace tidesync::qstash::local {

namespace {

using nlohmann::json;

/// libpqxx 6 and 7 spell parameters differently; nothing else here needs to know.
template <typename... Parameters>
pqxx::result query(pqxx::transaction_base& transaction, const sql::statement& statement, Parameters&&... parameters) {
    const std::string text{statement.text};
#if PQXX_VERSION_MAJOR > 7 || (PQXX_VERSION_MAJOR == 7 && PQXX_VERSION_MINOR >= 9)
    return transaction.exec(text, pqxx::params{std::forward<Parameters>(parameters)...});
#else
    return transaction.exec_params(text, std::forward<Parameters>(parameters)...);
#endif
}

// Bytes cross as hex: the one form that every libpqxx takes and no encoding changes.
std::string to_hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

std::string from_hex(std::string_view text) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes += static_cast<char>((digit(text[i]) << 4) | digit(text[i + 1]));
    return bytes;
}

std::int64_t ms(time_point when) { return when.time_since_epoch().count(); }

std::optional<std::int64_t> ms(std::optional<time_point> when) {
    return when ? std::optional{ms(*when)} : std::nullopt;
}

std::optional<std::string> text_or_null(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional{text};
}

/// Header values may hold any byte, a JSON text in the database may not.
std::string dump(const json& document) { return document.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string text_of(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? std::string{} : row[column].as<std::string>();
}

std::string bytes_of(const pqxx::row& row, const char* column) { return from_hex(text_of(row, column)); }

json json_of(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? json{} : json::parse(row[column].as<std::string>());
}

std::optional<time_point> maybe_time(const pqxx::row& row, const char* column) {
    if (row[column].is_null()) return std::nullopt;
    return time_point{std::chrono::milliseconds{row[column].as<std::int64_t>()}};
}

time_point time_of(const pqxx::row& row, const char* column) { return maybe_time(row, column).value_or(time_point{}); }

stored_schedule schedule_of(const pqxx::row& row) {
    return {
        .schedule_id = text_of(row, "schedule_id"),
        .cron = text_of(row, "cron"),
        .options = json_of(row, "options").get<delivery_options>(),
        .body = bytes_of(row, "body"),
        .delay = std::chrono::seconds{row["delay_s"].as<int>()},
        .caller_ip = text_of(row, "caller_ip"),
        .paused = row["paused"].as<bool>(),
        .created = time_of(row, "created_ms"),
        .next_tick = maybe_time(row, "next_ms"),
        .last_tick = maybe_time(row, "last_ms"),
        .last_states = json_of(row, "states")};
}

/// What logs, dead letters, attempts and messages have in common.
stored_message message_of(const pqxx::row& row) {
    stored_message message;
    message.message_id = text_of(row, "message_id");
    message.schedule_id = text_of(row, "schedule_id");
    message.options = json_of(row, "options").get<delivery_options>();
    message.body = bytes_of(row, "body");
    return message;
}

stored_message dated_message_of(const pqxx::row& row) {
    auto message = message_of(row);
    message.caller_ip = text_of(row, "caller_ip");
    message.created = time_of(row, "created_ms");
    message.not_before = time_of(row, "not_before_ms");
    return message;
}

attempt attempt_of(const pqxx::row& row) {
    attempt result;
    result.message = dated_message_of(row);
    result.message.account = text_of(row, "account");
    result.message.callback_of = text_of(row, "callback_of");
    result.message.catch_up_of = maybe_time(row, "catch_up_ms");
    result.retried = row["retried"].as<int>();
    result.lease_token = row["lease_token"].as<std::int64_t>();
    result.key = text_of(row, "current_key");
    result.host = text_of(row, "host");
    return result;
}

/// Whether a page was cut, by rows or by bytes.
bool more_than(const pqxx::result& rows) {
    return !rows.empty() && rows[0]["found"].as<std::int64_t>() > static_cast<std::int64_t>(rows.size());
}

int status_of(const pqxx::row& row) { return row["response_status"].is_null() ? 0 : row["response_status"].as<int>(); }

void insert(pqxx::transaction_base& transaction, const std::string& account, const new_message& made, time_point now) {
    query(
        transaction, sql::add_message, made.message_id, account, text_or_null(made.schedule_id),
        text_or_null(made.callback_of), dump(json(made.options)), to_hex(made.body), made.caller_ip, ms(now),
        ms(made.not_before), ms(made.catch_up_of), parse_destination(made.options.destination).host);
}

std::string array_of(const std::vector<std::int64_t>& numbers) {
    return fmt::format("{{{}}}", fmt::join(numbers, ","));
}

std::string array_of(const std::vector<std::string>& texts) {
    std::string array{"{"};
    for (const auto& text : texts) {
        array += array.size() > 1 ? ",\"" : "\"";
        for (const char c : text) {
            if (c == '"' || c == '\\') array += '\\';
            array += c;
        }
        array += '"';
    }
    return array + "}";
}

/// What a filter says under this name; nothing where it says nothing.
std::optional<std::string> ids_of(const json& filter, const char* name) {
    const auto values = filter.value(name, json{});
    if (!values.is_array()) return std::nullopt;
    return array_of(values.get<std::vector<std::string>>());
}

/// Names in lower case with all their values, as QStash shows headers.
json headers_document(const header_fields& headers) {
    auto document = json::object();
    for (const auto& [name, value] : headers) document[canonical_header_name(name)].push_back(value);
    return document;
}

struct outcome {
    std::string state;            ///< of the message
    std::vector<std::string> log; ///< entries, in their order; the last one tells the next delivery
    std::optional<time_point> next;
};

outcome outcome_of(const next_step& step, bool canceled, time_point now) {
    if (std::holds_alternative<delivered>(step)) return {"delivered", {"DELIVERED"}, std::nullopt};
    if (canceled) return {"canceled", {"ERROR", "CANCELED"}, std::nullopt};
    if (const auto* retry = std::get_if<retry_later>(&step)) return {"waiting", {"ERROR", "RETRY"}, now + retry->delay};
    return {"failed", {"ERROR", "FAILED"}, std::nullopt};
}

} // namespace

store::store(transactor run, const std::vector<std::string>& accounts)
    : run_{std::move(run)}
    , accounts_{array_of(accounts)} {}

time_point store::now() const {
    time_point result;
    run_("reading the clock", [&](pqxx::transaction_base& transaction) {
        result = time_of(query(transaction, sql::read_clock)[0], "now_ms");
    });
    return result;
}

// -- keys -------------------------------------------------------------------------------------------------------------

void store::give_keys(const std::string& account, const keys_of_account& keys, bool always) const {
    // Each key is hashed by itself, so that no two pairs read the same.
    const auto given = to_hex(sha256(sha256(keys.current) + sha256(keys.next)));
    run_("setting the signing keys", [&](pqxx::transaction_base& transaction) {
        query(transaction, sql::give_keys, account, keys.current, keys.next, given, always);
    });
}

std::vector<std::string> store::read_accounts() const {
    std::vector<std::string> accounts;
    run_("reading the accounts", [&](pqxx::transaction_base& transaction) {
        accounts.clear();
        for (const auto& row : query(transaction, sql::read_accounts)) accounts.push_back(text_of(row, "account"));
    });
    return accounts;
}

keys_of_account store::read_keys(const std::string& account) const {
    keys_of_account keys;
    run_("reading the signing keys", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::read_keys, account);
        keys = {text_of(rows.at(0), "current_key"), text_of(rows.at(0), "next_key")};
    });
    return keys;
}

keys_of_account store::rotate_keys(const std::string& account, const std::string& fresh, time_point now) const {
    keys_of_account keys;
    run_("rotating the signing keys", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::rotate_keys, account, fresh, ms(now));
        keys = {text_of(rows.at(0), "current_key"), text_of(rows.at(0), "next_key")};
    });
    return keys;
}

// -- schedules --------------------------------------------------------------------------------------------------------

bool store::put_schedule(
    const std::string& account, const stored_schedule& row, time_point now, int schedules_max) const {
    bool fits = false;
    run_("writing a schedule", [&](pqxx::transaction_base& transaction) {
        const auto others = query(transaction, sql::count_schedules, account, row.schedule_id);
        fits = others.at(0)["schedules"].as<int>() < schedules_max;
        if (!fits) return;
        query(
            transaction, sql::put_schedule, account, row.schedule_id, row.cron, dump(json(row.options)),
            to_hex(row.body), static_cast<int>(row.delay.count()), row.caller_ip, ms(now), ms(row.next_tick));
    });
    return fits;
}

std::optional<stored_schedule> store::get_schedule(const std::string& account, const std::string& schedule_id) const {
    std::optional<stored_schedule> schedule;
    run_("reading a schedule", [&](pqxx::transaction_base& transaction) {
        const std::optional<std::int64_t> no_place;
        const std::optional<int> whole;
        const auto rows =
            query(transaction, sql::list_schedules, account, schedule_id, no_place, schedule_id, 1, whole);
        schedule.reset();
        if (!rows.empty()) schedule = schedule_of(rows[0]);
    });
    return schedule;
}

std::vector<stored_schedule>
store::list_schedules(const std::string& account, const stored_schedule* after, int rows_max) const {
    std::vector<stored_schedule> schedules;
    run_("reading schedules", [&](pqxx::transaction_base& transaction) {
        schedules.clear();
        const auto created = after == nullptr ? std::nullopt : std::optional{ms(after->created)};
        const auto id = after == nullptr ? std::string{} : after->schedule_id;
        const std::optional<std::string> all;
        for (const auto& row :
             query(transaction, sql::list_schedules, account, all, created, id, rows_max, listed_body_bytes_max))
            schedules.push_back(schedule_of(row));
    });
    return schedules;
}

bool store::delete_schedule(const std::string& account, const std::string& schedule_id) const {
    bool found = false;
    run_("deleting a schedule", [&](pqxx::transaction_base& transaction) {
        found = !query(transaction, sql::delete_schedule, account, schedule_id).empty();
    });
    return found;
}

bool store::set_paused(
    const std::string& account, const std::string& schedule_id, bool paused,
    const std::function<std::optional<time_point>(const std::string& cron)>& next) const {
    bool found = false;
    run_("pausing or resuming a schedule", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::lock_schedule, account, schedule_id);
        found = !rows.empty();
        // Idempotent: resuming a schedule that runs must not push away a tick that is due.
        if (!found || rows[0]["paused"].as<bool>() == paused) return;
        query(transaction, sql::set_paused, account, schedule_id, paused, ms(next(text_of(rows[0], "cron"))));
    });
    return found;
}

int store::fire_schedules(time_point now, int rows_max, const std::function<tick(const due_schedule&)>& plan) const {
    int looked_at = 0;
    run_("making the messages of schedules", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::lock_due_schedules, ms(now), rows_max, accounts_);
        looked_at = static_cast<int>(rows.size());
        for (const auto& row : rows) {
            const due_schedule due{
                .account = text_of(row, "account"),
                .schedule_id = text_of(row, "schedule_id"),
                .cron = text_of(row, "cron"),
                .options = json_of(row, "options").get<delivery_options>(),
                .body = bytes_of(row, "body"),
                .delay = std::chrono::seconds{row["delay_s"].as<int>()},
                .caller_ip = text_of(row, "caller_ip"),
                .due = time_of(row, "next_ms")};
            const auto planned = plan(due);
            if (planned.message) insert(transaction, due.account, *planned.message, now);
            const auto ticked = planned.message ? std::optional{ms(now)} : std::nullopt;
            query(transaction, sql::set_ticked, due.account, due.schedule_id, ticked, ms(planned.next));
        }
    });
    return looked_at;
}

// -- messages ---------------------------------------------------------------------------------------------------------

store::made store::add_message(
    const std::string& account, const new_message& message, time_point now, const std::string& deduplication_id,
    std::chrono::seconds window) const {
    made result{message.message_id};
    run_("storing a message", [&](pqxx::transaction_base& transaction) {
        result = made{message.message_id};
        if (!deduplication_id.empty()) {
            const auto first = query(
                transaction, sql::remember_deduplication, account, deduplication_id, message.message_id, ms(now),
                static_cast<int>(window.count()));
            result.message_id = text_of(first.at(0), "message_id");
            result.deduplicated = result.message_id != message.message_id;
        }
        if (!result.deduplicated) insert(transaction, account, message, now);
    });
    return result;
}

std::optional<stored_message> store::get_message(const std::string& account, const std::string& message_id) const {
    std::optional<stored_message> message;
    run_("reading a message", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::get_message, account, message_id);
        if (!rows.empty()) message = dated_message_of(rows[0]);
    });
    return message;
}

int store::cancel_messages(const std::string& account, const json& filter, int rows_max, time_point now) const {
    int canceled = 0;
    run_("canceling messages", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(
            transaction, sql::cancel_messages, account, ms(now), rows_max, dump(filter), ids_of(filter, "message_ids"));
        canceled = static_cast<int>(rows.size());
    });
    return canceled;
}

page_of<log_row> store::list_logs(
    const std::string& account, std::optional<std::int64_t> cursor, int rows_max, const json& filter,
    bool earliest_first, bool without_bodies) const {
    page_of<log_row> page;
    run_("reading logs", [&](pqxx::transaction_base& transaction) {
        page.rows.clear();
        const auto rows = query(
            transaction, sql::list_logs, account, cursor, rows_max, dump(filter), earliest_first,
            ids_of(filter, "message_ids"), page_bytes_max, without_bodies);
        page.more = more_than(rows);
        for (const auto& row : rows) {
            log_row entry;
            entry.entry_id = row["entry_id"].as<std::int64_t>();
            entry.at = time_of(row, "at_ms");
            entry.state = text_of(row, "state");
            entry.error = text_of(row, "error");
            entry.next_delivery = maybe_time(row, "next_delivery_ms");
            entry.response_status = status_of(row);
            entry.response_headers = json_of(row, "response_headers");
            entry.response_body = bytes_of(row, "response_body");
            entry.message = message_of(row);
            page.rows.push_back(std::move(entry));
        }
    });
    return page;
}

// -- dead letters -----------------------------------------------------------------------------------------------------

page_of<dead_letter> store::list_dlq(
    const std::string& account, const std::optional<dlq_place>& after, int rows_max, const json& filter,
    bool without_bodies) const {
    page_of<dead_letter> page;
    run_("reading the dead letter queue", [&](pqxx::transaction_base& transaction) {
        page.rows.clear();
        const auto rows = query(
            transaction, sql::list_dlq, account, after ? std::optional{after->died_ms} : std::nullopt,
            after ? after->message_id : std::string{}, rows_max, dump(filter), ids_of(filter, "dlq_ids"),
            ids_of(filter, "message_ids"), page_bytes_max, without_bodies);
        page.more = more_than(rows);
        for (const auto& row : rows)
            page.rows.push_back(
                {.dlq_id = text_of(row, "dlq_id"),
                 .died = time_of(row, "finished_ms"),
                 .message = dated_message_of(row),
                 .response_status = status_of(row),
                 .response_headers = json_of(row, "response_headers"),
                 .response_body = bytes_of(row, "response_body")});
    });
    return page;
}

int store::delete_dlq(const std::string& account, const std::vector<std::string>& dlq_ids) const {
    int taken = 0;
    run_("deleting dead letters", [&](pqxx::transaction_base& transaction) {
        taken = static_cast<int>(query(transaction, sql::take_from_dlq, account, array_of(dlq_ids)).size());
    });
    return taken;
}

std::vector<std::string> store::retry_dlq(
    const std::string& account, const std::vector<std::string>& dlq_ids, time_point now,
    const std::function<new_message(const stored_message&)>& remake) const {
    std::vector<std::string> message_ids;
    run_("retrying dead letters", [&](pqxx::transaction_base& transaction) {
        message_ids.clear();
        for (const auto& row : query(transaction, sql::take_from_dlq, account, array_of(dlq_ids))) {
            const auto old = query(transaction, sql::read_dead_message, text_of(row, "message_id"));
            auto dead = message_of(old.at(0));
            dead.caller_ip = text_of(old.at(0), "caller_ip");
            const auto message = remake(dead);
            query(
                transaction, sql::copy_message, message.message_id, account, text_or_null(message.schedule_id),
                dead.message_id, dump(json(message.options)), message.caller_ip, ms(now), ms(message.not_before));
            message_ids.push_back(message.message_id);
        }
    });
    return message_ids;
}

// -- attempts ---------------------------------------------------------------------------------------------------------

std::vector<attempt>
store::claim_messages(time_point now, std::chrono::milliseconds lease, const claim_limits& most) const {
    std::vector<attempt> attempts;
    run_("claiming messages", [&](pqxx::transaction_base& transaction) {
        attempts.clear();
        for (const auto& row : query(
                 transaction, sql::claim_messages, ms(now), static_cast<int>(lease.count()), most.rows_max, accounts_,
                 array_of(most.full_hosts), most.rows_of_host_max, most.bytes_max))
            attempts.push_back(attempt_of(row));
    });
    return attempts;
}

void store::keep_leases(
    const std::vector<std::int64_t>& lease_tokens, time_point now, std::chrono::milliseconds lease) const {
    if (lease_tokens.empty()) return;
    run_("keeping leases", [&](pqxx::transaction_base& transaction) {
        query(transaction, sql::keep_leases, ms(now), static_cast<int>(lease.count()), array_of(lease_tokens));
    });
}

void store::give_back(const std::vector<std::int64_t>& lease_tokens, time_point now) const {
    if (lease_tokens.empty()) return;
    run_("giving messages back", [&](pqxx::transaction_base& transaction) {
        query(transaction, sql::give_back_messages, ms(now), array_of(lease_tokens));
    });
}

recorded
store::end_attempt(const attempt& tried, const attempt_result& result, const attempt_end& end, time_point now) const {
    recorded result_of = recorded::nothing;
    run_("recording an attempt", [&](pqxx::transaction_base& transaction) {
        const auto& message = tried.message;
        const auto held = query(transaction, sql::lock_attempt, message.message_id, tried.lease_token);
        result_of = recorded::nothing;
        if (held.empty()) return;
        const auto how = outcome_of(end.step, held[0]["cancel_requested"].as<bool>(), now);
        const bool dead = how.state == "failed";
        const bool canceled = how.state == "canceled";
        const bool unwell = how.state != "delivered";
        // What was answered is kept where somebody will ask: for failures.
        const auto status = unwell && result.status != 0 ? std::optional{result.status} : std::nullopt;
        const auto headers = status ? std::optional{dump(headers_document(result.headers))} : std::nullopt;
        const auto body = status ? std::optional{to_hex(result.body)} : std::nullopt;
        const auto none = std::optional<std::string>{};
        query(
            transaction, sql::end_attempt, message.message_id, how.state, ms(now), ms(how.next),
            dead ? std::optional{dlq_id_of(tried, now)} : std::nullopt, status, dead ? headers : none,
            dead ? body : none);
        for (const auto& state : how.log) {
            const bool error = state == "ERROR";
            query(
                transaction, sql::add_log, message.account, message.message_id, ms(now), state,
                error ? text_or_null(result.error) : none, state == "RETRY" ? ms(how.next) : std::nullopt,
                error ? status : std::nullopt, error ? headers : none, error ? body : none);
        }
        for (const auto& callback : end.callbacks) insert(transaction, message.account, callback, now);
        if (!canceled)
            for (const auto& callback : end.failure_callbacks) insert(transaction, message.account, callback, now);
        result_of = canceled ? recorded::canceled : recorded::step;
    });
    return result_of;
}

std::optional<time_point> store::next_due() const {
    std::optional<time_point> due;
    run_("looking for what is due", [&](pqxx::transaction_base& transaction) {
        due = maybe_time(query(transaction, sql::next_due, accounts_)[0], "due_ms");
    });
    return due;
}

int store::forget_old(time_point now, std::chrono::seconds kept_for, int rows_max) const {
    int forgotten = 0;
    run_("forgetting old messages", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::forget_old, ms(now), static_cast<int>(kept_for.count()), rows_max);
        forgotten = rows.at(0)["forgotten"].as<int>();
    });
    return forgotten;
}

std::vector<std::string_view> schema_files() { return {sql::schema_0001_scheduler.text}; }

std::string dlq_id_of(const attempt& made, time_point now) { return fmt::format("{}-{}", ms(now), made.lease_token); }

std::string random_id(std::string_view prefix, int letters) {
    constexpr std::string_view alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    std::string id{prefix};
    while (id.size() < prefix.size() + static_cast<std::size_t>(letters)) {
        std::array<unsigned char, 64> random{};
        if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
            throw std::runtime_error{"OpenSSL has no random bytes"};
        for (const auto byte : random) {
            // 232 is the largest multiple of 58 in a byte: with the rest some letters would come more often.
            if (byte >= 232 || id.size() == prefix.size() + static_cast<std::size_t>(letters)) continue;
            id += alphabet[byte % alphabet.size()];
        }
    }
    return id;
}

} // namespace tidesync::qstash::local
