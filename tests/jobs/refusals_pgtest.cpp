#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <fmt/format.h>

using namespace tidesync;
using namespace tidesync::tests;

// What cannot be synced is refused before anything is written, by name and with a way out.

namespace {

struct refusal {
    const char* what;
    const char* slave;
    const char* production;
    std::vector<std::string_view> words;
};

const std::vector<refusal> refusals{
    {"no key",
     "CREATE TABLE t (id int, v text)",
     "CREATE TABLE t (id int, v text)",
     {"table public.t has no primary key", "set key: in tidesync.yaml", "exclude"}},
    {"only a key with nulls",
     "CREATE TABLE t (id int UNIQUE)",
     "CREATE TABLE t (id int UNIQUE)",
     {"table public.t has no primary key"}},
    {"only a partial key",
     "CREATE TABLE t (id int NOT NULL)",
     "CREATE TABLE t (id int NOT NULL); CREATE UNIQUE INDEX ON t (id) WHERE id > 0",
     {"table public.t has no primary key"}},
    {"the key is a column that the slave lacks",
     "CREATE TABLE t (v text)",
     "CREATE TABLE t (id serial PRIMARY KEY, v text)",
     {"table public.t has no key whose columns exist on both sides"}},
    {"another type",
     "CREATE TABLE t (id int PRIMARY KEY, v bigint)",
     "CREATE TABLE t (id int PRIMARY KEY, v int)",
     {"column public.t.v is bigint on the slave and integer in production", "make the types equal"}},
    {"a narrower number",
     "CREATE TABLE t (id int PRIMARY KEY, v numeric(10,2))",
     "CREATE TABLE t (id int PRIMARY KEY, v numeric(8,1))",
     {"column public.t.v is numeric(10,2) on the slave and numeric(8,1) in production"}},
    {"coarser times",
     "CREATE TABLE t (id int PRIMARY KEY, v timestamptz)",
     "CREATE TABLE t (id int PRIMARY KEY, v timestamptz(0))",
     {"public.t.v", "timestamp(0) with time zone"}},
    {"an array of another precision",
     "CREATE TABLE t (id int PRIMARY KEY, v numeric(10,2)[])",
     "CREATE TABLE t (id int PRIMARY KEY, v numeric(8,1)[])",
     {"public.t.v", "numeric(8,1)[]"}},
    {"a domain of another precision",
     "CREATE DOMAIN d AS numeric(10,2); CREATE TABLE t (id int PRIMARY KEY, v d)",
     "CREATE DOMAIN d AS numeric(8,1); CREATE TABLE t (id int PRIMARY KEY, v d)",
     {"public.t.v", "numeric(10,2)", "numeric(8,1)"}},
    {"a type of the same name elsewhere",
     "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE t (id int PRIMARY KEY, v mood)",
     "CREATE SCHEMA s; CREATE TYPE s.mood AS ENUM ('a'); CREATE TABLE t (id int PRIMARY KEY, v s.mood)",
     {"public.mood", "s.mood"}},
    {"a column that must be filled",
     "CREATE TABLE t (id int PRIMARY KEY)",
     "CREATE TABLE t (id int PRIMARY KEY, must int NOT NULL)",
     {"column public.t.must of production is NOT NULL without a default", "default", "exclude"}},
    {"no column in common",
     "CREATE TABLE t (id int PRIMARY KEY)",
     "CREATE TABLE t (nr int PRIMARY KEY DEFAULT 1)",
     {"table public.t has no column that both sides have: exclude it"}},
    {"nothing in common",
     "CREATE TABLE a (id int PRIMARY KEY)",
     "CREATE TABLE b (id int PRIMARY KEY)",
     {"no table is on both sides and selected"}},
};

} // namespace

// pgcopydb#994: a binary COPY between types that differ. ankane/pgsync#161: tables without a primary key. bucardo#123,
// #245: a part is left out and nothing says so.
TEST_CASE("tables that cannot be synced as they are, are refused by name", "[jobs][refusals]") {
    for (const auto& [what, slave, production, words] : refusals) {
        CAPTURE(what);
        sync_fixture f;
        f.both.slave.run(slave);
        f.both.production.run(production);
        for (const auto& said : {ending(f.sync()), ending(f.check())}) {
            CHECK(lacking(said, {"give_up plan_refused: "}) == none);
            for (const auto word : words) CHECK(lacking(said, {word}) == none);
        }
        CHECK(f.staging() == none);
    }
}

