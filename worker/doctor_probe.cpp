#include "worker/doctor_probe.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"
#include "worker/limited_connection.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <future>
#include <sql/doctor.hpp>

namespace tidesync::worker {

namespace {

using namespace std::chrono_literals;

constexpr auto database_limit = 25s; // for everything that is asked on one connection
constexpr auto pooler_limit = 8s;
constexpr int clock_readings = 5;

std::string text(const pqxx::row& row, const char* column) {
    const auto field = row[column];
    return field.is_null() ? std::string{} : field.as<std::string>();
}

template <typename Unit>
std::optional<Unit> time_in(const pqxx::row& row, const char* column) {
    const auto field = row[column];
    if (field.is_null()) return std::nullopt;
    return Unit{field.as<std::int64_t>()};
}

/// Asks one database one thing after the other. What is refused is noted, and the rest is still asked.
class prober {
public:
    prober(database_facts& into, const postgres::address& where)
        : facts_{into}
        , where_{where}
        , connection_{where, into.name, database_limit} {}

    void ask_everything() {
        ask("reading what the server is", [&](auto& transaction) { read_server(transaction); });
        ask("reading the clock", [&](auto& transaction) { facts_.clock = read_clock(transaction); });
        ask_pooler();
        if (facts_.is_slave || facts_.is_production) {
            ask("reading the catalog",
                [&](auto& transaction) { facts_.tables = slave_to_prod::read_catalog(transaction); });
            ask("looking for row level security", [&](auto& transaction) { read_hidden(transaction); });
        }
        if (facts_.is_slave) ask("reading privileges", [&](auto& transaction) { read_writable(transaction); });
        if (facts_.is_production) ask_part(schema_part::production);
        if (facts_.is_run_store) ask_part(schema_part::run_store);
    }

private:
    template <typename Body>
    void ask(std::string_view activity, Body&& body) {
        try {
            postgres::named(facts_.name, activity, [&] {
                pqxx::work transaction{connection_.get()};
                transaction.exec("SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '10s'; "
                                 "SET LOCAL lock_timeout = '2s'");
                body(transaction);
            });
        } catch (const postgres::error& e) {
            if (e.sqlstate().empty()) throw; // it is gone
            note_refusal(e);
        }
    }

    void note_refusal(const postgres::error& e) {
        const auto how = postgres::outcome_of(e);
        const auto* why = jobs::why(how);
        facts_.unread.push_back({check::state::problem, e.what(), why != nullptr ? why->hint : std::string{}});
    }

    void read_server(pqxx::transaction_base& transaction) {
        const auto row = postgres::query(transaction, sql::doctor::read_server.text)[0];
        const auto ms = [&](const char* column) { return std::chrono::milliseconds{row[column].as<std::int64_t>()}; };
        server_state state;
        state.version = text(row, "version");
        state.role = text(row, "role");
        state.superuser = row["superuser"].as<bool>();
        state.in_recovery = row["in_recovery"].as<bool>();
        state.read_only = row["read_only"].as<bool>();
        state.feedback = row["feedback"].as<bool>();
        state.streaming_delay = ms("streaming_delay_ms");
        state.transaction_timeout = ms("transaction_timeout_ms");
        state.statement_timeout = ms("statement_timeout_ms");
        state.idle_in_transaction = ms("idle_in_transaction_ms");
        state.fsync = row["fsync"].as<bool>();
        state.commits_are_kept = row["commits_are_kept"].as<bool>();
        state.connections_left = row["connections_left"].as<int>();
        if (!row["role_connections_left"].is_null())
            state.role_connections_left = row["role_connections_left"].as<int>();
        facts_.server = std::move(state);
    }

    /// The reading with the shortest round trip says most.
    static clock_reading read_clock(pqxx::transaction_base& transaction) {
        using std::chrono::microseconds;
        clock_reading best{{}, microseconds::max()};
        for (int i = 0; i < clock_readings; ++i) {
            const auto start = std::chrono::steady_clock::now();
            const auto ours = std::chrono::floor<microseconds>(std::chrono::system_clock::now()).time_since_epoch();
            const microseconds theirs{
                postgres::query(transaction, sql::doctor::read_clock.text)[0]["now_us"].template as<std::int64_t>()};
            const auto half = std::chrono::ceil<microseconds>(std::chrono::steady_clock::now() - start) / 2;
            if (half < best.unsure) best = {theirs - (ours + half), half};
        }
        return best;
    }

    void ask_pooler() {
        try {
            facts_.in_front = probe_pooler(where_, facts_.name, pooler_limit);
        } catch (const postgres::error& e) {
            facts_.unread.push_back(
                {check::state::problem, e.what(),
                 "this server answers one connection and not two more: raise the pool's size, or the connection limit "
                 "of the role"});
            return;
        }
        if (facts_.is_slave) facts_.snapshot_problem = probe_snapshot(where_, facts_.name, pooler_limit);
    }

    void read_hidden(pqxx::transaction_base& transaction) {
        for (const auto& row : postgres::query(transaction, sql::doctor::read_hidden_tables.text))
            facts_.hidden.push_back({text(row, "schema_name"), text(row, "table_name")});
    }

    void read_writable(pqxx::transaction_base& transaction) {
        const auto row = postgres::query(transaction, sql::doctor::read_writable_tables.text)[0];
        facts_.writable_tables = row["tables"].as<int>();
        facts_.writable_example = text(row, "example");
    }

