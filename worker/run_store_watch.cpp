#include "worker/run_store.hpp"

#include "worker/run_store_rows.hpp"

#include <sql/run_store.hpp>

namespace tidesync::worker {

namespace {

std::optional<double> seconds_or_none(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? std::nullopt : std::optional{row[column].as<double>()};
}

} // namespace

std::vector<lateness_change> run_store::note_lateness() {
    return transactions_.get("looking for late jobs", [](auto& transaction) {
        std::vector<lateness_change> changes;
        for (const auto& row : postgres::query(transaction, sql::note_lateness.text))
            changes.push_back(
                {.job = rows::text_or_empty(row, "name"),
                 .late = row["late"].template as<bool>(),
                 .last_success = rows::text_or_empty(row, "last_success"),
                 .expected_by = rows::text_or_empty(row, "expected_by"),
                 .late_since = rows::text_or_empty(row, "late_since"),
                 .because = rows::text_or_empty(row, "because")});
        return changes;
    });
}

store_figures run_store::read_figures() {
    return transactions_.get("reading figures", [](auto& transaction) {
        store_figures figures;
        for (const auto& row : postgres::query(transaction, sql::read_job_figures.text))
            figures.jobs.push_back(
                {.name = rows::text_or_empty(row, "name"),
                 .queued = row["queued"].template as<int>(),
                 .running = row["running"].template as<int>(),
                 .retry_wait = row["retry_wait"].template as<int>(),
                 .paused = row["paused"].template as<bool>(),
                 .late = row["late"].template as<bool>(),
                 .last_success = seconds_or_none(row, "last_success"),
                 .expected_by = seconds_or_none(row, "expected_by"),
                 .last_dead = seconds_or_none(row, "last_dead"),
                 .last_fallback = seconds_or_none(row, "last_fallback")});
        const auto deliveries = postgres::query(transaction, sql::read_delivery_figures.text);
        figures.last_delivery = seconds_or_none(deliveries[0], "last_delivery");
        figures.alarms_waiting = deliveries[0]["alarms_waiting"].template as<int>();
        figures.last_failed_delivery = seconds_or_none(deliveries[0], "last_failed");
        return figures;
    });
}

std::optional<due_alarm> run_store::claim_alarm(std::chrono::milliseconds hold) {
    return transactions_.get("taking an alarm", [&](auto& transaction) -> std::optional<due_alarm> {
        const auto found = postgres::query(transaction, sql::claim_alarm.text, hold.count());
        if (found.empty()) return std::nullopt;
        return due_alarm{
            .alarm_id = rows::text_or_empty(found[0], "alarm_id"),
            .type = rows::text_or_empty(found[0], "type"),
            .made_at = rows::text_or_empty(found[0], "made_at"),
            .data = rows::json_or_null(found[0], "data"),
            .tries = found[0]["tries"].template as<int>(),
            .now = found[0]["now"].template as<std::int64_t>()};
    });
}

void run_store::end_alarm(const due_alarm& alarm) {
    transactions_.run("ending an alarm", [&](auto& transaction) {
        postgres::query(transaction, sql::end_alarm.text, alarm.alarm_id);
    });
}

void run_store::retry_alarm(const due_alarm& alarm, std::chrono::milliseconds after, const std::string& why) {
    transactions_.run("putting off an alarm", [&](auto& transaction) {
        postgres::query(transaction, sql::retry_alarm.text, alarm.alarm_id, alarm.tries, after.count(), why);
    });
}

std::vector<lost_alarm> run_store::give_up_alarms(int rows_max) {
    return transactions_.get("giving up alarms", [&](auto& transaction) {
        std::vector<lost_alarm> lost;
        for (const auto& row : postgres::query(transaction, sql::give_up_alarms.text, rows_max))
            lost.push_back(
                {.alarm_id = rows::text_or_empty(row, "alarm_id"),
                 .type = rows::text_or_empty(row, "type"),
                 .tries = row["tries"].template as<int>(),
                 .error = rows::text_or_empty(row, "error")});
        return lost;
    });
}

} // namespace tidesync::worker