TEST_CASE("one bad table stops the run, and all problems are told at once", "[jobs][refusals]") {
    sync_fixture f;
    f.both.run_on_both(
        "CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE keyless (id int); CREATE TABLE other (v text)");
    f.both.slave.run("INSERT INTO good VALUES (1)");
    CHECK(lacking(ending(f.sync()), {"2 problems: ", "public.keyless", "public.other"}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM good") == "0");
    f.rules.exclude = {"*.keyless", "public.o*"};
    CHECK(ending(f.sync()) == "done");
    CHECK(f.both.production.value("SELECT count(*) FROM good") == "1");
}

TEST_CASE("what only the slave has is a warning, or an error where drift is not wanted", "[jobs][refusals]") {
    sync_fixture f;
    f.both.slave.run(
        "CREATE TABLE t (id int PRIMARY KEY, v varchar(10), extra int); CREATE TABLE new_one (id int PRIMARY KEY); "
        "INSERT INTO t VALUES (1, 'short', 3)");
    f.both.production.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))");
    const auto result = f.sync();
    REQUIRE(ending(result) == "done");
    CHECK(
        lacking(
            warnings(result), {"column public.t.extra exists only on the slave",
                               "table public.new_one exists only on the slave"}) == none);
    CHECK(f.difference("t") == none);

    f.rules.drift_stops = true;
    CHECK(lacking(ending(f.sync()), {"give_up guarded", "public.t.extra", "public.new_one", "on_drift: fail"}) == none);
}

TEST_CASE("a key that does not tell the slave's rows apart is refused", "[jobs][refusals][keys]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int, part int, v text)");
    f.rules.tables = {{.pattern = "public.t", .key = {"id", "part"}}};
    const auto rows = f.rows_of(f.both.production);
    f.both.slave.run("INSERT INTO t VALUES (1, 1, 'a'), (1, 1, 'b')");
    CHECK(
        lacking(
            ending(f.sync()),
            {"give_up plan_refused: table public.t: the key (id, part) is the same in several rows", "key:"}) == none);
    f.both.slave.run("DELETE FROM t; INSERT INTO t VALUES (1, NULL, 'a')");
    CHECK(
        lacking(
            ending(f.sync()),
            {"give_up plan_refused: table public.t: the key (id, part) is null in some rows", "key:"}) == none);
    CHECK(f.rows_of(f.both.production) == rows);
    CHECK(f.staging() == none);
}

TEST_CASE("keys that only the slave tells apart are refused", "[jobs][refusals][keys]") {
    sync_fixture f;
    f.both.slave.run("CREATE TABLE t (id text PRIMARY KEY); INSERT INTO t VALUES ('key'), ('KEY')");
    f.both.production.run(
        "CREATE COLLATION ignores_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
        "CREATE TABLE t (id text COLLATE ignores_case PRIMARY KEY)");
    CHECK(
        lacking(ending(f.sync()), {"give_up plan_refused: table public.t: the key (id) is the same in several rows"}) ==
        none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
}

TEST_CASE("rules that name what does not exist are refused", "[jobs][refusals][keys]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.rules.tables = {{.pattern = "public.t", .key = {"nr"}}, {.pattern = "public.tt", .key = {"id"}}};
    CHECK(
        lacking(
            ending(f.sync()), {"give_up plan_refused: 2 problems", "table public.t in tidesync.yaml names column nr",
                               "public.tt is no table that both sides have"}) == none);
}

// ankane/pgsync#200: triggers are disabled, which managed hosts do not allow.
TEST_CASE("a missing privilege names the table and the GRANT", "[jobs][refusals][privileges]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY); CREATE SCHEMA s; CREATE TABLE s.u (id int PRIMARY KEY)");
    const login_role reader{f.both.slave};
    const login_role writer{f.both.production};

    f.slave_url = reader.url();
    f.both.slave.run(
        fmt::format("GRANT USAGE ON SCHEMA s TO {}; GRANT SELECT ON s.u TO {}", reader.name(), reader.name()));
    CHECK(
        lacking(
            ending(f.sync()), {"give_up plan_refused: table public.t cannot be read on the slave", "GRANT SELECT"}) ==
        none);

    f.both.slave.run("GRANT SELECT ON t TO " + reader.name());
    f.production_url = writer.url();
    f.both.production.run(fmt::format(
        "GRANT USAGE ON SCHEMA tidesync, s TO {0}; GRANT ALL ON ALL TABLES IN SCHEMA tidesync TO {0}; "
        "GRANT SELECT, UPDATE ON t, s.u TO {0}; GRANT CREATE, USAGE ON SCHEMA tidesync_staging TO {0}",
        writer.name()));
    CHECK(
        lacking(
            ending(f.sync()),
            {"2 problems", "table public.t cannot be written in production", "GRANT SELECT, INSERT, UPDATE"}) == none);

    f.both.production.run("GRANT INSERT ON t, s.u TO " + writer.name());
    CHECK(ending(f.sync()) == "done"); // that was all it takes

    f.both.production.run("REVOKE ALL ON tidesync.fence FROM " + writer.name());
    CHECK(lacking(ending(f.sync()), {"give_up access_denied", "passing the fence tidesync.fence", "grant"}) == none);
    f.both.production.run("REVOKE ALL ON SCHEMA tidesync_staging FROM " + writer.name());
    f.both.production.run("INSERT INTO t VALUES (1)");
    f.both.slave.run("INSERT INTO t VALUES (9)"); // rows that have to be staged
    CHECK(lacking(ending(f.sync()), {"give_up access_denied", "tidesync_staging"}) == none);
}

