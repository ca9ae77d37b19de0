#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <fmt/format.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace tidesync;
using namespace tidesync::tests;
using slave_to_prod::delete_policy;
using namespace std::chrono_literals;

// Rows that production has and the slave has not. koltyakov/pgsync empties the target when the source is empty,
// magda#1983: two that ran at once deleted a thousand data sets. Nothing goes here unless tidesync.yaml says so.

namespace {

/// Counts of one table of a sync, with deletes: `+new ~changed -gone`.
std::string changed(const jobs::result& result, const std::string& name) {
    for (const auto& table : result.what.tables)
        if (table.name == name) return fmt::format("+{} ~{} -{}", table.inserted, table.updated, table.deleted);
    return "no such table";
}

void allow_everything(sync_fixture& f) { f.rules.guards = {.changed_percent_max = 100, .deleted_percent_max = 100}; }

} // namespace

TEST_CASE("rows that only production has stay, unless deletes are asked for", "[jobs][sync][deletes]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    f.both.slave.run("INSERT INTO t VALUES (1, 'a')");
    f.both.production.run("INSERT INTO t VALUES (1, 'a'), (2, 'own')");
    CHECK(changed(f.sync(), "public.t") == "+0 ~0 -0");
    f.rules.tables = {{.pattern = "public.t", .deletes = delete_policy::hard}};
    CHECK(changed(f.dry_run(), "public.t") == "+0 ~0 -1");
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "2");
    CHECK(changed(f.sync(), "public.t") == "+0 ~0 -1");
    CHECK(f.both.production.value("SELECT string_agg(v, ',') FROM t") == "a");
    CHECK(changed(f.sync(), "public.t") == "+0 ~0 -0");
    CHECK(f.staging() == none);
}

TEST_CASE("deleted rows are found in small tables and large ones, whatever their key", "[jobs][sync][deletes]") {
    const std::vector<std::string> keys{
        "i", "i::text", "'k' || i || '|' || i", "i::numeric / 2", "md5(i::text)::uuid", "ARRAY[i, 1]"};
    const std::vector<std::string> types{"bigint", "text", "text", "numeric", "uuid", "int[]"};
    for (std::size_t k = 0; k < keys.size(); ++k)
        for (const int rows : {60, 8000}) {
            CAPTURE(types[k], rows);
            sync_fixture f;
            allow_everything(f);
            f.rules.tables = {{.pattern = "*", .deletes = delete_policy::hard}};
            f.both.run_on_both(fmt::format(
                "CREATE TABLE t (id {} PRIMARY KEY, n int, filler text); INSERT INTO t SELECT {}, i, "
                "repeat(md5(i::text), 3) "
                "FROM generate_series(1, {}) AS i",
                types[k], keys[k], rows));
            f.both.slave.run("DELETE FROM t WHERE n % 10 = 3; UPDATE t SET filler = 'new' WHERE n % 15 = 1");
            f.both.production.run("DELETE FROM t WHERE n % 20 = 7");
            const auto result = f.sync();
            CHECK(ending(result) == "done");
            CHECK(changed(result, "public.t").ends_with(fmt::format(" -{}", rows / 10)));
            CHECK(f.difference("t") == none);
            CHECK(f.both.production.value("SELECT count(*) FROM t") == f.both.slave.value("SELECT count(*) FROM t"));
            CHECK(changed(f.sync(), "public.t") == "+0 ~0 -0");
        }
}

TEST_CASE("a key that is spelled otherwise is not gone", "[jobs][sync][deletes]") {
    sync_fixture f;
    f.rules.tables = {{.pattern = "*", .deletes = delete_policy::hard}};
    allow_everything(f);
    f.both.run_on_both("CREATE TABLE t (id numeric PRIMARY KEY, filler text)");
    const std::string many = "INSERT INTO t SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, 5000) AS i; ";
    f.both.slave.run(many + "INSERT INTO t VALUES (0.5, 'half'), ('NaN', 'n')");
    f.both.production.run(many + "INSERT INTO t VALUES (0.50, 'half'), ('Infinity', 'i')");
    CHECK(changed(f.sync(), "public.t") == "+1 ~1 -1"); // NaN and Infinity have one hash
    CHECK(f.difference("t") == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "5002");
}

