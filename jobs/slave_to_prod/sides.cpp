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

slave_sessions connect_slave(
    const postgres::address& slave, const server_limits& limits, const jobs::run_context& run, bool with_rows) {
    slave_sessions sessions{.words = {slave, "slave", run.stop, patience(limits)}, .rows = {}};
    if (with_rows) sessions.rows = std::make_unique<postgres::session>(slave, "slave", run.stop, patience(limits));
    return sessions;
}

production_sessions connect_production(
    const postgres::address& production, const server_limits& limits, const jobs::run_context& run, bool with_keys) {
    production_sessions sessions{.words = {production, "production", run.stop, patience(limits)}, .keys = {}};
    if (with_keys)
        sessions.keys = std::make_unique<postgres::session>(production, "production", run.stop, patience(limits));
    return sessions;
}

std::string export_snapshot(postgres::session& session) {
    return session.query("SELECT pg_export_snapshot()", opening).at(0).at(0).value_or("");
}

} // namespace

slave_side open_slave(
    const postgres::address& slave, const server_limits& limits, const jobs::run_context& run, bool with_rows,
    jobs::report& report) {
    return postgres::named("slave", "reading the catalog", [&] {
        // All connections come first: none of these has to be made while a snapshot is held.
        auto sessions = connect_slave(slave, limits, run, with_rows);
        auto connection = postgres::connect(slave, "slave");
        // It may take the snapshot away, or the connection, before the catalog could tell that it is one.
        if (sessions.words.in_hot_standby()) report.source = jobs::source_report{.standby = true, .replay_age = {}};
        sessions.words.execute(begin_reading(limits, ""), opening);
        const auto snapshot = export_snapshot(sessions.words);
        catalog tables;
        try {
            pqxx::work reader{connection};
            reader.exec(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT " +
                postgres::quote_literal(snapshot) + "; " + set_limits(limits));
            tables = read_catalog(reader);
            report.source = jobs::source_report{.standby = tables.in_recovery, .replay_age = tables.replay_age};
            if (sessions.rows) sessions.rows->execute(begin_reading_by_place(limits, snapshot), opening);
        } catch (const std::exception&) {
            // Nothing can be borrowed from an owner who has lost it: then that is the error.
            sessions.words.execute("SELECT", opening);
            throw;
        }
        return slave_side{std::move(tables), std::move(sessions), snapshot};
    });
}

slave_sessions borrow_slave(
    const postgres::address& slave, const server_limits& limits, const jobs::run_context& run,
    const std::string& snapshot, bool with_rows) {
    auto sessions = connect_slave(slave, limits, run, with_rows);
    sessions.words.execute(begin_reading(limits, snapshot), opening);
    if (sessions.rows) sessions.rows->execute(begin_reading_by_place(limits, snapshot), opening);
    return sessions;
}

void close_snapshot(slave_sessions& slave) {
    slave.words.execute("COMMIT", "closing the snapshot");
    if (slave.rows) let_go(*slave.rows);
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

opened_production open_production(
    const postgres::address& production, const server_limits& limits, const jobs::run_context& run, bool with_keys) {
    auto sessions = connect_production(production, limits, run, with_keys);
    sessions.words.execute(begin_reading(limits, ""), opening);
    const auto snapshot = export_snapshot(sessions.words);
    if (sessions.keys) sessions.keys->execute(begin_reading_by_place(limits, snapshot), opening);
    return {std::move(sessions), snapshot};
}

production_sessions borrow_production(
    const postgres::address& production, const server_limits& limits, const jobs::run_context& run,
    const std::string& snapshot, bool with_keys) {
    auto sessions = connect_production(production, limits, run, with_keys);
    sessions.words.execute(begin_reading(limits, snapshot), opening);
    if (sessions.keys) sessions.keys->execute(begin_reading_by_place(limits, snapshot), opening);
    return sessions;
}

} // namespace tidesync::slave_to_prod
