#include "worker/run_store.hpp"

#include "worker/run_store_rows.hpp"

#include <sql/run_store.hpp>

namespace tidesync::worker {

namespace {

std::optional<double> seconds_or_none(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? std::nullopt : std::optional{row[column].as<double>()};
}

} // namespace

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
                 .last_success = seconds_or_none(row, "last_success"),
                 .last_dead = seconds_or_none(row, "last_dead"),
                 .last_fallback = seconds_or_none(row, "last_fallback")});
        const auto deliveries = postgres::query(transaction, sql::read_delivery_figures.text);
        figures.last_delivery = seconds_or_none(deliveries[0], "last_delivery");
        figures.last_failed_delivery = seconds_or_none(deliveries[0], "last_failed");
        return figures;
    });
}

} // namespace tidesync::worker