TEST_CASE("children go before their parents, and after they were led to others", "[jobs][sync][deletes]") {
    sync_fixture f;
    f.rules.tables = {{.pattern = "*", .deletes = delete_policy::hard}};
    f.both.run_on_both("CREATE TABLE p (id int PRIMARY KEY, boss int REFERENCES p, name text UNIQUE); "
                       "CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p)");
    f.both.production.run(
        "INSERT INTO p VALUES (1, NULL, 'a'), (2, 1, 'b'), (3, 2, 'c'); INSERT INTO c VALUES (1, 1), (2, 2), (3, 3)");
    // 1 has gone with its child, 2 has taken its name, 3 now belongs to nobody, and a child of 3 to 2.
    f.both.slave.run("INSERT INTO p VALUES (2, NULL, 'a'), (3, NULL, 'c'); INSERT INTO c VALUES (2, 2), (3, 2)");
    const auto result = f.sync();
    CHECK(ending(result) == "done");
    CHECK(changed(result, "public.p") == "+0 ~2 -1");
    CHECK(changed(result, "public.c") == "+0 ~1 -1");
    CHECK(f.difference("p") == none);
    CHECK(f.difference("c") == none);
    CHECK(f.both.production.value("SELECT count(*) FROM p") == "2");
}

TEST_CASE("a row that goes gives its unique value free", "[jobs][sync][deletes][uniques]") {
    sync_fixture f;
    f.rules.tables = {{.pattern = "*", .deletes = delete_policy::hard}};
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, u text UNIQUE)");
    f.both.production.run("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    f.both.slave.run("INSERT INTO t VALUES (2, 'c'), (4, 'a'), (5, 'b')");
    const auto result = f.sync();
    CHECK(ending(result) == "done");
    CHECK(f.difference("t") == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "3");
}

TEST_CASE("a row may be marked as gone, and comes back", "[jobs][sync][deletes]") {
    for (const std::string type : {"timestamptz", "boolean NOT NULL DEFAULT false"}) {
        CAPTURE(type);
        sync_fixture f;
        f.rules.tables = {{.pattern = "public.t", .deletes = delete_policy::soft, .soft_column = "gone"}};
        f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text)");
        f.both.production.run("ALTER TABLE t ADD gone " + type + "; INSERT INTO t (id, v) VALUES (1, 'a'), (2, 'b')");
        f.both.slave.run("INSERT INTO t VALUES (1, 'a')");
        const std::string gone =
            "SELECT string_agg(id::text, ',') FROM t WHERE gone::text IS NOT NULL AND gone::text <> 'false'";
        CHECK(changed(f.sync(), "public.t") == "+0 ~0 -1");
        CHECK(f.both.production.value(gone) == "2");
        CHECK(changed(f.sync(), "public.t") == "+0 ~0 -0"); // it is gone once
        f.both.slave.run("INSERT INTO t VALUES (2, 'b')");
        CHECK(changed(f.sync(), "public.t") == "+0 ~1 -0");
        CHECK(f.both.production.value(gone) == none);
        CHECK(f.difference("t") == none);
        CHECK(changed(f.sync(), "public.t") == "+0 ~0 -0");
    }
}

