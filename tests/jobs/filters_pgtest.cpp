#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <fmt/format.h>
#include <string>

using namespace tidesync;
using namespace tidesync::tests;
using slave_to_prod::delete_policy;

// ankane/pgsync#148, #149, #192: columns that belong to production, and rows that nobody wants there.

TEST_CASE("columns that are skipped keep what production has, and new rows get the default", "[jobs][sync][filters]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text, price numeric DEFAULT 1)");
    f.both.slave.run("INSERT INTO t VALUES (1, 'new', 100), (2, 'two', 200)");
    f.both.production.run("INSERT INTO t VALUES (1, 'old', 7)");
    f.rules.tables = {{.pattern = "public.t", .skip_columns = {"price"}}};
    REQUIRE(written(f.sync(), "public.t") == "+1 ~1 =0");
    CHECK(f.both.production.value("SELECT string_agg(v || price, ',' ORDER BY id) FROM t") == "new7,two1");
    CHECK(written(f.sync(), "public.t") == "+0 ~0 =2");

    f.rules.tables = {{.pattern = "public.t", .skip_columns = {"pricee"}}};
    CHECK(lacking(ending(f.sync()), {"give_up plan_refused", "table public.t has no column pricee"}) == none);
    f.rules.tables = {{.pattern = "public.t", .skip_columns = {"id"}}};
    CHECK(lacking(ending(f.sync()), {"give_up plan_refused", "table public.t has no key"}) == none);
}

TEST_CASE("rows outside the filter are as good as not there", "[jobs][sync][filters]") {
    for (const int rows : {40, 8000}) {
        CAPTURE(rows);
        sync_fixture f;
        f.both.run_on_both(fmt::format(
            "CREATE TABLE t (id int PRIMARY KEY, tenant int, v text); INSERT INTO t SELECT i, i % 4, "
            "repeat(md5(i::text), 3) "
            "FROM generate_series(1, {}) AS i",
            rows));
        f.both.slave.run(
            "UPDATE t SET v = 'new' WHERE id % 8 IN (1, 2); INSERT INTO t VALUES (-1, 1, 'x'), (-2, 2, 'x')");
        f.rules.tables = {{.pattern = "public.t", .where = "tenant = 1"}};
        const auto result = f.sync();
        CHECK(ending(result) == "done");
        CHECK(written(result, "public.t") == fmt::format("+1 ~{} ={}", rows / 8, rows / 8));
        CHECK(f.both.production.value("SELECT count(*) FROM t WHERE v = 'new' AND tenant <> 1") == "0");
        CHECK(f.both.production.value("SELECT count(*) FROM t WHERE id < 0") == "1");
        CHECK(written(f.sync(), "public.t").find("+0 ~0 ") == 0);
        // A row that comes into the filter finds the one that production has, which is outside.
        f.both.slave.run("UPDATE t SET tenant = 1 WHERE id = 2");
        CHECK(written(f.sync(), "public.t").find("+0 ~1 ") == 0);
        CHECK(f.both.production.value("SELECT tenant || v FROM t WHERE id = 2") == "1new");
    }
}

TEST_CASE("an empty table gets the filtered rows, and what is deleted is within the filter", "[jobs][sync][filters]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, tenant int)");
    f.both.slave.run("INSERT INTO t SELECT i, i % 2 FROM generate_series(1, 10) AS i");
    f.rules.tables = {{.pattern = "public.t", .where = "tenant = 1", .deletes = delete_policy::hard}};
    CHECK(written(f.sync(), "public.t") == "+5 ~0 =0");
    f.both.production.run("INSERT INTO t VALUES (20, 0), (21, 1)");
    CHECK(ending(f.sync()) == "done");
    CHECK(f.both.production.value("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "1,3,5,7,9,20");
}

TEST_CASE("a filter may hang on the time of the run", "[jobs][sync][filters]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, made timestamptz)");
    f.both.slave.run(
        "INSERT INTO t SELECT i, now() - i * interval '1 day' - interval '1 hour' FROM generate_series(0, 9) AS i");
    f.rules.tables = {{.pattern = "public.t", .where = "made > :now - interval '3 days'"}};
    CHECK(written(f.sync(), "public.t") == "+3 ~0 =0");
    CHECK(written(f.sync(), "public.t") == "+0 ~0 =3");
}

TEST_CASE("a filter that is no condition is refused by name", "[jobs][refusals][filters]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    for (const auto* wrong : {"nosuch = 1", "id", "id = 'x'", "id = 1 id"}) {
        CAPTURE(wrong);
        f.rules.tables = {{.pattern = "public.t", .where = wrong}};
        CHECK(
            lacking(ending(f.sync()), {"give_up plan_refused: slave: trying the filter of public.t", "where:"}) ==
            none);
        CHECK(lacking(ending(f.check()), {"give_up plan_refused"}) == none);
    }
}

TEST_CASE("a filter asks the same whether it compares or deletes", "[jobs][sync][filters][deletes]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, made timestamptz)");
    f.both.production.run("INSERT INTO t VALUES (6, '2024-06-01 02:00+00'), (7, '2024-05-31 02:00+00')");
    f.both.slave.run("INSERT INTO t VALUES (1, '2024-07-01')");
    f.both.production.run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = %L', current_database(), "
                          "'America/New_York'); END $$");
    f.rules.tables = {{.pattern = "public.t", .where = "made::date >= '2024-06-01'", .deletes = delete_policy::hard}};
    CHECK(ending(f.sync()) == "done");
    CHECK(f.both.production.value("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "1,7");
}

TEST_CASE("a filter that hangs on a column which is not synced is refused", "[jobs][refusals][filters]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, \"Status\" text)");
    f.rules.tables = {{.pattern = "public.t", .skip_columns = {"Status"}, .where = "\"Status\" = 'live'"}};
    CHECK(lacking(ending(f.sync()), {"give_up plan_refused", "names column Status, which is not synced"}) == none);
}

TEST_CASE("rows that come into the filter count as changed for the guard", "[jobs][guards][filters]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, live bool, filler text)");
    f.both.slave.run("INSERT INTO t SELECT i, true, repeat(md5(i::text), 3) FROM generate_series(1, 5000) AS i");
    f.both.production.run(
        "INSERT INTO t SELECT i, i <= 1000, repeat(md5(i::text), 3) FROM generate_series(1, 5000) AS i");
    f.rules.tables = {{.pattern = "public.t", .where = "live"}};
    CHECK(lacking(ending(f.sync()), {"give_up guarded", "4000 of production's 1000 rows would be updated"}) == none);
}
