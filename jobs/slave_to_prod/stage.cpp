#include "jobs/slave_to_prod/stage.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <fmt/format.h>
#include <sql/slave_to_prod.hpp>

namespace tidesync::slave_to_prod {

namespace {

constexpr std::string_view side = "production";

std::chrono::milliseconds since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
}

} // namespace

staging_area::staging_area(
    const postgres::address& production, std::int64_t lease_token, server_limits limits,
    std::vector<std::string>& warnings)
    : production_{production}
    , lease_token_{lease_token}
    , limits_{limits} {
    drop_left_overs(warnings);
}

staging_area::~staging_area() {
    try {
        drop(made_, limits_);
    } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): the next run drops what is left
    }
}

std::vector<staged_table>
staging_area::fill(const plan& plan, postgres::copy_session& reader, const jobs::run_context& run) {
    postgres::copy_session writer{production_, side, run.stop, patience(limits_)};
    std::vector<staged_table> result;
    for (const auto& table : plan.tables) {
        const auto start = std::chrono::steady_clock::now();
        const auto name = table.name.text();
        const auto staging = staging_name(lease_token_, result.size());
        run.progress->rows(name, 0, table.estimated_rows);

        const auto preparing = fmt::format("making a staging table for {}", name);
        writer.execute("BEGIN; " + set_limits(limits_) + create_staging(table, staging) + "; COMMIT", preparing);
        made_.push_back(staging);
        writer.execute("BEGIN; " + set_limits(limits_) + pin_text_output(), preparing);
        const auto moved =
            reader.relay(copy_out(table), writer, copy_in(table, staging), name, [&](const auto& so_far) {
                run.progress->rows(name, so_far.rows, table.estimated_rows);
            });
        // Without statistics the planner takes a staging table for tiny and loops over it.
        writer.execute(
            fmt::format("ANALYZE {}; COMMIT", staging.sql()), fmt::format("analysing the staged rows of {}", name));
        result.push_back({staging, moved.rows, moved.bytes, since(start)});
    }
    return result;
}

void staging_area::drop_left_overs(std::vector<std::string>& warnings) {
    const auto old = postgres::named(side, "looking for staging tables of earlier runs", [&] {
        auto connection = postgres::connect(production_, side);
        pqxx::work transaction{connection};
        std::vector<table_name> found;
        for (const auto& row :
             postgres::query(transaction, sql::find_old_staging.text, std::string{staging_prefix}, lease_token_))
            found.push_back({"tidesync_staging", row["relname"].as<std::string>()});
        return found;
    });
    // A worker that was stopped in the middle still holds its table. Not worth waiting for: a later run drops it.
    auto hurried = limits_;
    hurried.lock = std::min(hurried.lock, std::chrono::seconds{1});
    for (const auto& table : old) {
        try {
            postgres::named(side, fmt::format("dropping {}", table.text()), [&] { drop({table}, hurried); });
        } catch (const postgres::error& e) {
            warnings.push_back(
                fmt::format("a staging table of an earlier run is left, and a later run will drop it: {}", e.what()));
        }
    }
}

void staging_area::drop(const std::vector<table_name>& tables, const server_limits& limits) {
    if (tables.empty()) return;
    auto connection = postgres::connect(production_, side);
    for (const auto& table : tables) {
        pqxx::work transaction{connection};
        transaction.exec(set_limits(limits) + "DROP TABLE IF EXISTS " + table.sql());
        transaction.commit();
    }
}

} // namespace tidesync::slave_to_prod
