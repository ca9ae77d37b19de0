#include "qstash/local/rows.hpp"
#include "qstash/local/store.hpp"

#include <fmt/format.h>
#include <qstash/local/sql/queries.hpp>

namespace tidesync::qstash::local {

namespace {

using nlohmann::json;

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

/// Names as QStash shows headers, each with all its values.
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
        for (const auto& callback : end.callbacks) insert_message(transaction, message.account, callback, now);
        if (!canceled)
            for (const auto& callback : end.failure_callbacks)
                insert_message(transaction, message.account, callback, now);
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

std::string dlq_id_of(const attempt& made, time_point now) { return fmt::format("{}-{}", ms(now), made.lease_token); }

} // namespace tidesync::qstash::local
