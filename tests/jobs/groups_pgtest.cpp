#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <string>

using namespace tidesync;
using namespace tidesync::tests;

// Groups of tables: a job each, with runs, a fence and a transaction of their own.

namespace {

/// Tables with one row that is new; `log_*` are a group.
void make_tables(sync_fixture& f) {
    f.rules.groups = {{.name = "logs", .tables = {"public.log_*"}}};
    f.both.run_on_both(
        "CREATE TABLE item (id int PRIMARY KEY, v text); CREATE TABLE log_a (id int PRIMARY KEY, v text); "
        "CREATE TABLE log_b (id int PRIMARY KEY, v text); INSERT INTO item VALUES (0, ''); "
        "INSERT INTO log_a VALUES (0, ''); INSERT INTO log_b VALUES (0, '')");
    f.both.slave.run(
        "INSERT INTO item VALUES (1, 'x'); INSERT INTO log_a VALUES (1, 'x'); INSERT INTO log_b VALUES (1, 'x')");
}

std::string tables_of(const jobs::result& result) {
    std::string names;
    for (const auto& table : result.what.tables) names += (names.empty() ? "" : " ") + table.name;
    return names;
}

} // namespace

TEST_CASE("a group's job syncs its tables, the main job those of none", "[jobs][sync][groups]") {
    sync_fixture f;
    make_tables(f);
    const auto rest = f.sync();
    CHECK(ending(rest) == "done");
    CHECK(tables_of(rest) == "public.item");
    CHECK(f.both.production.value("SELECT count(*) FROM log_a") == "1");

    f.rules.group = "logs";
    const auto logs = f.sync();
    CHECK(ending(logs) == "done");
    CHECK(tables_of(logs) == "public.log_a public.log_b");
    CHECK(f.check().what.in_step());
    CHECK(
        f.both.production.value("SELECT string_agg(job, ' ' ORDER BY job) FROM tidesync.fence") ==
        "slave-to-prod slave-to-prod-logs");
    CHECK(
        f.both.production.value("SELECT string_agg(job, ' ' ORDER BY job) FROM tidesync.applied") ==
        "slave-to-prod slave-to-prod-logs");
}

TEST_CASE("a table that moves into a group is not missing from the run that had it", "[jobs][sync][groups][guards]") {
    sync_fixture f;
    make_tables(f);
    const auto groups = std::exchange(f.rules.groups, {});
    REQUIRE(tables_of(f.sync()) == "public.item public.log_a public.log_b");
    f.rules.groups = groups;
    CHECK(ending(f.sync()) == "done");
    f.rules.group = "logs";
    CHECK(ending(f.sync()) == "done");
    f.both.slave.run("DROP TABLE log_b");
    CHECK(lacking(ending(f.sync()), {"guarded", "public.log_b"}) == none);
}

TEST_CASE("a run leaves what another group has staged alone", "[jobs][sync][groups]") {
    sync_fixture f;
    make_tables(f);
    bool inside = false;
    std::string staged;
    f.progress.on_phase = [&](std::string_view phase) {
        if (phase != "apply" || std::exchange(inside, true)) return;
        staged = f.staging();
        f.rules.group = "logs";
        CHECK(ending(f.sync()) == "done"); // whose token is newer
        CHECK(f.staging() == staged);
    };
    const auto result = f.sync();
    CHECK(ending(result) == "done");
    CHECK(written(result, "public.item") == "+1 ~0 =1");
    CHECK(lacking(staged, {"slave_to_prod_1_0"}) == none);
    CHECK(f.staging().empty());
    CHECK(f.difference("item") == none);
    CHECK(f.difference("log_a") == none);
}
