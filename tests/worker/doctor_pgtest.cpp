#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"
#include "tests/support/canned_server.hpp"
#include "tests/support/pooler_process.hpp"
#include "tests/support/scheduler_process.hpp"
#include "tests/support/serving.hpp"
#include "tests/worker/environment.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

/// The statements of docs/configuration.md, "What the roles need".
void let_read(const database& slave, const std::string& role) {
    slave.run(
        fmt::format("GRANT USAGE ON SCHEMA public TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {0}", role));
}

void let_write(const database& production, const std::string& role) {
    production.run(fmt::format(
        "GRANT USAGE ON SCHEMA public, tidesync TO {0}; GRANT USAGE, CREATE ON SCHEMA tidesync_staging TO {0}; "
        "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {0}; "
        "GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {0}; "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tidesync TO {0}; "
        "REVOKE UPDATE, DELETE ON tidesync.applied, tidesync.audit FROM {0}; "
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA tidesync TO {0}",
        role));
}

struct fixture {
    pair_of_databases databases;
    login_role reader{databases.slave};
    login_role writer{databases.production};
    variables environment = worker_environment(databases);

    fixture() {
        databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
        databases.slave.run("INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 10) i");
        let_read(databases.slave, reader.name());
        let_write(databases.production, writer.name());
        environment["SLAVE_DATABASE_URL"] = reader.url();
        environment["PROD_DATABASE_URL"] = writer.url();
    }

    [[nodiscard]] finished tell(const std::vector<std::string>& words) const {
        return run_tidesync(words, environment);
    }
};

/// What doctor found, with its exit code.
struct examined {
    int status;
    nlohmann::json document;
    std::string shown;

    explicit examined(const variables& environment) {
        const auto run = run_tidesync({"doctor", "--json"}, environment);
        status = run.status;
        shown = run.out + run.err;
        INFO(shown);
        REQUIRE(run.out.starts_with('{'));
        document = nlohmann::json::parse(run.out);
    }

    /// `state text remedy` of the only finding in whose text these words are; fails the test for none.
    [[nodiscard]] std::string find(const std::string& words) const {
        INFO(words << " in " << shown);
        for (const auto& line : document.at("checks"))
            if (line.at("text").get<std::string>().find(words) != std::string::npos)
                return fmt::format(
                    "{} {} | {}", line.at("state").get<std::string>(), line.at("text").get<std::string>(),
                    line.value("remedy", ""));
        FAIL("no such finding");
        return {};
    }

    [[nodiscard]] int count(const std::string& state) const {
        int n = 0;
        for (const auto& line : document.at("checks")) n += line.at("state") == state ? 1 : 0;
        return n;
    }
};

/// Everything in schema tidesync, as text: equal texts mean that nobody wrote.
std::string contents(const database& where) {
    auto all = where.value("SELECT last_value || ' ' || is_called FROM tidesync.lease_token_seq");
    for (const auto& row : where.run("SELECT relname FROM pg_class WHERE relnamespace = 'tidesync'::regnamespace AND "
                                     "relkind = 'r' ORDER BY 1"))
        all += where.value(fmt::format(
            "SELECT coalesce(string_agg(concat_ws(' ', xmin, ctid, t::text), ';'), '') FROM tidesync.{} t",
            row[0].as<std::string>()));
    return all;
}

/// Runs a program of PostgreSQL's.
void run_program(const std::vector<std::string>& words) {
    process program{words, {}};
    const auto status = program.wait(60s);
    INFO(program.out() << program.err());
    REQUIRE(status == 0);
}

} // namespace

TEST_CASE("doctor finds nothing wrong with a worker of least privilege, and writes nothing", "[worker][doctor]") {
    const fixture f;
    REQUIRE(f.tell({"run", "slave-to-prod"}).status == 0);
    const auto before = contents(f.databases.production);

    const examined found{f.environment};
    INFO(found.shown);
    CHECK(found.status == 0);
    CHECK(found.document.at("success") == true);
    CHECK(found.count("problem") == 0);
    CHECK(found.count("warning") == 1); // the test servers forget on purpose:
    CHECK_THAT(found.find("fsync is off"), containing("warning"));
    CHECK_THAT(found.find("slave: role"), containing("ok") && containing("cannot write"));
    CHECK_THAT(found.find("slave: its clock"), containing("ok"));
    CHECK_THAT(found.find("production: no pooler"), containing("ok"));
    CHECK_THAT(found.find("tokens:"), containing("gave out 1") && containing("let pass is 1"));
    CHECK_THAT(found.find("last ended well"), containing("ok"));
    CHECK_THAT(found.find("QSTASH_TOKEN is not set"), containing("note"));
    CHECK(contents(f.databases.production) == before);

    const auto text = f.tell({"doctor"});
    CHECK(text.status == 0);
    CHECK_THAT(text.out, containing("0 problems, 1 warning"));
    CHECK_THAT(text.out + text.err + found.shown, !containing("a role of one test"));
}

