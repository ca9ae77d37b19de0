#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <algorithm>
#include <string>

using namespace tidesync;
using namespace tidesync::tests;

// Each way to bring rows over, seen from outside: what the report says, how much moved, and that it is right.

namespace {

const jobs::table_report& only_table(const jobs::result& result) {
    REQUIRE(result.what.tables.size() == 1);
    return result.what.tables.front();
}

/// Large enough that rows are picked out.
const std::string many_rows =
    "INSERT INTO t SELECT i, repeat(md5(i::text), 3), i % 7 FROM generate_series(1, 5000) AS i";

sync_fixture& with_many_rows(sync_fixture& f) {
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text, n int); " + many_rows);
    return f;
}

} // namespace

TEST_CASE("equal tables cost no row", "[jobs][sync][strategies]") {
    sync_fixture f;
    const auto result = with_many_rows(f).sync();
    CHECK(only_table(result).strategy == "equal");
    CHECK(only_table(result).bytes == 0);
    CHECK(written(result, "public.t") == "+0 ~0 =5000");
}

// airbyte#21557: twelve hours for 200,000 new rows. datafold/data-diff#96: slow when many rows differ.
TEST_CASE("of a large table only the rows that differ travel", "[jobs][sync][strategies]") {
    sync_fixture f;
    with_many_rows(f);
    f.both.slave.run("UPDATE t SET n = 100 WHERE id % 1000 = 0; INSERT INTO t VALUES (6000, 'new', 1)");
    f.both.production.run("DELETE FROM t WHERE id = 17; INSERT INTO t VALUES (-5, 'extra', 1)");
    f.progress.on_phase = [&](std::string_view phase) {
        if (phase == "apply")
            CHECK(f.both.production.value("SELECT count(*) FROM tidesync_staging." + f.staging()) == "7");
    };
    const auto result = f.sync();
    CHECK(only_table(result).strategy == "rows");
    CHECK(written(result, "public.t") == "+2 ~5 =4994");
    CHECK(only_table(result).bytes < 5001 * 70); // words, not rows of a hundred bytes
    CHECK(f.difference("t") == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t WHERE id = -5") == "1");
}

TEST_CASE("a table whose highest key is new is scanned once", "[jobs][sync][strategies][addresses]") {
    for (const bool new_row : {true, false}) {
        CAPTURE(new_row);
        sync_fixture f;
        with_many_rows(f);
        f.both.slave.run("UPDATE t SET n = 100 WHERE id = 7; ANALYZE");
        if (new_row) f.both.slave.run("INSERT INTO t VALUES (6000, 'new', 1)");
        const std::string scans = "SELECT seq_scan FROM pg_sleep(0.2), pg_stat_user_tables WHERE relname = 't'";
        const auto before = std::stoi(f.both.slave.value(scans));
        const auto result = f.sync();
        CHECK(written(result, "public.t") == (new_row ? "+1 ~1 =4999" : "+0 ~1 =4999"));
        CHECK(only_table(result).total == (new_row ? 5001 : 5000));
        int after = before;
        // A connection that a pooler keeps tells after ten seconds at the latest.
        for (int i = 0; i < 60 && after < before + (new_row ? 1 : 2); ++i) after = std::stoi(f.both.slave.value(scans));
        CHECK(after == before + (new_row ? 1 : 2));
        CHECK(f.difference("t") == none);
    }
}

TEST_CASE("a table whose highest key is new may still turn out to differ in most rows", "[jobs][sync][strategies]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text); "
                       "INSERT INTO t SELECT i, repeat('x', 30) FROM generate_series(1, 40000) AS i");
    f.rules.guards.changed_percent_max = 100;
    f.both.slave.run("UPDATE t SET v = 'changed' WHERE id > 20000; INSERT INTO t VALUES (50000, 'new'); ANALYZE");
    f.both.production.run("DELETE FROM t WHERE id = 7; INSERT INTO t VALUES (-1, 'own')");
    const auto result = f.sync();
    CHECK(only_table(result).strategy == "whole");
    CHECK(written(result, "public.t") == "+2 ~20000 =19999");
    CHECK(only_table(result).total == 40001);
    CHECK(f.difference("t") == none);
    CHECK(written(f.sync(), "public.t") == "+0 ~0 =40001");
}

