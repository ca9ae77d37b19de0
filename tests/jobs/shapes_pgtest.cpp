#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <fmt/format.h>
#include <string>

using namespace tidesync;
using namespace tidesync::tests;

// Sizes and numbers at their ends: of columns, tables, names, rows and values.

TEST_CASE("a table has as many columns as PostgreSQL allows", "[jobs][sync][sizes]") {
    constexpr int others = 1599;
    std::string columns;
    std::string values;
    for (int i = 0; i < others; ++i) {
        columns += fmt::format(", c{} int", i);
        values += fmt::format(", {}", i);
    }
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE wide (id int PRIMARY KEY" + columns + ")");
    for (const int id : {1, 2, 3}) f.both.slave.run(fmt::format("INSERT INTO wide VALUES ({}{})", id, values));
    f.both.production.run("INSERT INTO wide VALUES (1" + values + "), (2" + values + ")");
    f.both.slave.run("UPDATE wide SET c0 = NULL, c1598 = -1 WHERE id = 2");
    CHECK(found(f.check(), "public.wide") == "missing 1, different 1, extra 0 of 3");
    CHECK(written(f.sync(), "public.wide") == "+1 ~1 =1");
    CHECK(f.difference("wide") == none);
}

TEST_CASE("hundreds of tables are one run", "[jobs][sync][sizes]") {
    sync_fixture f;
    f.both.run_on_both("DO $$BEGIN FOR i IN 1..520 LOOP EXECUTE format("
                       "'CREATE TABLE t%s (id int PRIMARY KEY, v text); INSERT INTO t%1$s VALUES (1, ''same'')', i); "
                       "END LOOP; END$$");
    f.both.slave.run("UPDATE t7 SET v = 'new'; INSERT INTO t520 VALUES (2, 'new'); INSERT INTO t499 VALUES (2, 'new')");
    f.both.production.run("DELETE FROM t7; DELETE FROM t519; INSERT INTO t13 VALUES (9, 'only here')");
    const auto result = f.sync();
    REQUIRE(ending(result) == "done");
    CHECK(result.what.tables.size() == 520);
    CHECK(result.what.totals().inserted == 4);
    CHECK(result.what.totals().unchanged == 518);
    for (const auto* table : {"t7", "t13", "t499", "t519", "t520"}) CHECK(f.difference(table) == none);
    CHECK(f.staging() == none);
}

TEST_CASE("names may be as long as PostgreSQL lets them be", "[jobs][sync][sizes]") {
    std::string name = "x"; // 63 bytes
    for (int i = 0; i < 31; ++i) name += "\u00e9";
    sync_fixture f;
    f.both.run_on_both(fmt::format(
        R"(CREATE SCHEMA "{0}"; CREATE TABLE "{0}"."{0}" ("{0}" serial PRIMARY KEY, "a{1}" int UNIQUE, "b{1}" text))",
        name, name.substr(1)));
    f.both.slave.run(fmt::format(R"(INSERT INTO "{0}"."{0}" VALUES (1, 2, 'new'), (2, 1, 'x'), (5, 5, 'x'))", name));
    f.both.production.run(fmt::format(R"(INSERT INTO "{0}"."{0}" VALUES (1, 1, 'old'), (2, 2, 'x'))", name));
    CHECK(written(f.sync(), fmt::format("{0}.{0}", name)) == "+1 ~2 =0");
    CHECK(f.difference(fmt::format(R"("{0}"."{0}")", name), fmt::format(R"("{}")", name)) == none);
    CHECK(
        f.both.production.value(fmt::format(
            R"(INSERT INTO "{0}"."{0}" ("b{1}") VALUES ('application') RETURNING "{0}")", name, name.substr(1))) ==
        "6");
}