TEST_CASE("doctor tells a pooler by its mode, and leaves nothing in its sessions", "[worker][doctor][pooler]") {
    const pair_of_databases databases;
    databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
    databases.slave.run("INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 1000) i");
    const auto mode = GENERATE(as<std::string>{}, "transaction", "session");
    CAPTURE(mode);
    const pooler_process in_front_of_slave{databases.slave, {.mode = mode}};
    const pooler_process in_front_of_production{databases.production, {.mode = mode}};
    auto environment = worker_environment(databases);
    environment["SLAVE_DATABASE_URL"] = in_front_of_slave.url(databases.slave);
    environment["PROD_DATABASE_URL"] = in_front_of_production.url(databases.production);

    const examined found{environment};
    CHECK(found.status == 0);
    for (const auto* name : {"slave: a pooler in ", "production: a pooler in "}) {
        const auto line = found.find(name);
        CHECK_THAT(line, containing(mode + " mode"));
        CHECK_THAT(line, containing(mode == "session" ? "ok " : "note "));
    }
    // What it says of a transaction pooler is true: the whole job works through it.
    const auto run = run_tidesync({"run", "slave-to-prod"}, environment);
    CAPTURE(run.err);
    CHECK(run.status == 0);
    CHECK(databases.production.value("SELECT count(*) FROM item") == "1000");

    // Every server connection that the pooler keeps is looked at: all are held at once.
    std::vector<std::unique_ptr<pqxx::connection>> held;
    std::vector<std::unique_ptr<pqxx::work>> open;
    for (int i = 0; i < 8; ++i) {
        held.push_back(std::make_unique<pqxx::connection>(in_front_of_slave.url(databases.slave)));
        open.push_back(std::make_unique<pqxx::work>(*held.back()));
        const auto word = open.back()->exec("SELECT coalesce(current_setting('tidesync.doctor', true), '')");
        CHECK(word[0][0].as<std::string>().empty());
    }
}

TEST_CASE("a pooler that has no second connection to give is a problem, in time", "[worker][doctor][pooler]") {
    const fixture f;
    const auto mode = GENERATE(as<std::string>{}, "transaction", "session");
    CAPTURE(mode);
    const pooler_process narrow{f.databases.slave, {.mode = mode, .pool_size = 1}};
    auto environment = worker_environment(f.databases);
    environment["SLAVE_DATABASE_URL"] = narrow.url(f.databases.slave);
    const auto start = std::chrono::steady_clock::now();
    const examined found{environment};
    CHECK(std::chrono::steady_clock::now() - start < 30s);
    CHECK(found.status == 1);
    if (mode == "transaction")
        CHECK_THAT(found.find("no snapshot can be handed on"), containing("problem") && containing("two connections"));
    else
        CHECK_THAT(found.find("looking for a pooler"), containing("problem") && containing("raise the pool's size"));
}

TEST_CASE("doctor names what a role lacks, and what it has too much of", "[worker][doctor]") {
    const fixture f;
    const auto& writer = f.writer.name();
    f.databases.production.run(fmt::format(
        "REVOKE INSERT ON tidesync.run FROM {0}; REVOKE CREATE ON SCHEMA tidesync_staging FROM {0}; "
        "REVOKE UPDATE ON item FROM {0}; GRANT DELETE ON tidesync.applied TO {0}",
        writer));
    f.databases.slave.run(fmt::format("GRANT INSERT ON item TO {}", f.reader.name()));
    const examined found{f.environment};
    CHECK(found.status == 1);
    const auto lacks = found.find("lacks");
    CHECK_THAT(lacks, containing("problem") && containing("INSERT on tidesync.run"));
    CHECK_THAT(lacks, containing("GRANT CREATE on schema tidesync_staging TO \"" + writer + "\";"));
    CHECK_THAT(found.find("rewrite"), containing("warning") && containing("tidesync.applied"));
    CHECK_THAT(found.find("cannot be written"), containing("problem") && containing("public.item"));
    CHECK_THAT(found.find("may write to 1 table"), containing("warning") && containing("public.item"));

    // Whoever may not store how a run ends must not begin one.
    const auto refused = f.tell({"run", "slave-to-prod"});
    CHECK(refused.status == 78);
    CHECK_THAT(refused.err, containing("its role lacks") && containing("`tidesync doctor` has the statements"));
    CHECK(f.tell({"serve"}).status == 78);
    CHECK(f.databases.production.value("SELECT count(*) FROM tidesync.run") == "0");
    // The remedy works as it is printed.
    const auto grant = lacks.substr(lacks.find("GRANT"));
    f.databases.production.run(grant);
    f.databases.production.run("GRANT UPDATE ON item TO " + writer);
    CHECK(examined{f.environment}.status == 0);

    f.databases.slave.run("ALTER TABLE item ENABLE ROW LEVEL SECURITY");
    CHECK_THAT(examined{f.environment}.find("row level security"), containing("problem") && containing("public.item"));

    const login_role stranger{f.databases.production};
    auto environment = f.environment;
    environment["PROD_DATABASE_URL"] = stranger.url();
    const examined strange{environment};
    CHECK(strange.status == 1);
    CHECK_THAT(strange.find("lacks"), containing("more") && containing("What the roles need"));
}

