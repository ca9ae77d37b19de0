#include "jobs/slave_to_prod/sides.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"

namespace tidesync::slave_to_prod {

namespace {

constexpr auto opening = "opening the snapshot";

/// For a session that is asked for rows by their places, or for all. Where the planner may choose, it takes many places
/// for a reason to read the whole table for each batch.
std::string begin_reading_by_place(const server_limits& limits, const std::string& snapshot) {
    return begin_reading(limits, snapshot) + "; SET LOCAL enable_seqscan = off";
}

} // namespace

slave_side open_slave(const postgres::address& slave, const server_limits& limits, const jobs::run_context& run) {
    return postgres::named("slave", "reading the catalog", [&] {
        auto connection = postgres::connect(slave, "slave");
        pqxx::work exporter{connection};
        exporter.exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; " + set_limits(limits));
        auto tables = read_catalog(exporter);
        const auto snapshot = exporter.exec("SELECT pg_export_snapshot()")[0][0].as<std::string>();
        slave_side side{
            std::move(tables),
            {.words = {slave, "slave", run.stop, patience(limits)},
             .rows = {slave, "slave", run.stop, patience(limits)}}};
        // From here on the sessions hold the snapshot. The exporter must not stay: a standby ends idle transactions
        // that are in the way of its replay.
        side.sessions.words.execute(begin_reading(limits, snapshot), opening);
        side.sessions.rows.execute(begin_reading_by_place(limits, snapshot), opening);
        return side;
    });
}

catalog read_production(const postgres::address& production, const server_limits& limits) {
    return postgres::named("production", "reading the catalog", [&] {
        auto connection = postgres::connect(production, "production");
        pqxx::work transaction{connection};
        transaction.exec(set_limits(limits));
        return read_catalog(transaction);
    });
}

production_sessions open_production(
    const postgres::address& production, const server_limits& limits, const jobs::run_context& run, bool with_keys) {
    const auto open = [&] { return postgres::session{production, "production", run.stop, patience(limits)}; };
    production_sessions sessions{.words = open(), .keys = {}};
    sessions.words.execute(begin_reading(limits, ""), opening);
    if (!with_keys) return sessions;
    const auto snapshot = sessions.words.query("SELECT pg_export_snapshot()", opening).at(0).at(0).value_or("");
    sessions.keys.emplace(open());
    sessions.keys->execute(begin_reading_by_place(limits, snapshot), opening);
    return sessions;
}

} // namespace tidesync::slave_to_prod
