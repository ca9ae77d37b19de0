#include "tests/catch.hpp"
#include "tests/jobs/random_types.hpp"
#include "tests/jobs/random_world.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <string>
#include <vector>

using namespace tidesync;
using namespace tidesync::tests;

// One property, tried on tables and rows that nobody has thought of: after one sync production is in step, check has
// said beforehand what the sync would do, and the next sync finds nothing to do.

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable); // NOLINT(concurrency-mt-unsafe): nobody changes the environment
    return text == nullptr || *text == '\0' ? otherwise : std::stoull(text);
}

/// Missing and different rows as `check` counts them, or inserted and updated ones as `sync` does; of every table.
std::map<std::string, std::string> counts(const jobs::result& result, bool of_check) {
    std::map<std::string, std::string> all;
    for (const auto& table : result.what.tables)
        all[table.name] = of_check ? fmt::format("+{} ~{}", table.missing, table.different)
                                   : fmt::format("+{} ~{}", table.inserted, table.updated);
    return all;
}

void bring_in_step(const random_world& world) {
    sync_fixture f;
    for (const auto& sql : world.slave) f.both.slave.run(sql);
    for (const auto& sql : world.production) f.both.production.run(sql);
    for (const auto& table : world.tables)
        CHECK(f.both.slave.value("SELECT count(*) FROM " + table.sql) == std::to_string(table.rows_on_slave));

    const auto before = f.check();
    const auto result = f.sync();

    CHECK(ending(before) == "done");
    CHECK(ending(result) == "done");
    if (ending(before) != "done" || ending(result) != "done") return;
    CHECK(result.what.tables.size() == world.tables.size());
    CHECK(counts(before, true) == counts(result, false));
    for (const auto& table : world.tables) CHECK(f.difference(table.sql, table.key) == none);

    const auto after = f.check();
    const auto rows = f.rows_of(f.both.production);
    const auto again = f.sync();

    CHECK(ending(after) == "done");
    CHECK(after.what.in_step());
    CHECK(ending(again) == "done");
    CHECK(again.what.totals().inserted == 0);
    CHECK(again.what.totals().updated == 0);
    CHECK(f.rows_of(f.both.production) == rows);
    CHECK(f.staging() == none);
}

/// The seeds are dealt out to several tests, which CTest runs side by side. It ends each of them after five minutes:
/// for thousands of worlds start the program itself.
void try_worlds(std::uint64_t share, std::uint64_t shares = 4) {
    const auto first = number_from("TIDESYNC_RANDOM_SEED", 1);
    const auto worlds = number_from("TIDESYNC_RANDOM_WORLDS", 100);
    for (auto seed = first + share; seed < first + worlds; seed += shares) {
        const auto world = make_random_world(seed);
        CAPTURE(seed);
        INFO("alone again: TIDESYNC_RANDOM_SEED=" << seed << " TIDESYNC_RANDOM_WORLDS=1 and the tests [random]");
        INFO(fmt::format(
            "the slave:\n{}\nproduction:\n{}", fmt::join(world.slave, ""), fmt::join(world.production, "")));
        try {
            bring_in_step(world);
        } catch (const std::exception& e) {
            FAIL_CHECK(e.what());
        }
    }
}

} // namespace

TEST_CASE(
    "random tables in random states are in step after one sync, and the next one writes nothing", "[jobs][random]") {
    try_worlds(0);
}

TEST_CASE("random tables are in step after one sync: the second quarter of the seeds", "[jobs][random]") {
    try_worlds(1);
}

TEST_CASE("random tables are in step after one sync: the third quarter of the seeds", "[jobs][random]") {
    try_worlds(2);
}

TEST_CASE("random tables are in step after one sync: the last quarter of the seeds", "[jobs][random]") {
    try_worlds(3);
}

TEST_CASE("a seed means one world", "[jobs][random]") {
    for (const std::uint64_t seed : {1U, 17U, 100U}) {
        CHECK(make_random_world(seed).slave == make_random_world(seed).slave);
        CHECK(make_random_world(seed).production == make_random_world(seed).production);
    }
    CHECK(make_random_world(1).slave != make_random_world(2).slave);
}

TEST_CASE("a hundred random worlds hold all that they are made for", "[jobs][random]") {
    const std::map<int, std::vector<std::string>> worlds_at_least{
        {20,
         {"statistics on the slave", "a table that refers to another", "a table that refers to itself",
          "rows that only production has", "a value that only its image tells apart", "columns in another order",
          "a unique key that is not primary"}},
        {12,
         {"tables in a circle", "a large table", "a key of two columns", "a key of three columns",
          "a key that is spelled otherwise", "unique values that two rows swap", "unique values that go round",
          "a unique value that moves to a new row", "a unique value that moves to another row", "a unique column",
          "an exclusion constraint", "odd names", "a column that only production has",
          "a column that production had once"}},
        {8,
         {"a unique column that is checked at the end",
          "a unique column that is checked after each statement",
          "a unique column with one null",
          "a unique index over lower()",
          "a unique index of rows that are live",
          "a unique index of rows that are not gone",
          "a deferrable key",
          "a table that is empty in production",
          "a table that is equal from the start",
          "a large table where unique values move",
          "other partitions",
          "a column that is computed on both sides",
          "a column that is computed on the slave",
          "a column that is computed in production",
          "key int4",
          "key int8",
          "key text",
          "key uuid",
          "key numeric",
          "key citext",
          "key text COLLATE ignores_case",
          "key date",
          "key timestamptz",
          "key mood",
          "key bytea"}},
        {5,
         {"partitions in production alone", "partitions on the slave alone", "an identity that is always generated",
          "an identity by default", "an odd schema", "a text of 100 kB"}},
        {1, {"the same partitions", "a large table that is empty in production"}},
    };
    std::map<std::string, int> worlds_with;
    for (std::uint64_t seed = 1; seed <= 100; ++seed)
        for (const auto& feature : make_random_world(seed).features) ++worlds_with[feature];

    for (const auto& [minimum, features] : worlds_at_least)
        for (const auto& feature : features) {
            CAPTURE(feature);
            CHECK(worlds_with[feature] >= minimum);
        }
    for (const auto& type : column_types()) {
        CAPTURE(type.name);
        CHECK(worlds_with["type " + type.name] >= 5);
    }
}
