#include "qstash/local/rows.hpp"
#include "qstash/local/store.hpp"

#include <qstash/local/sql/queries.hpp>

namespace tidesync::qstash::local {

namespace {

using nlohmann::json;

/// Whether a page was cut, by rows or by bytes.
bool more_than(const pqxx::result& rows) {
    return !rows.empty() && rows[0]["found"].as<std::int64_t>() > static_cast<std::int64_t>(rows.size());
}

int status_of(const pqxx::row& row) { return row["response_status"].is_null() ? 0 : row["response_status"].as<int>(); }

/// What a filter says under this name; nothing where it says nothing.
std::optional<std::string> ids_of(const json& filter, const char* name) {
    const auto values = filter.value(name, json{});
    if (!values.is_array()) return std::nullopt;
    return array_of(values.get<std::vector<std::string>>());
}

} // namespace

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
        if (!result.deduplicated) insert_message(transaction, account, message, now);
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
    // Taken apart when the transaction is over: meanwhile it would stand idle, and a page may be large.
    pqxx::result rows;
    run_("reading logs", [&](pqxx::transaction_base& transaction) {
        rows = query(
            transaction, sql::list_logs, account, cursor, rows_max, dump(filter), earliest_first,
            ids_of(filter, "message_ids"), page_bytes_max, without_bodies);
    });
    page_of<log_row> page;
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
    return page;
}

// -- dead letters -----------------------------------------------------------------------------------------------------

page_of<dead_letter> store::list_dlq(
    const std::string& account, const std::optional<dlq_place>& after, int rows_max, const json& filter,
    bool without_bodies) const {
    pqxx::result rows; // see list_logs
    run_("reading the dead letter queue", [&](pqxx::transaction_base& transaction) {
        rows = query(
            transaction, sql::list_dlq, account, after ? std::optional{after->died_ms} : std::nullopt,
            after ? after->message_id : std::string{}, rows_max, dump(filter), ids_of(filter, "dlq_ids"),
            ids_of(filter, "message_ids"), page_bytes_max, without_bodies);
    });
    page_of<dead_letter> page;
    page.more = more_than(rows);
    for (const auto& row : rows)
        page.rows.push_back(
            {.dlq_id = text_of(row, "dlq_id"),
             .died = time_of(row, "finished_ms"),
             .message = dated_message_of(row),
             .response_status = status_of(row),
             .response_headers = json_of(row, "response_headers"),
             .response_body = bytes_of(row, "response_body")});
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

} // namespace tidesync::qstash::local
