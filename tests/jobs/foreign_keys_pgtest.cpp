#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <fmt/format.h>

using namespace tidesync;
using namespace tidesync::tests;

TEST_CASE("parents come before children, whatever the names", "[jobs][sync][foreign keys]") {
    sync_fixture f;
    f.both.run_on_both(R"(
        CREATE TABLE z (id int PRIMARY KEY);                             -- a chain against the alphabet
        CREATE TABLE y (id int PRIMARY KEY, z int REFERENCES z);
        CREATE TABLE x (id int PRIMARY KEY, y int REFERENCES y);
        CREATE TABLE top (id int PRIMARY KEY);                           -- a diamond
        CREATE TABLE "left" (id int PRIMARY KEY, top int REFERENCES top);
        CREATE TABLE "right" (id int PRIMARY KEY, top int REFERENCES top);
        CREATE TABLE bottom (id int PRIMARY KEY, l int REFERENCES "left", r int REFERENCES "right"))");
    f.both.slave.run(R"(
        INSERT INTO z VALUES (1), (2); INSERT INTO y VALUES (1, 1), (2, 2); INSERT INTO x VALUES (1, 2);
        INSERT INTO top VALUES (1); INSERT INTO "left" VALUES (1, 1); INSERT INTO "right" VALUES (1, 1);
        INSERT INTO bottom VALUES (1, 1, 1))");
    f.both.production.run("INSERT INTO z VALUES (1); INSERT INTO y VALUES (1, 1), (2, 1)"); // y.2 moves to a new parent
    REQUIRE(ending(f.sync()) == "done");
    for (const auto* table : {"z", "y", "x", "top", "\"left\"", "\"right\"", "bottom"})
        CHECK(f.difference(table) == none);
}

// ankane/pgsync#153, #87: foreign keys of a table to itself, and of two to each other.
TEST_CASE("a table that refers to itself may have its rows in any order", "[jobs][sync][foreign keys]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t)");
    f.both.slave.run("INSERT INTO t SELECT i, NULL FROM generate_series(1, 200) AS i; "
                     "UPDATE t SET parent = id + 1 WHERE id < 200"); // every row stands before its parent
    f.both.production.run("INSERT INTO t VALUES (5, NULL)");
    REQUIRE(written(f.sync(), "public.t") == "+199 ~1 =0");
    CHECK(f.difference("t") == none);
}

// ankane/pgsync#153, #87 again.
TEST_CASE("tables in a circle work when their foreign keys are deferrable", "[jobs][sync][foreign keys]") {
    sync_fixture f;
    f.both.run_on_both(R"(
        CREATE TABLE a (id int PRIMARY KEY, b int);
        CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a DEFERRABLE);
        ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED)");
    f.both.slave.run("INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1)");
    REQUIRE(ending(f.sync()) == "done");
    CHECK(f.difference("a") == none);
    CHECK(f.difference("b") == none);
}

// ankane/pgsync [code]: ALTER CONSTRAINT on production makes them deferrable.
TEST_CASE("a circle that cannot be deferred is refused by the names of its constraints", "[jobs][sync][foreign keys]") {
    sync_fixture f;
    f.both.run_on_both(R"(
        CREATE TABLE a (id int PRIMARY KEY, b int);
        CREATE TABLE b (id int PRIMARY KEY, a int CONSTRAINT b_to_a REFERENCES a);
        ALTER TABLE a ADD CONSTRAINT a_to_b FOREIGN KEY (b) REFERENCES b DEFERRABLE)");
    f.both.slave.run("INSERT INTO a VALUES (1, NULL)");
    const auto said = ending(f.sync());
    CHECK(
        lacking(said, {"give_up plan_refused", "public.a, public.b", "b_to_a on public.b", "DEFERRABLE", "exclude"}) ==
        none);
    CHECK(said.find("a_to_b") == std::string::npos); // that one can wait already
    f.rules.exclude = {"public.b"};                  // the other way out
    CHECK(ending(f.sync()) == "done");
}

TEST_CASE(
    "tables that only hang on a circle need no deferrable constraints of their own", "[jobs][sync][foreign keys]") {
    sync_fixture f;
    f.both.run_on_both(R"(
        CREATE TABLE m (id int PRIMARY KEY, n int);
        CREATE TABLE n (id int PRIMARY KEY, m int REFERENCES m DEFERRABLE);
        ALTER TABLE m ADD FOREIGN KEY (n) REFERENCES n DEFERRABLE;
        CREATE TABLE b (id int PRIMARY KEY, m int REFERENCES m);
        CREATE TABLE a (id int PRIMARY KEY, b int REFERENCES b);
        CREATE TABLE z (id int PRIMARY KEY); ALTER TABLE m ADD z int REFERENCES z)");
    f.both.slave.run("INSERT INTO z VALUES (1); BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO m VALUES (1, 1, 1); "
                     "INSERT INTO n VALUES (1, 1); "
                     "INSERT INTO b VALUES (1, 1); INSERT INTO a VALUES (1, 1)");
    REQUIRE(ending(f.sync()) == "done");
    for (const auto* table : {"m", "n", "b", "a", "z"}) CHECK(f.difference(table) == none);
}

TEST_CASE("foreign keys of partitions count for their table", "[jobs][sync][foreign keys]") {
    sync_fixture f;
    f.both.run_on_both(R"(
        CREATE TABLE a (id int PRIMARY KEY, p int) PARTITION BY RANGE (id);
        CREATE TABLE z (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE z_all PARTITION OF z DEFAULT;
        CREATE TABLE a_all PARTITION OF a DEFAULT;
        ALTER TABLE a_all ADD FOREIGN KEY (p) REFERENCES z_all (id);
        CREATE TABLE c (id int PRIMARY KEY, z int REFERENCES z))");
    f.both.slave.run("INSERT INTO z VALUES (1); INSERT INTO a VALUES (1, 1); INSERT INTO c VALUES (1, 1)");
    REQUIRE(ending(f.sync()) == "done");
    for (const auto* table : {"a", "c", "z"}) CHECK(f.difference(table) == none);
}

TEST_CASE(
    "a deferred constraint that fails at the end is named, and nothing has happened", "[jobs][sync][foreign keys]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int)");
    f.both.slave.run("INSERT INTO a VALUES (1, 4242)");
    f.both.production.run(
        "ALTER TABLE a ADD CONSTRAINT a_to_b FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED; "
        "ALTER TABLE b ADD FOREIGN KEY (a) REFERENCES a DEFERRABLE");
    const auto said = ending(f.sync());
    CHECK(
        lacking(said, {"give_up data_refused", "production: checking deferred constraints", "a_to_b", "\"a\""}) ==
        none);
    CHECK(said.find("4242") == std::string::npos);
    CHECK(f.both.production.value("SELECT count(*) FROM a") == "0");
    CHECK(f.staging() == none);
}