TEST_CASE("doctor names the tables whose rows are to be deleted and cannot be", "[worker][doctor][deletes]") {
    fixture f;
    f.databases.run_on_both("CREATE TABLE kept (id int PRIMARY KEY); CREATE TABLE \"Odd name\" (id int PRIMARY KEY)");
    let_read(f.databases.slave, f.reader.name());
    let_write(f.databases.production, f.writer.name());
    const temporary_file file{"jobs:\n  slave-to-prod:\n    tables:\n      public.*: {delete: hard}\n"
                              "      public.kept: {delete: off}\n"};
    f.environment["TIDESYNC_CONFIG"] = file.path;
    const examined found{f.environment};
    CHECK(found.status == 1);
    CHECK(found.count("problem") == 1); // one for all of them
    const auto line = found.find("may not delete");
    CHECK_THAT(line, containing("problem ") && containing("public.Odd name, public.item"));
    CHECK_THAT(line, !containing("kept"));

    // The remedy works as it is printed, for doctor and for a run.
    const auto begin = line.find("GRANT DELETE");
    REQUIRE(begin != std::string::npos);
    f.databases.production.run(line.substr(begin, line.find(';') - begin));
    const examined granted{f.environment};
    CHECK(granted.status == 0);
    CHECK_THAT(granted.shown, !containing("may not delete"));
    f.databases.production.run("INSERT INTO \"Odd name\" VALUES (1)");
    f.databases.slave.run("INSERT INTO \"Odd name\" VALUES (2)");
    CHECK(f.tell({"run", "slave-to-prod"}).status == 0);
    CHECK(f.databases.production.value("SELECT string_agg(id::text, ',') FROM \"Odd name\"") == "2");
}

TEST_CASE("a role with what the documentation lists sees a run through, whichever way it ends", "[worker][doctor]") {
    const fixture f;
    CHECK(f.tell({"run", "slave-to-prod"}).status == 0);
    f.databases.production.run("ALTER TABLE item ADD CHECK (id <> 11)");
    f.databases.slave.run("INSERT INTO item VALUES (11, 'refused')");
    CHECK(f.tell({"run", "slave-to-prod"}).status == 3);
    CHECK(f.databases.production.value("SELECT state FROM tidesync.run ORDER BY created_at DESC LIMIT 1") == "dead");
    CHECK(f.databases.production.value("SELECT type FROM tidesync.alarm") == "run.dead");
}

TEST_CASE("doctor sees limits of roles and databases", "[worker][doctor]") {
    const fixture f;
    const auto& name = f.writer.name();
    f.databases.production.run(fmt::format(
        "ALTER ROLE {0} SET default_transaction_read_only = on; ALTER ROLE {0} SET statement_timeout = '2min'; "
        "ALTER ROLE {0} CONNECTION LIMIT 7",
        name));
    const examined found{f.environment};
    CHECK(found.status == 1);
    CHECK_THAT(found.find("default_transaction_read_only"), containing("problem") && containing(name));
    CHECK_THAT(found.find("statement_timeout is 120000 ms"), containing("note"));
    CHECK_THAT(found.find("the role allows"), containing("warning") && containing("CONNECTION LIMIT 76"));
}

