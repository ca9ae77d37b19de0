#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <chrono>
#include <fmt/format.h>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;

// Whatever fails, and whenever: production is exactly as it was, nothing lies about, and the error says where and why.

namespace {

/// Three tables in foreign-key order; the last is what goes wrong.
const std::string three_tables =
    "CREATE TABLE first (id int PRIMARY KEY, v text); CREATE TABLE second (id int PRIMARY KEY, first int REFERENCES "
    "first); "
    "CREATE TABLE third (id int PRIMARY KEY, second int REFERENCES second, v text, n int); ";
const std::string their_rows =
    "INSERT INTO first VALUES (1, 'new'), (2, 'new'); INSERT INTO second VALUES (1, 1), (2, 2); "
    "INSERT INTO third VALUES (1, 1, 'CANARY', 4242), (2, 2, 'fine', 1)";
const std::string our_rows = "INSERT INTO first VALUES (1, 'old'); INSERT INTO second VALUES (1, 1); INSERT INTO third "
                             "VALUES (2, 1, 'old', 0); ";

class stopwatch {
public:
    [[nodiscard]] std::chrono::milliseconds elapsed() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start_);
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

} // namespace

// ankane/pgsync#102: a run that is broken off leaves a table empty. koltyakov/pgsync [code]: each batch is committed.
TEST_CASE("a row that production refuses undoes the whole run and shows no value", "[jobs][failures]") {
    struct row {
        const char* what;
        const char* production;
        std::vector<std::string_view> words;
    };
    const std::vector<row> cases{
        {"unique",
         "ALTER TABLE third ADD CONSTRAINT one_v UNIQUE (v); INSERT INTO third VALUES (9, 1, 'CANARY', 0)",
         {"inserting into public.third", "unique constraint \"one_v\""}},
        {"check",
         "ALTER TABLE third ADD CONSTRAINT small_n CHECK (n < 100)",
         {"public.third", "check constraint \"small_n\""}},
        {"not null",
         "ALTER TABLE third ALTER second SET NOT NULL; UPDATE third SET n = 1; ALTER TABLE third ADD q text NOT NULL "
         "DEFAULT 'x'; "
         "ALTER TABLE third ADD CONSTRAINT short_v CHECK (length(v) < 5)",
         {"public.third", "short_v"}},
        {"foreign key",
         "CREATE TABLE known (v text PRIMARY KEY); INSERT INTO known VALUES ('old'); "
         "ALTER TABLE third ADD CONSTRAINT known_v FOREIGN KEY (v) REFERENCES known",
         {"public.third", "foreign key constraint \"known_v\""}},
        {"exclusion",
         "CREATE EXTENSION btree_gist; INSERT INTO third VALUES (9, 1, 'CANARY', 0); "
         "ALTER TABLE third ADD CONSTRAINT alone EXCLUDE USING gist (v WITH =)",
         {"public.third", "exclusion constraint \"alone\""}},
        {"domain",
         "CREATE DOMAIN tiny AS int CONSTRAINT tiny_check CHECK (value < 100); ALTER TABLE third ADD m tiny; "
         "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.m := NEW.n; RETURN NEW; END'; "
         "CREATE TRIGGER fill BEFORE INSERT ON third FOR EACH ROW EXECUTE FUNCTION fill()",
         {"public.third", "check constraint \"tiny_check\""}},
        {"trigger",
         "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not % here'', NEW.v; END'; "
         "CREATE TRIGGER no BEFORE INSERT ON third FOR EACH ROW EXECUTE FUNCTION no()",
         {"public.third", "a trigger or function raised an exception"}},
        {"cast in a trigger",
         "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.n := NEW.v::int; RETURN NEW; END'; "
         "CREATE TRIGGER no BEFORE INSERT ON third FOR EACH ROW EXECUTE FUNCTION no()",
         {"public.third", "invalid input syntax for type integer"}},
        {"a unique value that moves",
         "ALTER TABLE third ADD CONSTRAINT one_n UNIQUE (n); INSERT INTO third VALUES (8, 1, 'x', 4242)",
         {"public.third", "unique constraint \"one_n\""}},
    };
    for (const auto& [what, production, words] : cases) {
        CAPTURE(what);
        sync_fixture f;
        f.both.run_on_both(three_tables);
        f.both.slave.run(their_rows);
        f.both.production.run(our_rows + production);
        const auto rows = f.rows_of(f.both.production);

        const auto result = f.sync();

        const auto said = ending(result);
        CHECK(lacking(said, {"give_up data_refused: production: "}) == none);
        for (const auto word : words) CHECK(lacking(said, {word}) == none);
        for (const auto* value : {"CANARY", "4242"}) CHECK(said.find(value) == std::string::npos);
        CHECK(warnings(result) == none);
        CHECK(f.rows_of(f.both.production) == rows);
        CHECK(f.staging() == none);
        CHECK(f.both.production.value("SELECT count(*) FROM tidesync.applied") == "0");
        CHECK(f.both.production.value("SELECT count(*) FROM tidesync.fence") == "0");
    }
}