// ACE: aborts on bytea beyond 1 MB. bucardo#177: 36 GB of memory.
TEST_CASE("a row of more than a hundred megabytes arrives", "[jobs][sync][sizes]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v bytea)");
    f.both.slave.run(
        "INSERT INTO t SELECT 1, convert_to(repeat('0123456789', 11000000), 'UTF8'); INSERT INTO t VALUES (2, '')");
    f.both.production.run("INSERT INTO t VALUES (1, NULL)");
    CHECK(written(f.sync(), "public.t") == "+1 ~1 =0");
    for (const auto* database : {&f.both.slave, &f.both.production})
        CHECK(
            database->value("SELECT string_agg(concat_ws(' ', id, length(v), md5(v)), ', ' ORDER BY id) FROM t") ==
            "1 110000000 " + f.both.slave.value("SELECT md5(repeat('0123456789', 11000000))") +
                ", 2 0 d41d8cd98f00b204e9800998ecf8427e");
}

// airbyte#20929: a TOASTed value that did not change arrives as a placeholder.
TEST_CASE("a long value stays as it is while another column of its row changes", "[jobs][sync][sizes]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text, j jsonb, n int); ALTER TABLE t ALTER v SET STORAGE "
                       "external; INSERT INTO t SELECT i, repeat(md5(i::text), 3125), "
                       "jsonb_build_object('k', repeat(md5(i::text), 3125)), 0 FROM generate_series(1, 40) AS i");
    f.both.slave.run("UPDATE t SET n = 1 WHERE id % 10 = 0");
    const auto result = f.sync();
    CHECK(result.what.tables.at(0).strategy == "rows");
    CHECK(written(result, "public.t") == "+0 ~4 =36");
    CHECK(f.difference("t") == none);
    CHECK(
        f.both.production.value("SELECT count(*) FROM t WHERE length(v) = 100000 AND length(j ->> 'k') = 100000") ==
        "40");
}

TEST_CASE("an empty text is no null, and neither is the word", "[jobs][sync][sizes]") {
    // tsquery has no binary form that gives back what it was given, so the second table travels as text.
    for (const auto* more : {"int", "tsquery"}) {
        CAPTURE(more);
        sync_fixture f;
        f.both.run_on_both(fmt::format(
            "CREATE TABLE t (id int PRIMARY KEY, q {}, v text, c char(4), b bytea, a text[], j json)", more));
        f.both.slave.run(R"(INSERT INTO t (id, v, c, b, a, j) VALUES
            (1, '', '', '', '{}', '""'), (2, NULL, NULL, NULL, NULL, NULL), (3, '\N', '\N', '\x5c4e', '{"\\N"}', 'null'),
            (4, 'NULL', 'NULL', 'NULL', '{"NULL"}', '"NULL"'), (5, '\.', '\.', '\x5c2e0a', '{NULL}', '"\\."'),
            (6, E'\t\n\r\\', E'\t\n\r\\', E'\\x090a0d5c', E'{"\t\n\r\\\\"}', E'"\\t"'))");
        f.both.production.run("INSERT INTO t (id, v, c, b, a, j) VALUES (1, NULL, NULL, NULL, NULL, NULL), "
                              "(2, '', '', '', '{}', '\"\"'), (3, NULL, NULL, NULL, '{NULL}', NULL)");
        CHECK(written(f.sync(), "public.t") == "+3 ~3 =0");
        CHECK(f.difference("t") == none);
        CHECK(f.check().what.in_step());
    }
}

TEST_CASE("columns may stand in another order, with gaps where others were dropped", "[jobs][sync][sizes]") {
    sync_fixture f;
    f.both.slave.run("CREATE TABLE t (gone_too text, id int PRIMARY KEY, gone int, b text, a text, n numeric); "
                     "INSERT INTO t VALUES ('x', 1, 1, 'b', 'a', 1.0); ALTER TABLE t DROP gone, DROP gone_too; "
                     "INSERT INTO t VALUES (2, 'b', 'a', 2)");
    f.both.production.run(
        "CREATE TABLE t (a text, gone text NOT NULL, n numeric, b text, own int DEFAULT 7, id int PRIMARY KEY); "
        "INSERT INTO t VALUES ('b', 'x', 1.0, 'a', 3, 1); ALTER TABLE t DROP gone"); // as a copy by position would
                                                                                     // leave it
    CHECK(written(f.sync(), "public.t") == "+1 ~1 =0");
    CHECK(f.difference("t") == none);
    CHECK(f.both.production.value("SELECT string_agg(a || b || n || own, ' ' ORDER BY id) FROM t") == "ab1.03 ab27");
}
