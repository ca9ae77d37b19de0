#include "worker/run_store.hpp"

#include "jobs/stores/postgres/connection.hpp"

#include <fmt/format.h>
#include <sql/run_store.hpp>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::string_view side = "run store";

bool is_uuid(const std::string& text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (text[i] == '-')) return false;
        if (!dash && std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
    }
    return true;
}

std::string text_or_empty(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? std::string{} : row[column].as<std::string>();
}

nlohmann::json json_or_null(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? nlohmann::json{} : nlohmann::json::parse(row[column].as<std::string>());
}

/// A row of delivery_alarm, as to_jsonb makes it.
std::optional<delivery_alarm> alarm_of(const nlohmann::json& row) {
    if (row.is_null()) return std::nullopt;
    const auto text = [&](const char* name) {
        const auto& value = row.at(name);
        return value.is_null() ? std::string{} : value.get<std::string>();
    };
    const auto number = [&](const char* name) {
        const auto& value = row.at(name);
        return value.is_null() ? std::optional<int>{} : value.get<int>();
    };
    return delivery_alarm{
        .source_message_id = text("source_message_id"),
        .received_at = text("received_at"),
        .schedule_id = text("schedule_id"),
        .url = text("url"),
        .method = text("method"),
        .status = number("status"),
        .retried = number("retried"),
        .max_retries = number("max_retries"),
        .dlq_id = text("dlq_id"),
        .response = text("response"),
        .run_id = text("run_id")};
}

/// What became of a run: all that a delivery is told.
run_view outcome_of(const pqxx::row& row) {
    run_view view;
    view.run_id = row["run_id"].as<std::string>();
    view.job = row["job"].as<std::string>();
    view.state = row["state"].as<std::string>();
    view.dry_run = row["dry_run"].as<bool>();
    view.finished_at = text_or_empty(row, "finished_at");
    view.error = json_or_null(row, "error");
    const auto result = json_or_null(row, "result");
    if (!result.is_null()) view.report = result.get<jobs::report>();
    return view;
}

run_view view_of(const pqxx::row& row) {
    auto view = outcome_of(row);
    view.trigger = row["trigger"].as<std::string>();
    view.actor = row["actor"].as<std::string>();
    view.alive = !row["alive"].is_null() && row["alive"].as<bool>();
    view.attempt = row["attempt"].as<int>();
    view.created_at = text_or_empty(row, "created_at");
    view.started_at = text_or_empty(row, "started_at");
    view.messages = json_or_null(row, "messages").get<std::vector<std::string>>();
    view.progress = json_or_null(row, "progress");
    view.alarm = alarm_of(json_or_null(row, "delivery_alarm"));
    return view;
}

std::optional<claimed_run>
claim(pqxx::transaction_base& transaction, const std::string& run_id, const std::string& worker) {
    const auto rows =
        postgres::query(transaction, sql::claim_run.text, run_id, worker, static_cast<int>(lease_time.count()));
    if (rows.empty()) return std::nullopt;
    return claimed_run{
        .run_id = run_id,
        .job = rows[0]["job"].as<std::string>(),
        .lease_token = rows[0]["lease_token"].as<std::int64_t>(),
        .attempt = rows[0]["attempt"].as<int>(),
        .dry_run = rows[0]["dry_run"].as<bool>()};
}

/// The run of a message that is known already, and this worker's claim to it when nobody works on it.
std::optional<acceptance>
attach(pqxx::transaction_base& transaction, const message_key& message, const std::string& worker) {
    const auto known =
        postgres::query(transaction, sql::attach_message.text, message.source, message.message_id, message.body_sha256);
    if (known.empty()) return std::nullopt;
    const auto run_id = known[0]["run_id"].as<std::string>();
    if (!known[0]["same_body"].as<bool>()) return acceptance{decision::body_differs, run_id, std::nullopt};
    if (!known[0]["finished_at"].is_null())
        return acceptance{decision::attached, run_id, std::nullopt, outcome_of(known[0])};
    auto claimed = claim(transaction, run_id, worker);
    return acceptance{claimed ? decision::taken_over : decision::attached, run_id, std::move(claimed)};
}

bool is_replay(pqxx::transaction_base& transaction, const message_key& message) {
    const auto owner =
        postgres::query(transaction, sql::remember_jti.text, message.jti, message.message_id, message.expires_at);
    return owner[0]["message_id"].as<std::string>() != message.message_id;
}

void add_message(
    pqxx::transaction_base& transaction, const run_request& request, const std::string& run_id, const char* what) {
    if (!request.message) return;
    postgres::query(
        transaction, sql::add_message.text, request.message->source, request.message->message_id, run_id,
        std::string{what}, request.message->body_sha256);
}

acceptance join_or_create(pqxx::transaction_base& transaction, const run_request& request, const std::string& worker) {
    const auto active = postgres::query(transaction, sql::find_active_run.text, request.job);
    if (!request.dry_run && !active.empty()) {
        const auto run_id = active[0]["run_id"].as<std::string>();
        add_message(transaction, request, run_id, "coalesced");
        auto claimed = claim(transaction, run_id, worker);
        return {claimed ? decision::taken_over : decision::coalesced, run_id, std::move(claimed)};
    }
    const auto run_id = postgres::query(
                            transaction, sql::create_run.text, request.job, request.trigger, request.actor,
                            request.dry_run)[0]["run_id"]
                            .as<std::string>();
    add_message(transaction, request, run_id, "created");
    return {decision::created, run_id, claim(transaction, run_id, worker)};
}