TEST_CASE("a sequence that the role may not move is a warning", "[jobs][refusals][privileges]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id serial PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (10)");
    const login_role writer{f.both.production};
    f.production_url = writer.url();
    f.both.production.run(fmt::format(
        "GRANT USAGE ON SCHEMA tidesync TO {0}; GRANT ALL ON ALL TABLES IN SCHEMA tidesync TO {0}; "
        "GRANT SELECT, INSERT, UPDATE ON t TO {0}; GRANT CREATE, USAGE ON SCHEMA tidesync_staging TO {0}",
        writer.name()));
    const auto result = f.sync();
    CHECK(ending(result) == "done");
    CHECK(
        lacking(
            warnings(result),
            {"sequence public.t_id_seq of public.t.id is not moved forward", "GRANT SELECT, UPDATE"}) == none);
}

TEST_CASE("rows that row security would hide are an error, not silence", "[jobs][refusals][privileges]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY visible ON "
                     "t USING (id = 1)");
    const login_role reader{f.both.slave};
    f.slave_url = reader.url();
    f.both.slave.run("GRANT SELECT ON t TO " + reader.name());
    for (const auto& said : {ending(f.sync()), ending(f.check())})
        CHECK(lacking(said, {"give_up access_denied: slave: ", "public.t", "row-level security"}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
}

TEST_CASE("an address that leads nowhere says which side and what to check", "[jobs][refusals][addresses]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    const auto host = f.both.production.url().substr(f.both.production.url().rfind('@') + 1);
    const std::string database = host.substr(host.rfind('/'));
    struct row {
        const char* what;
        std::string url;
        std::vector<std::string_view> words;
    };
    const std::vector<row> cases{
        {"wrong password",
         "postgresql://postgres:CANARY@" + host,
         {"give_up access_denied: production", "check user and password in PROD_DATABASE_URL"}},
        {"no password", "postgresql://postgres@" + host, {"give_up access_denied: production", "password"}},
        {"unknown role",
         "postgresql://nobody_here:CANARY@" + host,
         {"give_up access_denied: production", "check user and password"}},
        {"unknown database",
         f.both.production.url() + "_not",
         {"give_up access_denied: production", "check the database name in PROD_DATABASE_URL"}},
        {"closed port",
         "postgresql://postgres:CANARY@127.0.0.1:1" + database,
         {"retry unreachable: production", "127.0.0.1:1", "check that the production server runs"}},
        {"unknown host",
         "postgresql://postgres:CANARY@no.such.host.invalid/x?sslmode=disable",
         {"retry unreachable: production", "no.such.host.invalid"}},
    };
    for (const auto& [what, url, words] : cases) {
        CAPTURE(what);
        f.production_url = url;
        for (const auto& said : {ending(f.sync()), ending(f.check())}) {
            for (const auto word : words) CHECK(lacking(said, {word}) == none);
            CHECK(said.find("CANARY") == std::string::npos);
        }
    }
    f.production_url = f.both.production.url();
    f.slave_url = "postgresql://postgres:CANARY@127.0.0.1:1/x";
    CHECK(lacking(ending(f.sync()), {"retry unreachable: slave", "check that the slave server runs"}) == none);
}

TEST_CASE("a production that was never migrated says so", "[jobs][refusals]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    f.both.slave.run("INSERT INTO t VALUES (2)");
    f.both.production.run("DROP SCHEMA tidesync_staging");
    CHECK(lacking(ending(f.sync()), {"give_up not_set_up", "tidesync_staging", "tidesync migrate"}) == none);
    f.both.production.run("DROP TABLE tidesync.applied");
    CHECK(lacking(ending(f.sync()), {"give_up not_set_up", "tidesync.applied", "tidesync migrate"}) == none);
    f.both.production.run("DROP SCHEMA tidesync CASCADE");
    CHECK(lacking(ending(f.sync()), {"give_up not_set_up", "tidesync.applied", "tidesync migrate"}) == none);
    CHECK(ending(f.check()) == "done"); // needs nothing of it
}

TEST_CASE("a production that only reads says so", "[jobs][refusals]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    const login_role writer{f.both.production};
    f.both.production.run(
        fmt::format("ALTER ROLE {0} SET default_transaction_read_only = on; ALTER ROLE {0} SUPERUSER", writer.name()));
    f.production_url = writer.url();
    CHECK(lacking(ending(f.sync()), {"give_up access_denied", "read-only", "PROD_DATABASE_URL"}) == none);
}

// Sling [code]: types pass through an inferred type system of its own.
TEST_CASE("types of one name that would change values on the way are refused", "[jobs][refusals]") {
    struct pair_of_types {
        const char* slave;
        const char* production;
    };
    const pair_of_types cases[] = {
        // Spaces at the end of a varchar are cut without a word.
        {"CREATE TABLE t (id int PRIMARY KEY, v varchar(10))", "CREATE TABLE t (id int PRIMARY KEY, v varchar(3))"},
        {"CREATE TABLE t (id int PRIMARY KEY, v varchar)", "CREATE TABLE t (id int PRIMARY KEY, v varchar(3))"},
        {"CREATE TYPE addr AS (street text, city text); CREATE TABLE t (id int PRIMARY KEY, v addr)",
         "CREATE TYPE addr AS (city text, street text); CREATE TABLE t (id int PRIMARY KEY, v addr)"},
        {"CREATE TYPE money2 AS (amount numeric(10,2)); CREATE TABLE t (id int PRIMARY KEY, v money2[])",
         "CREATE TYPE money2 AS (amount numeric(8,1)); CREATE TABLE t (id int PRIMARY KEY, v money2[])"}};
    for (const auto& types : cases) {
        CAPTURE(types.slave);
        sync_fixture f;
        f.both.slave.run(types.slave);
        f.both.production.run(types.production);
        CHECK(lacking(ending(f.sync()), {"give_up plan_refused: column public.t.v is "}) == none);
    }
}

TEST_CASE(
    "a key that several rows of production share is refused before any of them is overwritten", "[jobs][refusals]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int, v text)");
    f.rules.tables = {{.pattern = "public.t", .key = {"id"}}};
    f.both.slave.run("INSERT INTO t VALUES (1, 'slave'), (2, 'new')");
    f.both.production.run("INSERT INTO t VALUES (1, 'own row A'), (1, 'own row B')");
    const auto rows = f.rows_of(f.both.production);
    CHECK(lacking(ending(f.sync()), {"give_up plan_refused", "public.t", "several rows of production"}) == none);
    CHECK(f.rows_of(f.both.production) == rows);
}

TEST_CASE("an include that names nothing is a mistake, not silence", "[jobs][refusals]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("CREATE TABLE only_here (id int PRIMARY KEY)");
    for (const auto* wrong : {"public.typo", "typo.*", "public.only_here", "auth.*"}) {
        CAPTURE(wrong);
        f.rules.include = {"public.t", wrong};
        CHECK(lacking(ending(f.sync()), {"give_up plan_refused", wrong}) == none);
    }
    f.rules.include = {"public.t"};
    CHECK(ending(f.sync()) == "done");
}
