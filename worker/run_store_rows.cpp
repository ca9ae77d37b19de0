#include "worker/run_store_rows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sql/run_store.hpp>

namespace tidesync::worker::rows {

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
    view.crashes = row["crashes"].as<int>();
    view.retry_of = text_or_empty(row, "retry_of");
    view.cancelled_by = text_or_empty(row, "cancelled_by");
    view.created_at = text_or_empty(row, "created_at");
    view.run_after = text_or_empty(row, "run_after");
    view.started_at = text_or_empty(row, "started_at");
    view.messages = json_or_null(row, "messages").get<std::vector<std::string>>();
    view.progress = json_or_null(row, "progress");
    view.alarm = alarm_of(json_or_null(row, "delivery_alarm"));
    return view;
}

namespace {

std::optional<jobs::failure> failure_of(const nlohmann::json& error) {
    if (!error.is_object()) return std::nullopt;
    return jobs::failure{
        jobs::failure_code_of(error.value("code", "")), error.value("message", ""), error.value("hint", "")};
}

} // namespace

std::optional<claimed_run> claim(
    pqxx::transaction_base& transaction, const std::string& worker, std::chrono::milliseconds lease,
    const std::vector<std::string>& jobs, const std::string& run_id) {
    const auto asked = std::chrono::steady_clock::now();
    const auto found = postgres::query(
        transaction, sql::claim_run.text, worker, lease.count(),
        fmt::format("{{{}}}", fmt::join(jobs, ",")), // names of jobs hold nothing that would need quotes
        run_id.empty() ? nullptr : run_id.c_str());
    if (found.empty()) return std::nullopt;
    std::optional<std::chrono::milliseconds> since_start;
    if (const auto field = found[0]["since_start_ms"]; !field.is_null())
        since_start = std::chrono::milliseconds{field.as<std::int64_t>()};
    const auto approves = text_or_empty(found[0], "approves");
    std::optional<jobs::approval> approved;
    if (!approves.empty()) approved = {approves, text_or_empty(found[0], "approved_difference")};
    return claimed_run{
        .run_id = found[0]["run_id"].as<std::string>(),
        .job = found[0]["job"].as<std::string>(),
        .lease_token = found[0]["lease_token"].as<std::int64_t>(),
        .attempt = found[0]["attempt"].as<int>(),
        .dry_run = found[0]["dry_run"].as<bool>(),
        .last_look = found[0]["last_look"].as<bool>(),
        .failure = failure_of(json_or_null(found[0], "due_to")),
        .asked = asked,
        .waited = std::chrono::milliseconds{found[0]["waited_ms"].as<std::int64_t>()},
        .since_start = since_start,
        .approved = std::move(approved)};
}

void add_audit(pqxx::transaction_base& transaction, const audit_entry& entry) {
    const auto or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    postgres::query(
        transaction, sql::add_audit.text, entry.who.actor, entry.action, or_null(entry.job), or_null(entry.run_id),
        or_null(entry.who.request_id), or_null(entry.who.remote),
        entry.detail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

} // namespace tidesync::worker::rows
