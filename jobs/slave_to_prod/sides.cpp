#include "jobs/slave_to_prod/sides.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"

namespace tidesync::slave_to_prod {

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
        side.sessions.words.execute(begin_reading(limits, snapshot), "opening the snapshot");
        // Rows are fetched by place or all of them; where the planner may choose, it takes many places for a reason to
        // read the whole table for each batch.
        side.sessions.rows.execute(
            begin_reading(limits, snapshot) + "; SET LOCAL enable_seqscan = off", "opening the snapshot");
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

postgres::session
open_production(const postgres::address& production, const server_limits& limits, const jobs::run_context& run) {
    postgres::session session{production, "production", run.stop, patience(limits)};
    session.execute(begin_reading(limits, ""), "opening a snapshot");
    return session;
}

} // namespace tidesync::slave_to_prod
