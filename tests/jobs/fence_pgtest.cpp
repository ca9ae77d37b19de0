#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <chrono>
#include <fmt/format.h>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;

TEST_CASE("a run with an older token than the fence changes nothing", "[jobs][fence]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v int)");
    f.both.slave.run("INSERT INTO t VALUES (1, 1), (2, 2)");
    f.both.production.run("INSERT INTO t VALUES (1, 0)");
    const auto older = f.next_run();
    auto newer = f.next_run();
    newer.lease_token = 100;
    f.both.production.run(fmt::format(
        "INSERT INTO tidesync.fence VALUES ('slave-to-prod', 100, '{}'), ('other-job', 1000, '{}')", newer.run_id,
        older.run_id));
    const auto rows = f.rows_of(f.both.production);

    CHECK(lacking(ending(f.sync(older)), {"give_up superseded: ", "newer run"}) == none);
    CHECK(f.rows_of(f.both.production) == rows);
    CHECK(f.staging() == none);
    CHECK(f.both.production.value("SELECT count(*) FROM tidesync.applied") == "0");

    CHECK(written(f.sync(newer), "public.t") == "+1 ~1 =0"); // its own token passes
    CHECK(f.difference("t") == none);
}

// magda#1983: two runs at once trim each other's rows. sling-cli#164: they collide on one staging table.
TEST_CASE("a run that a newer one overtakes while it reads changes nothing", "[jobs][fence]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    f.both.slave.run("INSERT INTO t VALUES (1, 'as the older run sees it')");
    bool overtaken = false;
    f.progress.on_phase = [&](std::string_view phase) {
        if (phase != "apply" || std::exchange(overtaken, true)) return;
        f.both.slave.run("UPDATE t SET v = 'as the newer run sees it'");
        REQUIRE(ending(f.sync()) == "done");
    };
    CHECK(lacking(ending(f.sync()), {"superseded"}) == none);
    CHECK(f.both.production.value("SELECT v FROM t") == "as the newer run sees it");
    CHECK(f.staging() == none);
}

TEST_CASE("a last look tells what a run did, and nothing of it can come later", "[jobs][fence]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    const auto asleep = f.next_run();
    auto look = f.next_run();
    look.run_id = asleep.run_id;
    SECTION("it had done nothing, and wakes up") {
        CHECK(std::holds_alternative<jobs::nothing_done>(f.settle(look)));
        CHECK(lacking(ending(f.sync(asleep)), {"give_up superseded: "}) == none);
        CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
        CHECK(std::holds_alternative<jobs::nothing_done>(f.settle(asleep))); // an older look tells the same
    }
    SECTION("it had committed") {
        REQUIRE(ending(f.sync(asleep)) == "done");
        const auto found = f.settle(look);
        REQUIRE(std::holds_alternative<jobs::report>(found));
        CHECK(std::get<jobs::report>(found).totals().inserted == 1);
    }
    SECTION("production is away") {
        f.production_url = "postgresql://postgres@127.0.0.1:1/postgres";
        CHECK(std::holds_alternative<jobs::retry>(f.settle(look)));
    }
}