TEST_CASE("an enum label that production lacks is refused without showing it", "[jobs][failures]") {
    sync_fixture f;
    f.both.slave.run("CREATE TYPE mood AS ENUM ('ok', 'CANARY'); CREATE TABLE t (id int PRIMARY KEY, m mood); "
                     "INSERT INTO t VALUES (1, 'CANARY')");
    f.both.production.run("CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (id int PRIMARY KEY, m mood)");
    for (const auto* activity : {"loading", "staging"}) {
        const auto said = ending(f.sync());
        CHECK(lacking(said, {"give_up data_refused: production: ", activity, "public.t", "enum"}) == none);
        CHECK(said.find("CANARY") == std::string::npos);
        CHECK(f.staging() == none);
        f.both.production.run("INSERT INTO t VALUES (2, 'ok') ON CONFLICT DO NOTHING"); // not empty the second time
    }
}

TEST_CASE("a run that is told to stop while it reads ends soon and leaves nothing", "[jobs][stop]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    f.both.slave.run("INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 400000) AS i");
    stopwatch watch;
    std::int64_t last = 0;
    f.progress.on_rows = [&](std::string_view, std::int64_t rows) {
        last = rows;
        if (rows > 0 && f.stop.request_stop()) watch = {};
    };

    const auto said = ending(f.sync());

    CHECK(watch.elapsed() < std::chrono::seconds{3});
    CHECK(lacking(said, {"give_up stopped: ", "as it was before"}) == none);
    CHECK(last < 100000); // while rows come in without a pause, too
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
    CHECK(f.staging() == none);
}

TEST_CASE("a run that is told to stop while it waits for a lock ends soon and leaves nothing", "[jobs][stop]") {
    sync_fixture f;
    f.both.run_on_both(three_tables);
    f.both.slave.run(their_rows);
    f.both.production.run(our_rows);
    const auto rows = f.rows_of(f.both.production);
    pqxx::connection holder{f.both.production.url()};
    pqxx::work held{holder};
    held.exec("SELECT FROM third WHERE id = 2 FOR UPDATE");
    bool applying = false;
    std::jthread stopper;
    stopwatch watch;
    f.progress.on_phase = [&](std::string_view phase) { applying = phase == "apply"; };
    f.progress.on_rows = [&](std::string_view table, std::int64_t) {
        if (!applying || table != "public.third") return;
        stopper = std::jthread{[&] {
            std::this_thread::sleep_for(std::chrono::milliseconds{500}); // it waits for the row by now
            watch = {};
            f.stop.request_stop();
        }};
    };

    const auto said = ending(f.sync());

    stopper.join();
    CHECK(watch.elapsed() < std::chrono::seconds{3});
    CHECK(lacking(said, {"give_up stopped: "}) == none);
    held.abort();
    CHECK(f.rows_of(f.both.production) == rows);
    CHECK(f.staging() == none);
}

