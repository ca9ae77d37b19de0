#include "worker/run_store.hpp"

#include "worker/run_store_rows.hpp"

#include <sql/run_store.hpp>

namespace tidesync::worker {

using rows::text_or_empty;

std::optional<run_view> run_store::find(const std::string& run_id) {
    if (!rows::is_uuid(run_id)) return std::nullopt;
    return transactions_.get("reading a run", [&](auto& transaction) -> std::optional<run_view> {
        const auto found = postgres::query(transaction, sql::get_run.text, run_id);
        if (found.empty()) return std::nullopt;
        return rows::view_of(found[0]);
    });
}

std::vector<run_view> run_store::list(int rows_max) {
    return transactions_.get("listing runs", [&](auto& transaction) {
        std::vector<run_view> views;
        for (const auto& row : postgres::query(transaction, sql::list_runs.text, rows_max))
            views.push_back(rows::view_of(row));
        return views;
    });
}

std::vector<job_view> run_store::list_jobs() {
    return transactions_.get("listing jobs", [&](auto& transaction) {
        std::vector<job_view> views;
        for (const auto& row : postgres::query(transaction, sql::list_jobs.text))
            views.push_back(
                {.name = text_or_empty(row, "name"),
                 .overlap = text_or_empty(row, "overlap"),
                 .paused_at = text_or_empty(row, "paused_at"),
                 .paused_by = text_or_empty(row, "paused_by"),
                 .paused_reason = text_or_empty(row, "paused_reason"),
                 .last_success = text_or_empty(row, "last_success"),
                 .expected_by = text_or_empty(row, "expected_by"),
                 .late = row["late"].template as<bool>(),
                 .at_work = text_or_empty(row, "at_work"),
                 .in_line = text_or_empty(row, "in_line")});
        return views;
    });
}

std::optional<std::string> run_store::cancel(const std::string& run_id, const std::string& actor) {
    if (!rows::is_uuid(run_id)) return std::nullopt;
    return transactions_.get("cancelling a run", [&](auto& transaction) -> std::optional<std::string> {
        const auto found = postgres::query(transaction, sql::cancel_run.text, run_id, actor);
        if (found.empty()) return std::nullopt;
        return text_or_empty(found[0], "state");
    });
}

bool run_store::pause(const std::string& job, const std::string& actor, const std::string& reason) {
    return transactions_.get("pausing a job", [&](auto& transaction) {
        return !postgres::query(transaction, sql::pause_job.text, job, actor, reason).empty();
    });
}

std::optional<bool> run_store::resume(const std::string& job) {
    return transactions_.get("resuming a job", [&](auto& transaction) -> std::optional<bool> {
        const auto found = postgres::query(transaction, sql::resume_job.text, job);
        if (found.empty()) return std::nullopt;
        return found[0]["was_paused"].template as<bool>();
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
    return transactions_.get("storing an alarm", [&](auto& transaction) {
        return !postgres::query(
                    transaction, sql::add_delivery_alarm.text, alarm.source_message_id, alarm.schedule_id, alarm.url,
                    alarm.method, alarm.dlq_id, or_null(status), or_null(retried), or_null(max_retries), alarm.response)
                    .empty();
    });
}

std::vector<delivery_alarm> run_store::list_alarms(int rows_max) {
    return transactions_.get("listing alarms", [&](auto& transaction) {
        std::vector<delivery_alarm> alarms;
        for (const auto& row : postgres::query(transaction, sql::list_delivery_alarms.text, rows_max))
            if (auto alarm = rows::alarm_of(rows::json_or_null(row, "alarm"))) alarms.push_back(std::move(*alarm));
        return alarms;
    });
}

} // namespace tidesync::worker