TEST_CASE("a schema that is missing, old or new is told", "[worker][doctor]") {
    const database slave{database::on::slave};
    const database production{database::on::production};
    const variables environment{{"SLAVE_DATABASE_URL", slave.url()}, {"PROD_DATABASE_URL", production.url()}};
    const examined missing{environment};
    CHECK(missing.status == 1);
    CHECK_THAT(missing.find("is missing"), containing("problem") && containing("tidesync migrate"));
    REQUIRE(run_tidesync({"migrate"}, environment).status == 0);
    production.run("INSERT INTO tidesync.schema_version (part, version) VALUES ('run_store', 99)");
    CHECK_THAT(examined{environment}.find("version 99"), containing("problem") && containing("use the newer binary"));
    production.run("DELETE FROM tidesync.schema_version WHERE part = 'run_store' AND version > 1");
    CHECK_THAT(examined{environment}.find("at run_store version 1"), containing("problem") && containing("migrate"));
}

TEST_CASE("a database that is away is found out in time, and the rest is still looked at", "[worker][doctor]") {
    const fixture f;
    auto environment = f.environment;
    environment["SLAVE_DATABASE_URL"] = "postgresql://reader:hunter2secret@127.0.0.1:1/app";
    const examined refused{environment};
    CHECK(refused.status == 3);
    CHECK_THAT(refused.find("slave 127.0.0.1:1/app"), containing("problem"));
    CHECK_THAT(refused.find("tokens:"), containing("ok"));
    CHECK_THAT(refused.shown, !containing("hunter2secret"));

    // Takes the connection and never says a word.
    const canned_server silent{
        {{.bytes = "", .afterwards = canned_answer::then::stall},
         {.bytes = "", .afterwards = canned_answer::then::stall}}};
    environment["SLAVE_DATABASE_URL"] =
        fmt::format("postgresql://reader@127.0.0.1:{}/app?connect_timeout=2&sslmode=disable", silent.port());
    const auto start = std::chrono::steady_clock::now();
    const examined hanging{environment};
    CHECK(std::chrono::steady_clock::now() - start < 15s);
    CHECK(hanging.status == 3);
    CHECK_THAT(hanging.find("production: its clock"), containing("ok"));

    environment = f.environment;
    environment["TIDESYNC_DATABASE_URL"] = "postgresql://store:hunter2secret@127.0.0.1:1/app";
    const examined without_store{environment};
    CHECK(without_store.status == 3);
    CHECK_THAT(without_store.find("not compared"), containing("note"));
}

TEST_CASE("a pooler that stands still is a database that is away", "[worker][doctor][pooler]") {
    const fixture f;
    pooler_process frozen{f.databases.slave, {}};
    auto environment = worker_environment(f.databases);
    environment["SLAVE_DATABASE_URL"] = frozen.url(f.databases.slave) + "?connect_timeout=2";
    frozen.process().signal(SIGSTOP);
    const auto run = run_tidesync({"doctor", "--json"}, environment);
    frozen.process().signal(SIGCONT);
    CHECK(run.status == 3);
}

TEST_CASE(
    "a run store restored from a backup is noticed by the next run, and doctor has the remedy", "[worker][doctor]") {
    const pair_of_databases databases;
    const database store{database::on::production};
    auto environment = worker_environment(databases);
    environment["TIDESYNC_DATABASE_URL"] = store.url();
    databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
    databases.slave.run("INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 10) i");
    REQUIRE(run_tidesync({"migrate"}, environment).status == 0);
    REQUIRE(run_tidesync({"run", "slave-to-prod"}, environment).status == 0);

    const auto backup = fmt::format("/tmp/tidesync-backup-{}.sql", store.value("SELECT current_database()"));
    run_program({"/usr/bin/pg_dump", "--schema=tidesync", "--file=" + backup, store.url()});
    for (int i = 0; i < 3; ++i) REQUIRE(run_tidesync({"run", "slave-to-prod"}, environment).status == 0);
    CHECK(examined{environment}.count("problem") == 0);
    store.run("DROP SCHEMA tidesync CASCADE");
    run_program({"/usr/bin/psql", "--quiet", "-v", "ON_ERROR_STOP=1", "--file=" + backup, store.url()});
    std::remove(backup.c_str());

    databases.slave.run("UPDATE item SET name = 'newer'");
    const auto rows = databases.production.value("SELECT string_agg(concat_ws(' ', xmin, ctid, i), ';') FROM item i");
    const auto refused = run_tidesync({"run", "slave-to-prod", "--json"}, environment);
    CAPTURE(refused.out, refused.err);
    CHECK(refused.status == 3);
    const auto error = nlohmann::json::parse(refused.out).at("error");
    CHECK(error.at("code") == "store_behind");
    CHECK_THAT(error.at("message").get<std::string>(), containing("the run store is older than production"));
    CHECK_THAT(error.at("hint").get<std::string>(), containing("restored") && containing("`tidesync doctor`"));
    CHECK(databases.production.value("SELECT string_agg(concat_ws(' ', xmin, ctid, i), ';') FROM item i") == rows);
    CHECK(databases.production.value("SELECT count(*) FROM tidesync.applied") == "4");
    CHECK(store.value("SELECT error ->> 'code' FROM tidesync.run ORDER BY created_at DESC LIMIT 1") == "store_behind");

    const examined found{environment};
    CHECK(found.status == 1);
    const auto behind = found.find("the run store is older than production");
    CHECK_THAT(behind, containing("its last token is 2, production let 4 pass"));
    CHECK_THAT(found.find("does not know"), containing("warning") && containing("3 belong to runs"));

    const auto begin = behind.find("SELECT setval");
    store.run(behind.substr(begin, behind.find(';', begin) - begin));
    CHECK(run_tidesync({"run", "slave-to-prod"}, environment).status == 0);
    CHECK(databases.production.value("SELECT count(*) FROM item WHERE name = 'newer'") == "10");
    const examined again{environment};
    CHECK(again.status == 0);
    CHECK_THAT(again.find("tokens:"), containing("ok"));
}

