#include "worker/run_store.hpp"

#include "worker/printable.hpp"
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

std::vector<run_view> run_store::list(int rows_max, const std::string& job, const std::string& state) {
    const auto or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    return transactions_.get("listing runs", [&](auto& transaction) {
        std::vector<run_view> views;
        for (const auto& row :
             postgres::query(transaction, sql::list_runs.text, rows_max, or_null(job), or_null(state)))
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

std::optional<std::string> run_store::cancel(const std::string& run_id, const requester& who) {
    if (!rows::is_uuid(run_id)) return std::nullopt;
    return transactions_.get("cancelling a run", [&](auto& transaction) -> std::optional<std::string> {
        const auto found = postgres::query(transaction, sql::cancel_run.text, run_id, who.actor);
        if (found.empty()) return std::nullopt;
        rows::add_audit(
            transaction, {.who = who, .action = "run.cancel", .job = text_or_empty(found[0], "job"), .run_id = run_id});
        return text_or_empty(found[0], "state");
    });
}

bool run_store::pause(const std::string& job, const requester& who, const std::string& reason) {
    return transactions_.get("pausing a job", [&](auto& transaction) {
        if (postgres::query(transaction, sql::pause_job.text, job, who.actor, reason).empty()) return false;
        rows::add_audit(
            transaction, {.who = who, .action = "job.pause", .job = job, .detail = {{"reason", printable(reason)}}});
        return true;
    });
}

std::optional<bool> run_store::resume(const std::string& job, const requester& who) {
    return transactions_.get("resuming a job", [&](auto& transaction) -> std::optional<bool> {
        const auto found = postgres::query(transaction, sql::resume_job.text, job);
        if (found.empty()) return std::nullopt;
        const auto was_paused = found[0]["was_paused"].template as<bool>();
        rows::add_audit(
            transaction, {.who = who, .action = "job.resume", .job = job, .detail = {{"was_paused", was_paused}}});
        return was_paused;
    });
}

void run_store::record(const audit_entry& entry) {
    transactions_.run("writing the audit", [&](auto& transaction) { rows::add_audit(transaction, entry); });
}

std::vector<audit_view> run_store::list_audit(int rows_max) {
    return transactions_.get("reading the audit", [&](auto& transaction) {
        std::vector<audit_view> entries;
        for (const auto& row : postgres::query(transaction, sql::list_audit.text, rows_max))
            entries.push_back(
                {.id = row["id"].template as<std::int64_t>(),
                 .at = text_or_empty(row, "at"),
                 .what = {
                     .who =
                         {.actor = text_or_empty(row, "actor"),
                          .request_id = text_or_empty(row, "request_id"),
                          .remote = text_or_empty(row, "remote")},
                     .action = text_or_empty(row, "action"),
                     .job = text_or_empty(row, "job"),
                     .run_id = text_or_empty(row, "run_id"),
                     .detail = rows::json_or_null(row, "detail")}});
        return entries;
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
