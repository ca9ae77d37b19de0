#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <string>
#include <vector>

using namespace tidesync;
using namespace tidesync::tests;
using slave_to_prod::delete_policy;

namespace {

/// Two hundred rows on both sides, all of them changed on the slave.
void change_everything(sync_fixture& f) {
    f.both.run_on_both(
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 200) AS i");
    f.both.slave.run("UPDATE t SET v = 1");
}

jobs::run_context approving(sync_fixture& f, const std::string& run_id, const jobs::result& stopped) {
    auto run = f.next_run();
    run.approved = {run_id, stopped.what.guard.value().difference};
    return run;
}

} // namespace

TEST_CASE("a run that would change too much stops, and a person lets exactly that through", "[jobs][guards]") {
    sync_fixture f;
    change_everything(f);
    const auto rows = f.rows_of(f.both.production);
    const auto run = f.next_run();
    const auto stopped = f.sync(run);
    CHECK(
        lacking(
            ending(stopped), {"give_up guarded: stopped by a guard, production is as it was: table public.t: 200 of "
                              "production's 200 rows would be updated (changed_percent_max: 50)",
                              "--approve " + run.run_id}) == none);
    CHECK(f.rows_of(f.both.production) == rows);
    CHECK(f.staging() == none);
    CHECK(found(stopped, "public.t") == "missing 0, different 200, extra 0 of 200");
    CHECK(lacking(warnings(f.check()), {"a guard would stop a run: table public.t: 200 of"}) == none);

    // Whatever else differs by now was not approved.
    f.both.slave.run("UPDATE t SET v = 2 WHERE id = 1");
    const auto other = f.sync(approving(f, run.run_id, stopped));
    CHECK(lacking(ending(other), {"give_up guarded: what run " + run.run_id, "is not what differs now"}) == none);
    CHECK(f.rows_of(f.both.production) == rows);
    f.both.slave.run("UPDATE t SET v = 1 WHERE id = 1");

    const auto approved = f.sync(approving(f, run.run_id, stopped));
    CHECK(ending(approved) == "done");
    CHECK(written(approved, "public.t") == "+0 ~200 =0");
    CHECK(approved.what.approved == run.run_id);
    CHECK(f.difference("t") == none);
}

TEST_CASE("an empty source never deletes", "[jobs][guards][deletes]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    f.rules.tables = {{.pattern = "public.t", .deletes = delete_policy::hard}};
    f.both.slave.run("DELETE FROM t");
    const auto run = f.next_run();
    const auto stopped = f.sync(run);
    CHECK(
        lacking(
            ending(stopped), {"give_up guarded", "table public.t is empty on the slave, and production has 2 rows"}) ==
        none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "2");
    // But for a person who knows.
    CHECK(ending(f.sync(approving(f, run.run_id, stopped))) == "done");
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
}

TEST_CASE("a table that had rows and has none any more is no silent success", "[jobs][guards]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE own (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    f.both.production.run("INSERT INTO own VALUES (1)"); // empty on the slave from the start: nobody's business
    REQUIRE(ending(f.sync()) == "done");
    f.both.slave.run("DELETE FROM t");
    CHECK(lacking(ending(f.sync()), {"give_up guarded", "table public.t is empty on the slave"}) == none);
    f.rules.tables = {{.pattern = "public.t", .empty_source_stops = false}};
    CHECK(ending(f.sync()) == "done");
}

TEST_CASE("a table that was synced and went is missed", "[jobs][guards]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    REQUIRE(ending(f.sync()) == "done");
    f.both.slave.run("ALTER TABLE u RENAME TO v");
    CHECK(lacking(ending(f.sync()), {"give_up guarded", "table public.u was synced by the run before"}) == none);
    f.rules.exclude = {"public.u"};
    CHECK(ending(f.sync()) == "done");
}