TEST_CASE("doctor tells of runs that need somebody", "[worker][doctor]") {
    const fixture f;
    REQUIRE(f.tell({"run", "slave-to-prod"}).status == 0);
    REQUIRE(f.tell({"pause", "slave-to-prod", "--reason", "schema change"}).status == 0);
    const auto& production = f.databases.production;
    production.run("INSERT INTO tidesync.run (job, state, trigger, actor, error, finished_at) VALUES ('slave-to-prod', "
                   "'dead', 'qstash', 'x', '{\"code\": \"data_refused\", \"message\": \"no\"}', now())");
    const examined found{f.environment};
    CHECK(found.status == 1);
    CHECK_THAT(found.find("is paused"), containing("warning") && containing("schema change"));
    CHECK_THAT(found.find("died"), containing("problem") && containing("data_refused") && containing("runs retry"));

    REQUIRE(f.tell({"resume", "slave-to-prod"}).status == 0);
    production.run("INSERT INTO tidesync.run (job, state, trigger, actor, slot, finished_at) VALUES ('slave-to-prod', "
                   "'succeeded', 'cronjob', 'ensure', now(), now())");
    CHECK_THAT(examined{f.environment}.find("the fallback ran 1 time"), containing("warning"));
    production.run(
        "INSERT INTO tidesync.run (job, state, trigger, actor, run_after) VALUES ('slave-to-prod', 'queued', "
        "'qstash', 'x', now() - interval '10 minutes')");
    CHECK_THAT(examined{f.environment}.find("no worker takes it up"), containing("10 min"));
}

TEST_CASE("doctor looks at the schedule where it may ask QStash", "[worker][doctor][schedule]") {
    const fixture f;
    const database kept{database::on::production};
    const scheduler_process scheduler{kept};
    auto environment = f.environment;
    environment["QSTASH_URL"] = scheduler.url();
    environment["QSTASH_TOKEN"] = scheduler_process::token;
    environment["TIDESYNC_PUBLIC_URL"] = "http://127.0.0.1:9";
    CHECK_THAT(examined{environment}.find("has no schedule"), containing("warning") && containing("tidesync setup"));
    REQUIRE(run_tidesync({"schedule", "create"}, environment).status == 0);
    const examined fine{environment};
    CHECK(fine.status == 0);
    CHECK_THAT(fine.find("ticks by `0 */6 * * *`"), containing("ok"));
    CHECK_THAT(fine.find("mean the same ticks"), containing("ok"));

    REQUIRE(run_tidesync({"schedule", "pause"}, environment).status == 0);
    CHECK_THAT(examined{environment}.find("is paused"), containing("warning"));
    environment["TIDESYNC_DELIVERY_WAIT"] = "60";
    const examined short_one{environment};
    CHECK(short_one.status == 1);
    CHECK_THAT(short_one.find("not as this worker needs it"), containing("timeout"));
    environment["QSTASH_URL"] = "http://127.0.0.1:1";
    const examined away{environment};
    CHECK(away.status == 1);
    CHECK_THAT(away.find("QStash: "), containing("problem"));
    CHECK_THAT(away.shown, !containing(scheduler_process::token));
}

TEST_CASE("doctor without settings says what is missing", "[worker][doctor]") {
    const auto run = run_tidesync({"doctor", "--json"}, {});
    CHECK(run.status == 78);
    CHECK(nlohmann::json::parse(run.out).at("error").at("code") == "configuration");
    CHECK_THAT(run.err, containing("SLAVE_DATABASE_URL") && containing("PROD_DATABASE_URL"));
    CHECK(run_tidesync({"doctor", "--unknown"}, {}).status == 64);
}
