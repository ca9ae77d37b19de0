#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <fmt/format.h>
#include <string>
#include <vector>

using namespace tidesync::tests;

// Values that must be unique, and have changed hands since the last sync. Those who delete a row and insert it again
// lose what hangs on it by a cascade.

namespace {

struct world {
    const char* what;
    std::string schema;
    std::string slave;
    std::string production; ///< an older state
};

const std::string by_text = "CREATE TABLE t (id int PRIMARY KEY, u text NOT NULL UNIQUE, v text)";

} // namespace

// bucardo#146: a duplicate secondary unique value aborts although "source wins". pt-table-sync [doc]: values that swap
// cannot be brought over by UPDATE, so rows are deleted and inserted again.
TEST_CASE("unique values may move and swap between rows", "[jobs][sync][uniques]") {
    const std::vector<world> worlds{
        {"moves to a new row", by_text, "(1, 'b', ''), (2, 'a', '')", "(1, 'a', '')"},
        {"moves to a new row, and could not be set aside",
         "CREATE TABLE t (id int PRIMARY KEY, u bool NOT NULL UNIQUE, v bytea NOT NULL UNIQUE)",
         R"((1, false, '\x02'), (2, true, '\x01'))", R"((1, true, '\x01'))"},
        {"moves along a chain", by_text, "(1, 'b', ''), (2, 'c', ''), (3, 'd', '')",
         "(1, 'a', ''), (2, 'b', ''), (3, 'c', '')"},
        {"moves against the order", by_text, "(1, 'z', ''), (2, 'a', ''), (3, 'b', '')",
         "(1, 'a', ''), (2, 'b', ''), (3, 'c', '')"},
        {"swaps", by_text, "(1, 'b', ''), (2, 'a', '')", "(1, 'a', ''), (2, 'b', '')"},
        {"goes round, and a new row takes one that got free", by_text,
         "(1, 'b', ''), (2, 'c', ''), (3, 'a', ''), (4, 'd', '')",
         "(1, 'a', ''), (2, 'b', ''), (3, 'c', ''), (5, 'x', '')"},
        {"swaps, may be null", "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v text)",
         "(1, 2, ''), (2, 1, ''), (3, NULL, '')", "(1, 1, ''), (2, 2, ''), (3, 3, '')"},
        {"swaps, a number", "CREATE TABLE t (id int PRIMARY KEY, u smallint NOT NULL UNIQUE CHECK (u > 0), v text)",
         "(1, 2, ''), (2, 1, '')", "(1, 1, ''), (2, 2, '')"},
        {"swaps, a short text", "CREATE TABLE t (id int PRIMARY KEY, u varchar(8) NOT NULL UNIQUE, v text)",
         "(1, 'b', ''), (2, 'a', '')", "(1, 'a', ''), (2, 'b', '')"},
        {"swaps, a uuid", "CREATE TABLE t (id int PRIMARY KEY, u uuid NOT NULL UNIQUE, v text)",
         "(1, 'b0000000-0000-0000-0000-000000000000', ''), (2, 'a0000000-0000-0000-0000-000000000000', '')",
         "(1, 'a0000000-0000-0000-0000-000000000000', ''), (2, 'b0000000-0000-0000-0000-000000000000', '')"},
        {"swaps, a time", "CREATE TABLE t (id int PRIMARY KEY, u timestamptz NOT NULL UNIQUE, v text)",
         "(1, '2021-01-01', ''), (2, '2020-01-01', '')", "(1, '2020-01-01', ''), (2, '2021-01-01', '')"},
        {"swaps under an expression",
         "CREATE TABLE t (id int PRIMARY KEY, u text NOT NULL, v text); CREATE UNIQUE INDEX ON t (lower(u))",
         "(1, 'B', ''), (2, 'A', '')", "(1, 'a', ''), (2, 'b', '')"},
        {"swaps under a condition",
         "CREATE TABLE t (id int PRIMARY KEY, u int NOT NULL, v text); CREATE UNIQUE INDEX ON t (u) WHERE v <> ''",
         "(1, 2, 'x'), (2, 1, 'x'), (3, 1, '')", "(1, 1, 'x'), (2, 2, 'x'), (3, 2, '')"},
        {"places in two lists",
         "CREATE TABLE t (id int PRIMARY KEY, list bool NOT NULL, u int NOT NULL, v text, UNIQUE (list, u))",
         "(1, true, 2, ''), (2, true, 1, ''), (3, false, 1, '')",
         "(1, true, 1, ''), (2, true, 2, ''), (3, false, 2, '')"},
        {"two unique columns at once",
         "CREATE TABLE t (id int PRIMARY KEY, u int NOT NULL UNIQUE, w text NOT NULL UNIQUE)",
         "(1, 2, 'b'), (2, 1, 'c'), (3, 3, 'a')", "(1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')"},
        {"an exclusion constraint",
         "CREATE TABLE t (id int PRIMARY KEY, u int4range NOT NULL, v text, EXCLUDE USING gist (u WITH &&))",
         "(1, '[5,9)', ''), (2, '[0,5)', '')", "(1, '[0,6)', ''), (2, '[6,9)', '')"},
        {"one null counts as a value", "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE NULLS NOT DISTINCT, v text)",
         "(1, NULL, ''), (2, 1, ''), (3, 2, '')", "(1, 1, ''), (2, NULL, ''), (3, 3, '')"},
        {"swaps in a domain",
         "CREATE DOMAIN code AS text CHECK (value <> ''); CREATE TABLE t (id int PRIMARY KEY, u code UNIQUE, v text)",
         "(1, 'b', ''), (2, 'a', '')", "(1, 'a', ''), (2, 'b', '')"},
        {"swaps under two indexes at once",
         "CREATE TABLE t (id int PRIMARY KEY, u text NOT NULL UNIQUE, v text); CREATE UNIQUE INDEX ON t (upper(u), v)",
         "(1, 'b', ''), (2, 'a', '')", "(1, 'a', ''), (2, 'b', '')"},
        {"swaps, with columns included",
         "CREATE TABLE t (id int PRIMARY KEY, u int NOT NULL, v text); CREATE UNIQUE INDEX ON t (u) INCLUDE (v)",
         "(1, 2, 'x'), (2, 1, 'y')", "(1, 1, ''), (2, 2, '')"},
        {"deferrable", "CREATE TABLE t (id int PRIMARY KEY, u int NOT NULL UNIQUE DEFERRABLE, v text)",
         "(1, 2, ''), (2, 1, '')", "(1, 1, ''), (2, 2, '')"},
        {"partitioned",
         "CREATE TABLE t (id int, u int NOT NULL, v text, PRIMARY KEY (id), UNIQUE (id, u)) PARTITION BY HASH (id); "
         "CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
         "CREATE TABLE t_1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1); CREATE UNIQUE INDEX ON t_0 (u); "
         "CREATE UNIQUE INDEX ON t_1 (u)",
         "(1, 2, ''), (2, 1, ''), (3, 4, ''), (4, 3, ''), (5, 6, ''), (6, 5, '')",
         "(1, 1, ''), (2, 2, ''), (3, 3, ''), (4, 4, ''), (5, 5, ''), (6, 6, '')"},
    };
    sync_fixture f;
    for (const auto& [what, schema, slave, production] : worlds) {
        CAPTURE(what);
        f.both.run_on_both("DROP SCHEMA public CASCADE; CREATE SCHEMA public; " + schema);
        f.both.slave.run("INSERT INTO t VALUES " + slave);
        f.both.production.run("INSERT INTO t VALUES " + production);
        const auto result = f.sync();
        CHECK(ending(result) == "done");
        CHECK(warnings(result) == none);
        CHECK(f.difference("t") == none);
        CHECK(written(f.sync(), "public.t").find("+0 ~0 ") == 0);
    }
}