TEST_CASE("what cannot be deleted is refused by name before anything is read", "[jobs][refusals][deletes]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE p (id int PRIMARY KEY, v text)");
    f.both.production.run(
        "CREATE TABLE own (id int PRIMARY KEY, p int CONSTRAINT own_p REFERENCES p ON DELETE CASCADE); "
        "INSERT INTO p VALUES (1, 'a'); INSERT INTO own VALUES (1, 1)");
    f.both.slave.run("INSERT INTO p VALUES (2, 'b')");
    f.rules.tables = {{.pattern = "public.p", .deletes = delete_policy::hard}};
    CHECK(
        lacking(
            ending(f.sync()), {"give_up plan_refused: table public.p is to have rows deleted", "own_p", "CASCADE",
                               "public.own", "delete: soft"}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM own") == "1");

    f.rules.tables = {{.pattern = "public.p", .deletes = delete_policy::soft, .soft_column = "gone"}};
    CHECK(lacking(ending(f.sync()), {"give_up plan_refused: table public.p has no column gone"}) == none);
    f.rules.tables[0].soft_column = "v";
    CHECK(lacking(ending(f.sync()), {"column public.p.v is text", "a boolean, or a timestamp"}) == none);

    const login_role role{f.both.production};
    f.both.production.run(fmt::format(
        "GRANT SELECT, INSERT, UPDATE ON p TO {0}; GRANT USAGE ON SCHEMA tidesync TO {0}; GRANT SELECT, INSERT, UPDATE "
        "ON "
        "ALL TABLES IN SCHEMA tidesync TO {0}; GRANT USAGE, CREATE ON SCHEMA tidesync_staging TO {0}; DROP TABLE own",
        role.name()));
    // No pooler knows it.
    f.production_url = with_login(f.both.production.url(), role.name(), "a role of one test");
    f.rules.tables = {{.pattern = "public.p", .deletes = delete_policy::hard}};
    CHECK(lacking(ending(f.sync()), {"rows of table public.p cannot be deleted", "GRANT DELETE"}) == none);
}

TEST_CASE("rows that a trigger keeps from going end the run", "[jobs][sync][deletes]") {
    sync_fixture f;
    f.rules.tables = {{.pattern = "*", .deletes = delete_policy::hard}};
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    f.both.production.run(
        "INSERT INTO t VALUES (2); CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
        "RETURN NULL; END'; CREATE TRIGGER keep BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION keep()");
    CHECK(lacking(ending(f.sync()), {"give_up data_refused: table public.t: 1 rows of 1", "did not go"}) == none);
    CHECK(f.both.production.value("SELECT string_agg(id::text, ',') FROM t") == "2");
}

TEST_CASE(
    "a row that is marked as gone keeps what it holds, and gives its unique value free",
    "[jobs][sync][deletes][uniques]") {
    sync_fixture f;
    f.rules.tables = {{.pattern = "public.t", .deletes = delete_policy::soft, .soft_column = "gone"}};
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, email text)");
    f.both.production.run("ALTER TABLE t ADD gone timestamptz; CREATE UNIQUE INDEX ON t (email) WHERE gone IS NULL; "
                          "INSERT INTO t VALUES (1, 'a'), (3, 'c')");
    f.both.slave.run("INSERT INTO t VALUES (2, 'a'), (3, 'c')");
    CHECK(changed(f.sync(), "public.t") == "+1 ~0 -1");
    CHECK(
        f.both.production.value("SELECT string_agg(id || email || (gone IS NULL), ',' ORDER BY id) FROM t") ==
        "1afalse,2atrue,3ctrue");
    // Under an index that counts marked rows, too, the value is not free, and nothing is destroyed to make it so.
    f.both.production.run("CREATE UNIQUE INDEX everybody ON t (email) WHERE id <> 1");
    f.both.slave.run("DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 'c')");
    CHECK(lacking(ending(f.sync()), {"give_up data_refused", "everybody"}) == none);
    CHECK(f.both.production.value("SELECT email FROM t WHERE id = 3") == "c");
}

TEST_CASE("new rows come in unmarked, whatever the default says", "[jobs][sync][deletes]") {
    for (const std::string type : {"timestamptz DEFAULT now()", "boolean NOT NULL DEFAULT true"}) {
        CAPTURE(type);
        sync_fixture f;
        f.rules.tables = {{.pattern = "public.t", .deletes = delete_policy::soft, .soft_column = "gone"}};
        f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
        f.both.production.run("ALTER TABLE t ADD gone " + type);
        f.both.slave.run("INSERT INTO t VALUES (1), (2)");
        CHECK(changed(f.sync(), "public.t") == "+2 ~0 -0");
        CHECK(changed(f.sync(), "public.t") == "+0 ~0 -0");
    }
}

TEST_CASE("a row that stays is not taken along by a cascade", "[jobs][sync][deletes]") {
    sync_fixture f;
    // The slave has no foreign key: there the child stays without its parent.
    f.both.slave.run("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int, own text)");
    f.both.production.run(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int CONSTRAINT c_p "
        "REFERENCES p ON DELETE CASCADE, own text); INSERT INTO p VALUES (1), (2), (3); "
        "INSERT INTO c VALUES (1, 1, 'mine'), (3, 3, 'theirs')");
    f.both.slave.run("INSERT INTO p VALUES (2), (3); INSERT INTO c VALUES (1, 1, 'mine'), (3, 3, 'theirs')");
    f.rules.tables = {{.pattern = "*", .deletes = delete_policy::hard}};
    CHECK(
        lacking(ending(f.sync()), {"retry busy: table public.p: rows that stay refer to rows", "public.c (c_p)"}) ==
        none);
    CHECK(f.both.production.value("SELECT count(*) FROM c") == "2");
    f.both.slave.run("UPDATE c SET p = 2 WHERE id = 1"); // led elsewhere first, and then nothing is taken along
    CHECK(changed(f.sync(), "public.p") == "+0 ~0 -1");
    CHECK(f.both.production.value("SELECT string_agg(own || p, ',' ORDER BY id) FROM c") == "mine2,theirs3");
    // A row and the child that is gone as well go together, in one table, too.
    f.both.slave.run("DELETE FROM c WHERE id = 3; DELETE FROM p WHERE id = 3");
    CHECK(changed(f.sync(), "public.c") == "+0 ~0 -1");
    CHECK(f.both.production.value("SELECT count(*) FROM p") == "1");
}