std::string_view word(run_end how) {
    switch (how) {
    case run_end::succeeded:
        return "succeeded";
    case run_end::dead:
        return "dead";
    case run_end::cancelled:
        return "cancelled";
    case run_end::released:
        return "released";
    }
    return "dead";
}

} // namespace

std::string_view to_string(decision what) noexcept {
    switch (what) {
    case decision::created:
        return "created";
    case decision::taken_over:
        return "taken_over";
    case decision::attached:
        return "attached";
    case decision::coalesced:
        return "coalesced";
    case decision::replayed:
        return "replayed";
    case decision::body_differs:
        return "body_differs";
    }
    return "created";
}

run_store::run_store(postgres::address where)
    : transactions_{std::string{side}, std::move(where)} {}

template <typename Body>
auto run_store::in_transaction(std::string_view activity, Body&& body) {
    std::optional<std::invoke_result_t<Body&, pqxx::transaction_base&>> result;
    transactions_.run(activity, [&](pqxx::transaction_base& transaction) { result.emplace(body(transaction)); });
    if (!result) throw std::logic_error{"a transaction came back without its body's result"};
    return std::move(*result);
}

void run_store::register_job(const std::string& name) {
    in_transaction("registering a job", [&](auto& transaction) {
        return postgres::query(transaction, sql::register_job.text, name);
    });
}

acceptance run_store::accept(const run_request& request, const std::string& worker) {
    auto result = in_transaction("storing a run", [&](pqxx::transaction_base& transaction) -> acceptance {
        if (request.message) {
            if (is_replay(transaction, *request.message)) return {decision::replayed, {}, std::nullopt};
            if (auto known = attach(transaction, *request.message, worker)) return *known;
        }
        // From here on accepts of one job wait for each other.
        postgres::query(transaction, sql::lock_job.text, request.job);
        if (request.message) // another replica may have been faster
            if (auto known = attach(transaction, *request.message, worker)) return *known;
        return join_or_create(transaction, request, worker);
    });
    return result;
}

bool run_store::heartbeat(const claimed_run& run, const nlohmann::json& progress) {
    return in_transaction("beating", [&](auto& transaction) {
        return !postgres::query(
                    transaction, sql::heartbeat.text, run.run_id, run.lease_token, static_cast<int>(lease_time.count()),
                    progress.dump())
                    .empty();
    });
}

std::optional<std::string> run_store::end(
    const claimed_run& run, run_end how, const jobs::report& report, const std::optional<jobs::failure>& failure) {
    const std::optional<std::string> result =
        how == run_end::released ? std::nullopt : std::optional{nlohmann::ordered_json(report).dump()};
    std::optional<std::string> error;
    if (failure)
        error =
            nlohmann::json{{"code", to_string(failure->code)}, {"message", failure->message}, {"hint", failure->hint}}
                .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return in_transaction("ending a run", [&](auto& transaction) -> std::optional<std::string> {
        const auto rows = postgres::query(
            transaction, sql::end_run.text, run.run_id, run.lease_token, std::string{word(how)},
            result ? result->c_str() : nullptr, error ? error->c_str() : nullptr);
        postgres::query(transaction, sql::forget_expired_jtis.text);
        if (rows.empty()) return std::nullopt;
        return rows[0]["state"].template as<std::string>();
    });
}

std::optional<run_view> run_store::find(const std::string& run_id) {
    if (!is_uuid(run_id)) return std::nullopt;
    return in_transaction("reading a run", [&](auto& transaction) -> std::optional<run_view> {
        const auto rows = postgres::query(transaction, sql::get_run.text, run_id);
        if (rows.empty()) return std::nullopt;
        return view_of(rows[0]);
    });
}

std::vector<run_view> run_store::list(int rows_max) {
    return in_transaction("listing runs", [&](auto& transaction) {
        std::vector<run_view> views;
        for (const auto& row : postgres::query(transaction, sql::list_runs.text, rows_max))
            views.push_back(view_of(row));
        return views;
    });
}

bool run_store::add_alarm(const delivery_alarm& alarm) {
    const auto number = [](const std::optional<int>& value) {
        return value ? std::optional{std::to_string(*value)} : std::nullopt;
    };
    const auto status = number(alarm.status);
    const auto retried = number(alarm.retried);
    const auto max_retries = number(alarm.max_retries);
    const auto or_null = [](const std::optional<std::string>& value) { return value ? value->c_str() : nullptr; };
    return in_transaction("storing an alarm", [&](auto& transaction) {
        return !postgres::query(
                    transaction, sql::add_delivery_alarm.text, alarm.source_message_id, alarm.schedule_id, alarm.url,
                    alarm.method, alarm.dlq_id, or_null(status), or_null(retried), or_null(max_retries), alarm.response)
                    .empty();
    });
}

std::vector<delivery_alarm> run_store::list_alarms(int rows_max) {
    return in_transaction("listing alarms", [&](auto& transaction) {
        std::vector<delivery_alarm> alarms;
        for (const auto& row : postgres::query(transaction, sql::list_delivery_alarms.text, rows_max))
            if (auto alarm = alarm_of(json_or_null(row, "alarm"))) alarms.push_back(std::move(*alarm));
        return alarms;
    });
}

void run_store::ping() {
    in_transaction("asking for an answer", [](auto& transaction) { return transaction.exec("SELECT 1"); });
}

} // namespace tidesync::worker
