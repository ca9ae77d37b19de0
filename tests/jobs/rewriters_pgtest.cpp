#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

using namespace tidesync::tests;

// Triggers and rules of production have the last word on what lands; a run must not claim more than they let through.

namespace {

/// Two rows on the slave; in production an older state of the first.
void make_table(const sync_fixture& f) {
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    f.both.slave.run("INSERT INTO t VALUES (1, 'new'), (2, 'new')");
    f.both.production.run("INSERT INTO t VALUES (1, 'old')");
}

} // namespace

// bucardo#123, #245: rows do not arrive, and the sync is told as done.
TEST_CASE("rows that a trigger or rule of production drops end the run, and nothing lands", "[jobs][rewriters]") {
    for (const auto* dropper :
         {"CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$; "
          "CREATE TRIGGER dropper BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION drop_it()",
          "CREATE RULE dropper AS ON INSERT TO t DO INSTEAD NOTHING"}) {
        CAPTURE(dropper);
        sync_fixture f;
        make_table(f);
        f.both.production.run(dropper);
        const auto said = ending(f.sync());
        CHECK(lacking(said, {"give_up data_refused", "public.t", "1 rows did not land", "dropper"}) == none);
        CHECK(f.both.production.value("SELECT string_agg(v, ',') FROM t") == "old");
    }
}

TEST_CASE("rows that a trigger of production changes are named in a warning", "[jobs][rewriters]") {
    sync_fixture f;
    make_table(f);
    f.both.production.run(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.v := 'touched'; RETURN NEW; END$$; "
        "CREATE TRIGGER toucher BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch()");
    const auto result = f.sync();
    REQUIRE(ending(result) == "done");
    CHECK(lacking(warnings(result), {"public.t", "2 rows are not as on the slave", "trigger toucher"}) == none);
    CHECK_FALSE(result.what.in_step());
    CHECK(result.what.totals().unchanged == 0);
}

TEST_CASE("triggers that let rows pass are no matter for a warning", "[jobs][rewriters]") {
    sync_fixture f;
    make_table(f);
    f.both.production.run("CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; "
                          "CREATE TRIGGER passer BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION pass()");
    const auto result = f.sync();
    REQUIRE(ending(result) == "done");
    CHECK(warnings(result) == none);
    CHECK(f.difference("t") == none);
}

TEST_CASE("what a trigger says never reaches us, whatever code it gives its exception", "[jobs][rewriters]") {
    sync_fixture f;
    make_table(f);
    f.both.production.run("CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
                          "RAISE 'CANARY %', NEW.v USING ERRCODE = 'check_violation'; END$$; "
                          "CREATE TRIGGER complainer BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION complain()");
    const auto said = ending(f.sync());
    CHECK(lacking(said, {"give_up data_refused", "inserting into public.t"}) == none);
    CHECK(said.find("CANARY") == std::string::npos);
}