TEST_CASE(
    "a table whose rows refer to each other by a cascade loses what is gone, and no more", "[jobs][sync][deletes]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, boss int REFERENCES t ON DELETE CASCADE)");
    f.both.production.run("INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2), (4, NULL)");
    f.both.slave.run("INSERT INTO t VALUES (3, NULL), (4, NULL)"); // 3 has lost its boss, whose boss is gone, too
    f.rules.tables = {{.pattern = "*", .deletes = delete_policy::hard}};
    CHECK(changed(f.sync(), "public.t") == "+0 ~1 -2");
    CHECK(f.both.production.value("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "3,4");
}

TEST_CASE("rows whose declared key is null are nobody's, and stay", "[jobs][sync][deletes]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (code text, v text)");
    f.both.production.run("INSERT INTO t VALUES (NULL, 'x'), ('b', 'y')");
    f.both.slave.run("INSERT INTO t VALUES ('a', 'z')");
    f.rules.tables = {{.pattern = "public.t", .key = {"code"}, .deletes = delete_policy::hard}};
    CHECK(changed(f.sync(), "public.t") == "+1 ~0 -1");
    CHECK(f.both.production.value("SELECT string_agg(v, ',' ORDER BY v) FROM t") == "x,z");
}

// What is gone is what production's snapshot has and the slave's has not. The slave's is taken later and never sees
// less than production's would have: a row that reaches both sides meanwhile is on nobody's list, however the table
// travels.

namespace {

/// Twenty rows, or so many that only those that differ travel. The last one is gone on the slave.
void lose_one_row(sync_fixture& f, bool small) {
    f.rules.tables = {{.pattern = "*", .deletes = delete_policy::hard}};
    const std::string rows = fmt::format(
        "INSERT INTO t SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, {}) AS i", small ? 20 : 8000);
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, filler text); " + rows);
    f.both.slave.run("DELETE FROM t WHERE id = (SELECT max(id) FROM t)");
    f.both.slave.run("UPDATE t SET filler = 'changed' WHERE id = 1");
}

void check_that_one_went(const sync_fixture& f, const jobs::result& result, bool small) {
    CHECK(ending(result) == "done");
    CHECK(result.what.tables.at(0).strategy == (small ? "whole" : "rows"));
    CHECK(changed(result, "public.t") == "+0 ~1 -1");
    CHECK(f.both.production.value("SELECT count(*) FROM t WHERE filler = 'on both'") == "1");
    CHECK(f.difference("t") == none);
}

} // namespace

TEST_CASE("a row that both sides get after they were looked at is not deleted", "[jobs][sync][deletes]") {
    for (const bool small : {true, false}) {
        CAPTURE(small);
        sync_fixture f;
        lose_one_row(f, small);
        bool told = false;
        f.progress.on_phase = [&](std::string_view phase) {
            if (phase == "compare" && !std::exchange(told, true))
                f.both.run_on_both("INSERT INTO t VALUES (100000, 'on both')");
        };
        check_that_one_went(f, f.sync(), small);
    }
}

TEST_CASE("production is looked at before the slave, so that no row is taken for gone", "[jobs][sync][deletes]") {
    for (const bool small : {true, false}) {
        CAPTURE(small);
        sync_fixture f;
        lose_one_row(f, small);
        const std::string looked_at =
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND "
            "state = 'idle in transaction' AND backend_xmin IS NOT NULL";
        pooler_process slow{f.both.slave, {}};
        f.slave_url = slow.url(f.both.slave);
        slow.process().signal(SIGSTOP); // the slave answers nobody
        jobs::result result;
        bool production_first = false;
        {
            const std::jthread run{[&] { result = f.sync(); }};
            const auto until = std::chrono::steady_clock::now() + 5s;
            while (!production_first && std::chrono::steady_clock::now() < until) {
                std::this_thread::sleep_for(10ms);
                production_first = f.both.production.value(looked_at) == "t";
            }
            f.both.run_on_both("INSERT INTO t VALUES (100000, 'on both')");
            slow.process().signal(SIGCONT);
        }
        CHECK(production_first);
        check_that_one_went(f, result, small);
    }
}