TEST_CASE("a run that is told to stop before it begins changes nothing", "[jobs][stop]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    f.stop.request_stop();
    CHECK(lacking(ending(f.sync()), {"give_up stopped: "}) == none);
    CHECK(lacking(ending(f.check()), {"give_up stopped: "}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
    CHECK(f.staging() == none);
}

// ankane/pgsync PR#238: hours with locks of foreign keys.
TEST_CASE("a lock that is not given in time is tried again later", "[jobs][failures]") {
    sync_fixture f;
    f.both.run_on_both(three_tables);
    f.both.slave.run(their_rows);
    f.both.production.run(our_rows);
    f.limits.lock = std::chrono::seconds{1};
    const auto rows = f.rows_of(f.both.production);
    {
        pqxx::connection holder{f.both.production.url()};
        pqxx::work held{holder};
        held.exec("SELECT FROM third WHERE id = 2 FOR UPDATE");
        CHECK(
            lacking(ending(f.sync()), {"retry busy: production: updating public.third", "lock timeout", "pg_locks"}) ==
            none);
        CHECK(f.rows_of(f.both.production) == rows);
        CHECK(f.staging() == none);
    }
    REQUIRE(ending(f.sync()) == "done");
    CHECK(f.difference("third") == none);
}

TEST_CASE("a statement that takes too long ends the run by name of the limit", "[jobs][failures]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    f.both.production.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(20); RETURN NEW; END'; "
        "CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()");
    f.limits.statement = std::chrono::seconds{1};
    CHECK(
        lacking(
            ending(f.sync()), {"give_up time_limit: production: inserting into public.t", "statement timeout",
                               "statement_timeout_s"}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
    CHECK(f.staging() == none);
}

TEST_CASE("a connection that is lost while rows are written is tried again later", "[jobs][failures]") {
    sync_fixture f;
    f.both.run_on_both(three_tables);
    f.both.slave.run(their_rows);
    f.both.production.run(our_rows);
    const auto rows = f.rows_of(f.both.production);
    bool applying = false;
    f.progress.on_phase = [&](std::string_view phase) { applying = phase == "apply"; };
    f.progress.on_rows = [&](std::string_view table, std::int64_t) {
        if (!applying || table != "public.third") return;
        f.both.production.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid()");
    };
    CHECK(lacking(ending(f.sync()), {"retry unreachable: production: "}) == none);
    CHECK(f.rows_of(f.both.production) == rows);
    CHECK(f.staging() == none);
}

TEST_CASE("a slave that goes away while it is read is tried again later", "[jobs][failures]") {
    sync_fixture f;
    f.both.run_on_both(three_tables);
    f.both.slave.run(their_rows);
    f.both.production.run(our_rows);
    bool staging = false;
    f.progress.on_phase = [&](std::string_view phase) { staging = phase == "stage"; };
    f.progress.on_rows = [&](std::string_view table, std::int64_t) {
        if (!staging || table != "public.third") return;
        f.both.slave.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid()");
    };
    CHECK(lacking(ending(f.sync()), {"retry unreachable: slave: reading public.third"}) == none);
    CHECK(f.both.production.value("SELECT v FROM first") == "old");
    CHECK(f.staging() == none);
}

TEST_CASE("a slave that goes away while a table is loaded is tried again later", "[jobs][failures]") {
    sync_fixture f;
    f.both.run_on_both(three_tables);
    f.both.slave.run(their_rows);
    f.progress.on_rows = [&](std::string_view table, std::int64_t rows) {
        if (table != "public.second" || rows == 0) return; // it has begun to arrive
        f.both.slave.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid()");
    };
    CHECK(lacking(ending(f.sync()), {"retry unreachable: slave: "}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM first") == "0");
}

// pgcopydb#147: exit codes are no proof.
TEST_CASE("a connection that is lost during COMMIT is told by the receipt, not guessed", "[jobs][failures]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    f.both.slave.run("INSERT INTO t VALUES (1)");
    // What is deferred happens before COMMIT, except what that defers once more.
    f.both.production.run(
        "CREATE TABLE later (id int); "
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN SET CONSTRAINTS ALL DEFERRED; INSERT INTO later VALUES (1); RETURN NEW; END'; "
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "
        "again(); "
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(20); RETURN NEW; END'; "
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE "
        "FUNCTION slow()");
    const std::jthread killer{[&] {
        const std::string kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                                 "current_database() AND query ILIKE 'commit%' "
                                 "AND state = 'active'";
        for (int i = 0; i < 100 && f.both.production.value(kill) == "0"; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }};
    const auto run = f.next_run();
    CHECK(lacking(ending(f.sync(run)), {"retry unreachable: production: committing"}) == none);
    CHECK(f.both.production.value("SELECT count(*) FROM t") == "0");
    f.both.production.run("DROP TRIGGER slow ON t");
    CHECK(written(f.sync(run), "public.t") == "+1 ~0 =0"); // the same run again
}