    /// What `migrate` makes. Without the schema, the rest of it cannot be asked.
    void ask_part(schema_part part) {
        ask("reading privileges", [&](auto& transaction) { facts_.rights.push_back(read_rights(transaction, part)); });
        const bool closed = std::ranges::any_of(
            facts_.rights, [](const auto& rights) { return has(rights.missing, "USAGE on schema tidesync"); });
        if (closed) return;
        bool there = false;
        ask("reading schema tidesync", [&](auto& transaction) {
            facts_.schemas.push_back(missing_schema(transaction, part, where_.describe()));
            there = facts_.schemas.back().problem.empty();
        });
        if (!there) return;
        if (part == schema_part::production) {
            ask("reading tidesync.fence", [&](auto& transaction) { read_fence(transaction); });
            ask("reading tidesync.applied", [&](auto& transaction) { read_receipts(transaction); });
        } else {
            ask("reading tidesync.lease_token_seq", [&](auto& transaction) {
                facts_.last_token = postgres::query(transaction, sql::doctor::read_last_token.text)[0]["token"]
                                        .template as<std::int64_t>();
            });
            ask("reading tidesync.job", [&](auto& transaction) { read_jobs(transaction); });
            ask("reading tidesync.delivery_alarm", [&](auto& transaction) {
                facts_.alarms = postgres::query(transaction, sql::doctor::count_alarms.text, days_lately)[0]["alarms"]
                                    .template as<int>();
            });
        }
    }

    static bool has(const std::vector<std::string>& all, std::string_view one) {
        return std::ranges::find(all, one) != all.end();
    }

    static store_rights read_rights(pqxx::transaction_base& transaction, schema_part part) {
        store_rights rights;
        rights.missing = missing_rights(transaction, part);
        const auto row = postgres::query(transaction, sql::doctor::read_needless_privileges.text)[0];
        rights.owner = row["owner"].as<bool>();
        rights.rewritable = text(row, "rewritable");
        return rights;
    }

    void read_fence(pqxx::transaction_base& transaction) {
        const auto row = postgres::query(transaction, sql::doctor::read_highest_fence.text)[0];
        facts_.fence = fence_state{row["token"].as<std::int64_t>(), text(row, "job"), text(row, "at")};
    }

    void read_receipts(pqxx::transaction_base& transaction) {
        for (const auto& row :
             postgres::query(transaction, sql::doctor::list_receipts.text, days_looked_back, receipts_looked_at_max))
            facts_.receipts.push_back({text(row, "run_id"), text(row, "at")});
    }

    void read_jobs(pqxx::transaction_base& transaction) {
        using std::chrono::seconds;
        std::vector<job_state> jobs;
        for (const auto& row : postgres::query(transaction, sql::doctor::read_jobs.text, days_lately))
            jobs.push_back(
                {.name = text(row, "name"),
                 .slot_every = seconds{row["slot_every_s"].as<std::int64_t>()},
                 .paused = text(row, "paused"),
                 .last_success = text(row, "last_success"),
                 .success_age = time_in<seconds>(row, "success_age_s"),
                 .late = row["late"].as<bool>(),
                 .scheduled = row["scheduled"].as<bool>(),
                 .fallbacks = row["fallbacks"].as<int>(),
                 .dead = row["dead"].as<int>(),
                 .dead_run = text(row, "dead_run"),
                 .dead_code = text(row, "dead_code"),
                 .dead_message = text(row, "dead_message"),
                 .dead_since_success = row["dead_since_success"].as<bool>(),
                 .waiting = time_in<seconds>(row, "waiting_s"),
                 .lost = time_in<seconds>(row, "lost_s")});
        facts_.jobs = std::move(jobs);
    }

    database_facts& facts_;
    const postgres::address& where_;
    limited_connection connection_;
};

database_facts ask_database(database_facts facts, const postgres::address& where) {
    try {
        prober{facts, where}.ask_everything();
    } catch (const postgres::error& e) {
        const auto how = postgres::outcome_of(e);
        facts.away = e.what();
        if (const auto* why = jobs::why(how)) facts.away_hint = why->hint;
    }
    return facts;
}

} // namespace

std::vector<database_facts> probe_all(const settings& config) {
    std::vector<std::future<database_facts>> asked;
    const auto ask = [&](database_facts facts, const postgres::address& where) {
        facts.where = where.describe();
        asked.push_back(std::async(std::launch::async, [facts = std::move(facts), &where]() mutable {
            return ask_database(std::move(facts), where);
        }));
    };
    const bool apart = config.run_store.conninfo() != config.production.conninfo();
    ask({.name = "slave", .is_slave = true}, config.slave);
    ask({.name = "production", .is_production = true, .is_run_store = !apart}, config.production);
    if (apart) ask({.name = "run store", .is_run_store = true}, config.run_store);
    std::vector<database_facts> found;
    found.reserve(asked.size());
    for (auto& one : asked) found.push_back(one.get());
    return found;
}

std::optional<std::vector<receipt>>
find_unknown(const postgres::address& run_store, const std::vector<receipt>& receipts) {
    std::vector<std::string> ids;
    ids.reserve(receipts.size());
    for (const auto& one : receipts) ids.push_back(one.run_id);
    try {
        limited_connection connection{run_store, "run store", database_limit};
        return postgres::named("run store", "looking for runs", [&] {
            pqxx::work transaction{connection.get()};
            transaction.exec("SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '10s'");
            std::vector<receipt> unknown;
            for (const auto& row : postgres::query(
                     transaction, sql::doctor::find_unknown_runs.text, fmt::format("{{{}}}", fmt::join(ids, ",")))) {
                const auto known = std::ranges::find(receipts, text(row, "run_id"), &receipt::run_id);
                if (known != receipts.end()) unknown.push_back(*known);
            }
            return unknown;
        });
    } catch (const postgres::error&) {
        return std::nullopt;
    }
}

} // namespace tidesync::worker