TEST_CASE("unique values that production computes may move and swap, too", "[jobs][sync][uniques]") {
    for (const auto* rows : {"(1, 'B'), (2, 'A')", "(1, 'B'), (3, 'a'), (2, 'C')"}) {
        CAPTURE(rows);
        sync_fixture f;
        f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, u text NOT NULL, "
                           "lower_u text GENERATED ALWAYS AS (lower(u)) STORED UNIQUE)");
        f.both.slave.run(fmt::format("INSERT INTO t VALUES {}", rows));
        f.both.production.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
        CHECK(ending(f.sync()) == "done");
        CHECK(f.difference("t") == none);
    }
}

// The cascade trap. Bucardo [code], dlt [doc], pt-table-sync: a row is deleted and inserted again.
TEST_CASE("rows that swap a value keep their children, which a cascade would delete", "[jobs][sync][uniques]") {
    sync_fixture f;
    f.both.run_on_both(by_text);
    f.both.slave.run("INSERT INTO t VALUES (1, 'b', ''), (2, 'a', '')");
    f.both.production.run("INSERT INTO t VALUES (1, 'a', ''), (2, 'b', ''); "
                          "CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE); "
                          "INSERT INTO child VALUES (1, 1), (2, 2)");
    REQUIRE(ending(f.sync()) == "done");
    CHECK(f.difference("t") == none);
    CHECK(f.both.production.value("SELECT count(*) FROM child") == "2");
}

TEST_CASE("a value that cannot be set aside is told with what to do", "[jobs][uniques]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, u bool NOT NULL CONSTRAINT one_each UNIQUE)");
    f.both.slave.run("INSERT INTO t VALUES (1, false), (2, true)");
    f.both.production.run("INSERT INTO t VALUES (1, true), (2, false)");
    const auto rows = f.rows_of(f.both.production);
    CHECK(
        lacking(
            ending(f.sync()),
            {"give_up data_refused", "public.t", "\"one_each\"", "DEFERRABLE", "one_each can be set aside"}) == none);
    CHECK(f.rows_of(f.both.production) == rows);
    f.both.production.run("ALTER TABLE t DROP CONSTRAINT one_each, ADD UNIQUE (u) DEFERRABLE"); // the hint
    REQUIRE(ending(f.sync()) == "done");
    CHECK(f.difference("t") == none);
}

TEST_CASE("a value that a foreign key hangs on is never set aside", "[jobs][uniques]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, u text NOT NULL CONSTRAINT one_u UNIQUE)");
    f.both.slave.run("INSERT INTO t VALUES (1, 'b'), (2, 'a')");
    f.both.production.run(
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'); "
        "CREATE TABLE child (u text REFERENCES t (u) ON UPDATE CASCADE); INSERT INTO child VALUES ('a')");
    CHECK(lacking(ending(f.sync()), {"give_up data_refused", "\"one_u\"", "foreign key"}) == none);
    CHECK(f.both.production.value("SELECT u FROM child") == "a");
}

// pglogical#276, courtlistener#3854: one stale row stops replication, and nothing says which.
TEST_CASE("a value that a row of production alone holds stops the run and says so", "[jobs][uniques]") {
    sync_fixture f;
    f.both.run_on_both(by_text);
    f.both.slave.run("INSERT INTO t VALUES (1, 'a', '')");
    f.both.production.run("INSERT INTO t VALUES (2, 'a', 'stale')");
    CHECK(
        lacking(
            ending(f.sync()), {"give_up data_refused", "t_u_key", "a row that only production has holds the value"}) ==
        none);
    CHECK(f.both.production.value("SELECT string_agg(id::text, ',') FROM t") == "2");
}