TEST_CASE("a table that differs in most rows is staged whole, however it begins", "[jobs][sync][strategies]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text); "
                       "INSERT INTO t SELECT i, repeat('x', 30) FROM generate_series(1, 40000) AS i");
    f.both.slave.run("UPDATE t SET v = 'changed' WHERE id > 20000"); // nothing differs in the first half
    const auto result = f.sync();
    CHECK(only_table(result).strategy == "whole");
    CHECK(written(result, "public.t") == "+0 ~20000 =20000");
    CHECK(f.difference("t") == none);
}

TEST_CASE("more rows than one batch holds are picked out", "[jobs][sync][strategies]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text); "
                       "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 160000) AS i");
    f.both.slave.run("UPDATE t SET v = 'changed' WHERE id % 4 = 0"); // 40,000
    const auto result = f.sync();
    CHECK(only_table(result).strategy == "rows");
    CHECK(written(result, "public.t") == "+0 ~40000 =120000");
    CHECK(f.difference("t") == none);
}

TEST_CASE("an empty table is loaded, straight and with the numbers it has", "[jobs][sync][strategies]") {
    sync_fixture f;
    f.both.run_on_both(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, l int GENERATED ALWAYS AS "
        "(length(v)) STORED)");
    f.both.slave.run(
        "INSERT INTO t (id, v) OVERRIDING SYSTEM VALUE SELECT i, 'v' || i FROM generate_series(3, 900) AS i");
    f.progress.on_phase = [&](std::string_view phase) {
        if (phase == "apply") CHECK(f.staging() == none);
    };
    const auto result = f.sync();
    CHECK(only_table(result).strategy == "load");
    CHECK(written(result, "public.t") == "+898 ~0 =0");
    CHECK(only_table(result).total == 898);
    CHECK(f.difference("t") == none);
    CHECK(f.both.production.value("INSERT INTO t (v) VALUES ('next') RETURNING id") == "901");
}

TEST_CASE("a child is not loaded while rows of its parent are held", "[jobs][sync][strategies]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE parent (id int PRIMARY KEY, v text); "
                       "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent); "
                       "CREATE TABLE alone (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO parent VALUES (1, 'new'), (2, 'new'); INSERT INTO child VALUES (1, 1), (2, 2); "
                     "INSERT INTO alone VALUES (1)");
    f.both.production.run("INSERT INTO parent VALUES (1, 'old')");
    const auto result = f.sync();
    REQUIRE(ending(result) == "done");
    std::string said;
    for (const auto& table : result.what.tables) said += table.name + ' ' + table.strategy + ' ';
    CHECK(said == "public.alone load public.parent whole public.child whole ");
    CHECK(f.difference("child") == none);
}

// pgcopydb#461, #562, #872: a way to split tables is silently not used; the report says here which was.
TEST_CASE("rows of partitions are found again by their places", "[jobs][sync][strategies]") {
    sync_fixture f;
    f.both.slave.run(R"(
        CREATE TABLE t (id int, v text, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
        CREATE SCHEMA "odd one";
        CREATE TABLE "odd one"."p ""1" PARTITION OF t FOR VALUES FROM (0) TO (1000) PARTITION BY HASH (id);
        CREATE TABLE p_1_0 PARTITION OF "odd one"."p ""1" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE "odd one"."p.1_1" PARTITION OF "odd one"."p ""1" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE p_2 (n int, dropped int, v text, id int NOT NULL); ALTER TABLE p_2 DROP dropped;
        ALTER TABLE t ATTACH PARTITION p_2 DEFAULT)");
    f.both.production.run("CREATE TABLE t (id int PRIMARY KEY, v text, n int)");
    f.both.run_on_both(many_rows);
    f.both.slave.run("UPDATE t SET n = -1 WHERE id % 100 = 3");
    const auto result = f.sync();
    CHECK(only_table(result).strategy == "rows");
    CHECK(written(result, "public.t") == "+0 ~50 =4950");
    CHECK(f.difference("t") == none);
}

TEST_CASE("a swap that hashes of records alone would not show is seen", "[jobs][sync][strategies]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v int)");
    f.both.slave.run("INSERT INTO t VALUES (3, 75601), (46, 183432)");
    f.both.production.run("INSERT INTO t VALUES (3, 183432), (46, 75601)");
    const auto* word = "SELECT bit_xor(hash_record_extended(ROW(id, v), 0)) FROM t";
    REQUIRE(f.both.slave.value(word) == f.both.production.value(word));
    CHECK(written(f.sync(), "public.t") == "+0 ~2 =0");
    CHECK(f.difference("t") == none);
}
