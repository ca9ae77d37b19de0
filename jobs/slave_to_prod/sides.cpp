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

slave_side open_slave(
    const postgres::address& slave, const server_limits& limits, const jobs::run_context& run, jobs::report& report) {
    return postgres::named("slave", "reading the catalog", [&] {
        // All connections come first: none has to be made while a snapshot is held.
        slave_sessions sessions{
            .words = {slave, "slave", run.stop, patience(limits)},
            .rows = {slave, "slave", run.stop, patience(limits)}};
        auto connection = postgres::connect(slave, "slave");
        sessions.words.execute(begin_reading(limits, ""), opening);
        const auto snapshot = sessions.words.query("SELECT pg_export_snapshot()", opening).at(0).at(0).value();
        catalog tables;
        try {
            pqxx::work reader{connection};
            reader.exec(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT " +
                postgres::quote_literal(snapshot) + "; " + set_limits(limits));
            tables = read_catalog(reader);
            report.source = jobs::source_report{.standby = tables.in_recovery, .replay_age = tables.replay_age};
            sessions.rows.execute(begin_reading_by_place(limits, snapshot), opening);
        } catch (const std::exception&) {
            // Nothing can be borrowed from an owner who has lost it: then that is the error.
            sessions.words.execute("SELECT", opening);
            throw;
        }
        return slave_side{std::move(tables), std::move(sessions)};
    });
}

void close_snapshot(slave_sessions& slave) {
    slave.words.execute("COMMIT", "closing the snapshot");
    let_go(slave.rows);
}

void let_go(postgres::session& session) noexcept {
    try {
        session.execute("COMMIT", "closing the snapshot");
    } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): the end of the transaction is all it was for
    }
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