TEST_CASE("an approval for a table that went is for that table and no other", "[jobs][guards]") {
    for (const bool on_slave : {true, false}) {
        CAPTURE(on_slave);
        sync_fixture f;
        const std::string u = "CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)";
        const std::string v = "CREATE TABLE v (id int PRIMARY KEY); INSERT INTO v VALUES (1)";
        f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY); " + u + "; " + v);
        REQUIRE(ending(f.sync()) == "done");
        const auto& side = on_slave ? f.both.slave : f.both.production;
        const auto trips = [](const jobs::result& result) { return result.what.guard.value().trips; };
        const std::string gone = "was synced by the run before, and is no longer on both sides";

        side.run("DROP TABLE u");
        const auto run = f.next_run();
        const auto stopped = f.sync(run);
        CHECK(lacking(ending(stopped), {"give_up guarded", "--approve " + run.run_id}) == none);
        CHECK(trips(stopped) == std::vector<std::string>{"table public.u " + gone});

        const auto refused = [&](const std::vector<std::string>& why) {
            const auto result = f.sync(approving(f, run.run_id, stopped));
            CHECK(lacking(ending(result), {"give_up guarded", "run " + run.run_id, "is not what differs now"}) == none);
            CHECK(trips(result) == why);
            CHECK(result.what.guard->difference != stopped.what.guard->difference);
        };
        side.run("DROP TABLE v");
        refused({"table public.u " + gone, "table public.v " + gone});
        side.run(u); // as many as before, and none of the same name
        refused({"table public.v " + gone});
        side.run("DROP TABLE u; " + v);
        const auto approved = f.sync(approving(f, run.run_id, stopped));
        CHECK(ending(approved) == "done");
        CHECK(approved.what.approved == run.run_id);

        // From then on the table is nobody's, and what was approved lets nothing else through.
        CHECK(ending(f.sync()) == "done");
        side.run("DROP TABLE v");
        refused({"table public.v " + gone});
        CHECK(trips(f.sync()) == std::vector<std::string>{"table public.v " + gone});
    }
}

TEST_CASE("an approval is for these rows, and for what would become of them", "[jobs][guards][deletes]") {
    sync_fixture f;
    f.both.run_on_both(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT i FROM generate_series(1000, 3999) AS i");
    f.both.production.run("ALTER TABLE t ADD gone timestamptz");
    f.rules.tables = {{.pattern = "public.t", .deletes = delete_policy::soft, .soft_column = "gone"}};
    f.both.slave.run("DELETE FROM t WHERE id BETWEEN 1000 AND 1999");
    const auto run = f.next_run();
    const auto stopped = f.sync(run);
    REQUIRE(ending(stopped).starts_with("give_up guarded"));
    // As many others, whose numbers cancel out alike.
    f.both.slave.run(
        "INSERT INTO t SELECT i FROM generate_series(1000, 1999) AS i; DELETE FROM t WHERE id BETWEEN 2000 AND 2999");
    CHECK(ending(f.sync(approving(f, run.run_id, stopped))).starts_with("give_up guarded"));
    f.both.slave.run(
        "INSERT INTO t SELECT i FROM generate_series(2000, 2999) AS i; DELETE FROM t WHERE id BETWEEN 1000 AND 1999");
    f.rules.tables[0].deletes = delete_policy::hard;
    CHECK(ending(f.sync(approving(f, run.run_id, stopped))).starts_with("give_up guarded"));
    f.rules.tables[0].deletes = delete_policy::soft;
    f.both.production.run(
        "INSERT INTO t VALUES (-1)"); // the application's, and gone as well: no other row may come along
    CHECK(ending(f.sync(approving(f, run.run_id, stopped))).starts_with("give_up guarded"));
    f.both.production.run("DELETE FROM t WHERE id = -1");
    CHECK(ending(f.sync(approving(f, run.run_id, stopped))) == "done");
    CHECK(f.both.production.value("SELECT count(*) FROM t WHERE gone IS NOT NULL") == "1000");
}
