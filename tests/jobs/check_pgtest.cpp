#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <fmt/format.h>

using namespace tidesync;
using namespace tidesync::tests;

namespace {

/// All relations of a database and who wrote what: changes when anything is made or written.
std::string state_of(const sync_fixture& f, const database& where) {
    return f.rows_of(where) + where.value("SELECT string_agg(oid::regclass::text, ' ' ORDER BY oid) FROM pg_class");
}

} // namespace

// ankane/pgsync#99: rows are missing, and nothing in the tool can show it. datafold/data-diff#747: a kind of difference
// is left out.
TEST_CASE("check counts what is missing, different and extra", "[jobs][check]") {
    struct row {
        const char* slave;
        const char* production;
        const char* counts;
        bool in_step;
    };
    const std::vector<row> cases{
        {"", "", "missing 0, different 0, extra 0 of 0", true},
        {"(1, 'a')", "", "missing 1, different 0, extra 0 of 1", false},
        {"", "(1, 'a')", "missing 0, different 0, extra 1 of 0", true},
        {"(1, 'a')", "(1, 'a')", "missing 0, different 0, extra 0 of 1", true},
        {"(1, 'a')", "(1, 'b')", "missing 0, different 1, extra 0 of 1", false},
        {"(1, 'a')", "(2, 'a')", "missing 1, different 0, extra 1 of 1", false},
        {"(1, NULL)", "(1, '')", "missing 0, different 1, extra 0 of 1", false},
        {"(1, NULL)", "(1, NULL)", "missing 0, different 0, extra 0 of 1", true},
        {"(1, 'a'), (2, 'b')", "(1, 'b'), (2, 'a')", "missing 0, different 2, extra 0 of 2", false},
        {"(1, 'a'), (2, 'b'), (3, 'c')", "(2, 'x'), (3, 'c'), (4, 'd')", "missing 1, different 1, extra 1 of 3", false},
    };
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    const auto fill = [](const database& where, const std::string& values) {
        where.run("DELETE FROM t; " + (values.empty() ? "" : "INSERT INTO t VALUES " + values));
    };
    for (const auto& [slave, production, counts, in_step] : cases) {
        CAPTURE(slave, production);
        fill(f.both.slave, slave);
        fill(f.both.production, production);
        const auto result = f.check();
        REQUIRE(ending(result) == "done");
        CHECK(found(result, "public.t") == counts);
        CHECK(result.what.in_step() == in_step);
    }
}

// ankane/pgsync#185: a dry run.
TEST_CASE("check and dry run tell what the next sync then does", "[jobs][check]") {
    sync_fixture f;
    f.rules.guards.changed_percent_max = 100;
    f.both.run_on_both("CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (x text, y int, v text, PRIMARY KEY "
                       "(x, y)); CREATE TABLE c (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO a SELECT i, i FROM generate_series(1, 3000) AS i; INSERT INTO b SELECT i, i, i FROM "
                     "generate_series(1, 100) AS i; "
                     "INSERT INTO c VALUES (1)");
    f.both.production.run("INSERT INTO a SELECT i, i % 1000 FROM generate_series(501, 4000) AS i; INSERT INTO b SELECT "
                          "i, i, i FROM generate_series(91, 100) AS i; "
                          "INSERT INTO c VALUES (1)");

    const auto check = f.check();
    const auto plan = f.dry_run();
    const auto sync = f.sync();

    CHECK(found(check, "public.a") == "missing 500, different 2001, extra 1000 of 3000");
    for (const auto* table : {"public.a", "public.b", "public.c"}) {
        CAPTURE(table);
        CHECK(written(plan, table) != "no such table");
        CHECK(written(plan, table) == written(sync, table));
    }
    CHECK(check.what.totals().missing == sync.what.totals().inserted);
    CHECK(check.what.totals().different == sync.what.totals().updated);
    CHECK(f.check().what.in_step());
    for (const auto* table : {"a", "c"}) CHECK(f.difference(table) == none);
    CHECK(f.difference("b", "x, y") == none);
}

TEST_CASE("check and dry run write nothing on either side", "[jobs][check]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id serial PRIMARY KEY, v text)");
    f.both.slave.run("INSERT INTO t VALUES (1, 'a'), (20, 'b')");
    f.both.production.run("INSERT INTO t VALUES (1, 'x')");
    const login_role reader{f.both.slave};
    const login_role writer{f.both.production};
    f.both.slave.run(
        fmt::format("ALTER ROLE {0} SET default_transaction_read_only = on; GRANT SELECT ON t TO {0}", reader.name()));
    f.both.production.run(fmt::format(
        "ALTER ROLE {0} SET default_transaction_read_only = on; GRANT SELECT, INSERT, UPDATE ON t TO {0}",
        writer.name()));
    f.slave_url = reader.url();
    f.production_url = writer.url(); // neither may write a byte, nor see tidesync
    const auto slave = state_of(f, f.both.slave);
    const auto production = state_of(f, f.both.production);

    const auto check = f.check();
    const auto plan = f.dry_run();

    CHECK(ending(check) == "done");
    CHECK(found(check, "public.t") == "missing 1, different 1, extra 0 of 2");
    CHECK(written(plan, "public.t") == "+1 ~1 =0");
    CHECK(state_of(f, f.both.slave) == slave);
    CHECK(state_of(f, f.both.production) == production);
    CHECK(f.both.production.value("SELECT last_value FROM t_id_seq") == "1");
}

TEST_CASE("check sees one state of the slave", "[jobs][check]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)");
    f.progress.on_rows = [&](std::string_view table, std::int64_t) {
        if (table == "public.b") f.both.slave.run("INSERT INTO b VALUES (1) ON CONFLICT DO NOTHING");
    };
    CHECK(f.check().what.in_step());
    f.progress.on_rows = [](std::string_view, std::int64_t) {};
    CHECK(!f.check().what.in_step());
}

TEST_CASE("a column of every image is compared", "[jobs][check]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, raw text, sent numeric, said int[])");
    f.both.run_on_both("INSERT INTO t SELECT i, 'a', 1.0, '{1}' FROM generate_series(1, 4) AS i");
    CHECK(f.check().what.in_step());
    f.both.slave.run("UPDATE t SET raw = 'b' WHERE id = 1; UPDATE t SET sent = 1.00 WHERE id = 2; UPDATE t SET said = "
                     "'[0:0]={1}' WHERE id = 3");
    CHECK(found(f.check(), "public.t") == "missing 0, different 3, extra 0 of 4");
}