TEST_CASE("a receipt of another version is a receipt", "[jobs][fence]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    const auto* summary = GENERATE(R"({"rows": 5})", R"({"tables": 1, "phases": 2, "warnings": {}})", "[]");
    const auto run = f.next_run();
    f.both.production.run(fmt::format(
        "INSERT INTO tidesync.applied (run_id, job, lease_token, summary) VALUES ('{}', 'slave-to-prod', 1, '{}')",
        run.run_id, summary));
    const auto result = f.sync(run);
    CHECK(ending(result) == "done");
    CHECK(lacking(warnings(result), {"written by another version"}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
    CHECK(std::holds_alternative<jobs::report>(f.settle(run)));
}

TEST_CASE("what is deferred objects before COMMIT, which then is never in doubt", "[jobs][fence]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    f.both.production.run("CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS "
                          "$$BEGIN RAISE EXCEPTION 'at the end' USING ERRCODE = '57P01'; END$$; "
                          "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
                          "FOR EACH ROW EXECUTE FUNCTION object()");
    const auto result = f.sync();
    const auto* again = std::get_if<jobs::retry>(&result.how);
    REQUIRE(again != nullptr);
    CHECK_FALSE(again->in_doubt);
    CHECK(lacking(again->why.message, {"checking deferred constraints"}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
}

TEST_CASE("a committed run leaves one receipt and its token in the fence", "[jobs][fence]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    const auto run = f.next_run();
    REQUIRE(ending(f.sync(run)) == "done");
    CHECK(
        f.both.production.value("SELECT concat_ws(' ', job, lease_token, run_id) FROM tidesync.fence") ==
        fmt::format("slave-to-prod {} {}", run.lease_token, run.run_id));
    CHECK(
        f.both.production.value("SELECT concat_ws(' ', run_id, job, lease_token, summary #>> '{tables,0,inserted}') "
                                "FROM tidesync.applied") ==
        fmt::format("{} slave-to-prod {} 1", run.run_id, run.lease_token));
}

// pgcopydb#582, #720: what a broken run left behind makes the next one fail.
TEST_CASE("what older runs left in staging is dropped, and nothing else", "[jobs][staging]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    for (const auto* name :
         {"slave_to_prod_3_0", "slave_to_prod_3_11", "slave_to_prod_50_0", "slave_to_prod_50_1", // older, own
          "slave_to_prod_51_0", "slave_to_prod_x_1", "slave_to_prod_99999999999999999999999_0", "slave_to_prod_3",
          "slaveXtoXprod_3_0", "other_job_3_0", "notes"})
        f.both.production.run(fmt::format("CREATE TABLE tidesync_staging.\"{}\" (x int)", name));
    f.both.production.run("CREATE TABLE slave_to_prod_3_0 (x int)"); // in another schema
    auto run = f.next_run();
    run.lease_token = 50;

    REQUIRE(ending(f.sync(run)) == "done");

    CHECK(
        f.staging() == "notes other_job_3_0 slaveXtoXprod_3_0 slave_to_prod_3 slave_to_prod_51_0 "
                       "slave_to_prod_99999999999999999999999_0 slave_to_prod_x_1");
    CHECK(f.both.production.value("SELECT to_regclass('public.slave_to_prod_3_0') IS NOT NULL") == "t");
}

TEST_CASE("staged rows that vanish before they are applied are noticed", "[jobs][staging]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1), (2)");
    f.both.production.run("INSERT INTO t VALUES (9)");
    f.progress.on_phase = [&](std::string_view phase) { // as a crash of the server does to UNLOGGED tables
        if (phase == "apply") f.both.production.run("TRUNCATE tidesync_staging." + f.staging());
    };
    CHECK(lacking(ending(f.sync()), {"retry busy: of 2 staged rows of public.t 0 are left"}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "1");
    CHECK(f.staging() == none);
}

TEST_CASE("staged rows that are changed before they are applied are noticed", "[jobs][staging]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, n numeric)");
    f.both.slave.run("INSERT INTO t VALUES (1, 1.0), (2, 2.0)");
    f.both.production.run("INSERT INTO t VALUES (9, 9)");
    f.progress.on_phase = [&](std::string_view phase) {
        if (phase == "apply")
            f.both.production.run(fmt::format("UPDATE tidesync_staging.{} SET n = 1.00 WHERE id = 1", f.staging()));
    };
    CHECK(
        lacking(ending(f.sync()), {"retry busy: of 2 staged rows of public.t not all are left as they were sent"}) ==
        none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "1");
}

TEST_CASE("a row that comes while its table is loaded is found by the next attempt", "[jobs][sync]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    f.both.slave.run("INSERT INTO t VALUES (1, 'slave'), (2, 'slave')");
    pqxx::connection application{f.both.production.url()};
    pqxx::work insert{application};
    insert.exec("INSERT INTO t VALUES (2, 'application')"); // not to be seen yet, but in the way
    std::jthread committer;
    f.progress.on_phase = [&](std::string_view phase) {
        if (phase != "apply" || committer.joinable()) return;
        committer = std::jthread{[&] {
            std::this_thread::sleep_for(std::chrono::milliseconds{500});
            insert.commit();
        }};
    };
    CHECK(
        lacking(ending(f.sync()), {"retry busy: table public.t was empty in production, and is not any more"}) == none);
    CHECK(f.both.production.value("SELECT v FROM t") == "application");
    CHECK(written(f.sync(), "public.t") == "+1 ~1 =0");
    CHECK(f.difference("t") == none);
}

// sling-cli#755: "insert only new" raises duplicate keys.
TEST_CASE("a row that the application inserts at the same moment is updated, not an error", "[jobs][sync]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    f.both.slave.run("INSERT INTO t VALUES (1, 'slave'), (2, 'slave')");
    f.both.production.run("INSERT INTO t VALUES (9, 'production')");
    pqxx::connection application{f.both.production.url()};
    pqxx::work insert{application};
    insert.exec("INSERT INTO t VALUES (2, 'application')"); // not to be seen yet, but in the way
    std::jthread committer;
    f.progress.on_phase = [&](std::string_view phase) {
        if (phase != "apply") return;
        committer = std::jthread{[&] {
            std::this_thread::sleep_for(std::chrono::milliseconds{500});
            insert.commit();
        }};
    };
    CHECK(written(f.sync(), "public.t") == "+1 ~1 =0");
    CHECK(f.difference("t") == none);
}
