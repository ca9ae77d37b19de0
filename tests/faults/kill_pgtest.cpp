#include "tests/catch.hpp"
#include "tests/support/serving.hpp"

#include <fmt/format.h>
#include <random>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

/// Everything in both tables, in one hash.
std::string fingerprint(const database& where) {
    return where.value("SELECT (SELECT coalesce(bit_xor(hash_record_extended(p, 0)), 0) FROM parent p) || '/' || "
                       "       (SELECT coalesce(bit_xor(hash_record_extended(c, 0)), 0) FROM child c) || '/' || "
                       "       (SELECT count(*) FROM parent) || '/' || (SELECT count(*) FROM child)");
}

void make_tables(const pair_of_databases& databases) {
    databases.run_on_both("CREATE TABLE parent (id int PRIMARY KEY, name text); "
                          "CREATE TABLE child (id int PRIMARY KEY, parent int NOT NULL REFERENCES parent, note text); "
                          "CREATE INDEX ON child (note)");
    databases.slave.run("INSERT INTO parent SELECT i, 'parent ' || i FROM generate_series(1, 2000) i; "
                        "INSERT INTO child SELECT i, i % 2000 + 1, md5(i::text) FROM generate_series(1, 40000) i");
    databases.production.run(
        "CREATE SCHEMA kept; "
        "CREATE TABLE kept.parent AS SELECT i AS id, 'old ' || i AS name FROM generate_series(1, 1000) i; "
        "CREATE TABLE kept.child AS SELECT i AS id, i % 1000 + 1 AS parent, 'old' AS note "
        "FROM generate_series(1, 20000) i");
}

void reset(const pair_of_databases& databases) {
    databases.production.run("TRUNCATE parent, child; INSERT INTO parent SELECT * FROM kept.parent; INSERT INTO child "
                             "SELECT * FROM kept.child");
}

/// The killed run is not taken up: production is put back by hand, and a run that committed would rightly say so.
void forget_unfinished_runs(const database& store) {
    store.run(
        "UPDATE tidesync.run SET state = 'cancelled', finished_at = now(), lease_owner = NULL, lease_token = NULL, "
        "lease_expires_at = NULL WHERE state IN ('queued', 'running', 'retry_wait')");
}

/// The server needs a moment to notice that a client is gone.
void wait_until_nobody_works(const database& production) {
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (production.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidesync' AND "
                            "datname = current_database()") != "0") {
        REQUIRE(std::chrono::steady_clock::now() < until);
        std::this_thread::sleep_for(10ms);
    }
}

std::chrono::milliseconds time_of_whole_run(const variables& environment) {
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(run_tidesync({"run", "slave-to-prod"}, environment).status == 0);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
}

} // namespace

TEST_CASE("kill -9 at any moment leaves production before or after, never between", "[faults][kill]") {
    constexpr int kills = 20;
    const auto seed = 20261121U;
    CAPTURE(seed);
    std::mt19937 random{seed};

    const pair_of_databases databases;
    make_tables(databases);
    reset(databases);
    const auto before = fingerprint(databases.production);
    auto environment = worker_environment(databases);
    environment["TIDESYNC_CONFIG"] = TIDESYNC_TEST_JOB_FILE;
    const auto whole = time_of_whole_run(environment);
    const auto after = fingerprint(databases.production);
    REQUIRE(before != after);
    REQUIRE(after == fingerprint(databases.slave));

    int hit = 0;
    int found_before = 0;
    std::uniform_int_distribution<std::int64_t> any_moment{0, whole.count()};
    for (int i = 0; i < kills; ++i) {
        reset(databases);
        forget_unfinished_runs(databases.production);
        process worker{{tidesync_binary(), "run", "slave-to-prod"}, environment};
        std::this_thread::sleep_for(std::chrono::milliseconds{any_moment(random)});
        worker.signal(SIGKILL);
        const auto status = worker.wait(10s);
        REQUIRE(status);
        hit += *status == 128 + SIGKILL ? 1 : 0;
        wait_until_nobody_works(databases.production);

        const auto found = fingerprint(databases.production);
        CAPTURE(i, *status);
        CHECK((found == before || found == after));
        found_before += found == before ? 1 : 0;
    }
    // A test that never kills in mid-run would prove nothing.
    CHECK(hit >= kills * 3 / 4);
    CHECK(found_before >= kills / 4);

    reset(databases);
    forget_unfinished_runs(databases.production);
    CHECK(run_tidesync({"run", "slave-to-prod"}, environment).status == 0);
    CHECK(fingerprint(databases.production) == after);
    CHECK(
        databases.production.value(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'tidesync_staging'::regnamespace") == "0");
}

TEST_CASE("a run whose worker was killed is taken up by another one, by itself and as the same run", "[faults][kill]") {
    const pair_of_databases databases;
    make_tables(databases);
    reset(databases);
    auto environment = worker_environment(databases);
    environment["TIDESYNC_LEASE"] = "2";
    environment["TIDESYNC_CONFIG"] = TIDESYNC_TEST_JOB_FILE;
    const auto wanted = fingerprint(databases.slave);

    auto worker = std::make_unique<serving>(environment);
    // Somebody holds a row that the sync has to change: the run waits in the middle of its transaction.
    pqxx::connection application{databases.production.url()};
    {
        pqxx::work holding{application};
        holding.exec("UPDATE child SET note = 'held' WHERE id = 1");
        const std::jthread delivery{[&] {
            // The worker dies under this request; whatever comes of it is not what is tested.
            try {
                (void)worker->deliver({.id = "msg_killed", .jti = "jwt_first"});
            } catch (const std::exception&) { // NOLINT(bugprone-empty-catch)
            }
        }};
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (databases.production.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                                          "datname = current_database()") == "0")
            REQUIRE(std::chrono::steady_clock::now() < until);
        worker->worker().signal(SIGKILL);
        REQUIRE(worker->worker().wait(10s) == 128 + SIGKILL);
    }
    const auto run_id = databases.production.value("SELECT run_id FROM tidesync.run");
    const serving successor{environment};
    const auto until = std::chrono::steady_clock::now() + 10s; // the lease, a look for lost runs, a pause, a claim
    while (databases.production.value("SELECT state FROM tidesync.run") != "succeeded")
        REQUIRE(std::chrono::steady_clock::now() < until);
    const auto answer = successor.deliver({.id = "msg_killed", .jti = "jwt_second"});
    CAPTURE(answer.body);
    CHECK(answer.status == 200);
    CHECK(answer.body.find(run_id) != std::string::npos);
    CHECK(fingerprint(databases.production) == wanted);
    CHECK(
        databases.production.value("SELECT string_agg(outcome, ',' ORDER BY lease_token) FROM tidesync.attempt") ==
        "lost,succeeded");
    CHECK(databases.production.value("SELECT count(*) FROM tidesync.run") == "1");
}
