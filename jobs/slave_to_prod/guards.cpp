#include "jobs/slave_to_prod/guards.hpp"

#include <fmt/format.h>

namespace tidesync::slave_to_prod {

namespace {

/// Whether so many rows are more than their share, and more than a few.
bool is_too_many(std::int64_t rows, std::int64_t of, int percent_max, std::int64_t rows_min) {
    return rows >= rows_min && static_cast<double>(rows) * 100.0 > static_cast<double>(of) * percent_max;
}

void judge_table(const table_facts& table, std::int64_t last_total, std::vector<std::string>& trips) {
    const auto name = table.name.text();
    const auto& limits = table.limits;
    if (limits.empty_source_stops && table.slave_rows == 0 &&
        (last_total > 0 || (table.deletes && table.production_rows > 0))) {
        trips.push_back(fmt::format(
            "table {} is empty on the slave, and production has {} rows (empty_source: refuse)", name,
            table.production_rows));
        return;
    }
    const auto too_many = [&](std::int64_t rows, const char* done, int percent_max, const char* setting) {
        if (is_too_many(rows, table.production_rows, percent_max, limits.rows_min))
            trips.push_back(fmt::format(
                "table {}: {} of production's {} rows would be {} ({}: {})", name, rows, table.production_rows, done,
                setting, percent_max));
    };
    too_many(table.different, "updated", limits.changed_percent_max, "changed_percent_max");
    too_many(table.gone, "deleted", limits.deleted_percent_max, "deleted_percent_max");
}

} // namespace

bool is_too_old(const run_facts& facts, const table_rules& rules) noexcept {
    return facts.source_age && rules.source_age_max.count() > 0 && *facts.source_age > rules.source_age_max;
}

std::vector<std::string> judge(const run_facts& facts, const table_rules& rules) {
    std::vector<std::string> trips;
    if (is_too_old(facts, rules))
        trips.push_back(fmt::format(
            "the slave is a standby that is {} s behind (source_age_max_s: {})",
            facts.source_age.value_or(std::chrono::seconds{}).count(), rules.source_age_max.count()));
    for (const auto& table : facts.missing_tables)
        trips.push_back(fmt::format("table {} was synced by the run before, and is no longer on both sides", table));
    for (const auto& drift : facts.drift) trips.push_back(fmt::format("{} (on_drift: fail)", drift));
    for (const auto& table : facts.tables) {
        const auto last = facts.last_totals.find(table.name.text());
        judge_table(table, last == facts.last_totals.end() ? 0 : last->second, trips);
    }
    return trips;
}

} // namespace tidesync::slave_to_prod
