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
        figures.last_failed_delivery = seconds_or_none(deliveries[0], "last_failed");
        return figures;
    });
}

} // namespace tidesync::worker
