#include "jobs/slave_to_prod/guards.hpp"

#include "tests/catch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace tidesync::slave_to_prod;
using namespace std::chrono_literals;

namespace {

/// A table of a thousand rows on both sides.
table_facts thousand() { return {.name = {"public", "t"}, .slave_rows = 1000, .production_rows = 1000}; }

std::string judged(const run_facts& facts, const table_rules& rules = {}) {
    return fmt::format("{}", fmt::join(judge(facts, rules), "\n"));
}

std::string judged(const table_facts& table) { return judged(run_facts{.tables = {table}}); }

} // namespace

TEST_CASE("a run that changes no more than it may goes on", "[jobs][guards]") {
    CHECK(judged(run_facts{}).empty());
    auto table = thousand();
    table.different = 500;
    table.gone = 100;
    table.deletes = true;
    CHECK(judged(table).empty());
    table.missing = 1'000'000; // nothing of production is lost by rows that are added
    CHECK(judged(table).empty());
}

TEST_CASE("a row more than the share stops the run and names table, figures and setting", "[jobs][guards]") {
    auto table = thousand();
    table.different = 501;
    CHECK(judged(table) == "table public.t: 501 of production's 1000 rows would be updated (changed_percent_max: 50)");
    table = thousand();
    table.gone = 101;
    CHECK(judged(table) == "table public.t: 101 of production's 1000 rows would be deleted (deleted_percent_max: 10)");
    table.different = 1000;
    CHECK(judge({.tables = {table}}, {}).size() == 2);
}

TEST_CASE("a share of a few rows means nothing", "[jobs][guards]") {
    auto table = thousand();
    table.production_rows = table.slave_rows = 99;
    table.different = table.gone = 99;
    CHECK(judged(table).empty());
    table.limits.rows_min = 99;
    CHECK(judge({.tables = {table}}, {}).size() == 2);
    table.limits = {.changed_percent_max = 100, .deleted_percent_max = 100, .rows_min = 0};
    CHECK(judged(table).empty());
    table.limits.deleted_percent_max = 0;
    table.gone = 1;
    CHECK(judge({.tables = {table}}, {}).size() == 1);
}

TEST_CASE("an empty source stops where rows would go, or where it had some", "[jobs][guards]") {
    auto table = thousand();
    table.slave_rows = 0;
    CHECK(judged(table).empty()); // the application's own table, perhaps: nothing is done to it
    table.deletes = true;
    table.gone = 1000;
    CHECK(judged(table) == "table public.t is empty on the slave, and production has 1000 rows (empty_source: refuse)");
    table.deletes = false;
    table.gone = 0;
    CHECK(judge({.tables = {table}, .last_totals = {{"public.t", 3}}}, {}).size() == 1);
    CHECK(judge({.tables = {table}, .last_totals = {{"public.t", 0}, {"public.u", 3}}}, {}).empty());
    table.limits.empty_source_stops = false;
    CHECK(judge({.tables = {table}, .last_totals = {{"public.t", 3}}}, {}).empty());
    table.limits.empty_source_stops = true;
    table.production_rows = 0; // within the filter, perhaps: it takes nothing any more
    CHECK(judge({.tables = {table}, .last_totals = {{"public.t", 3}}}, {}).size() == 1);
    CHECK(judge({.tables = {table}}, {}).empty());
}

TEST_CASE("an old source, a table that went and drift stop the run", "[jobs][guards]") {
    CHECK(judged(run_facts{.source_age = 3600s}).empty());
    CHECK(
        judged(run_facts{.source_age = 3601s}) ==
        "the slave is a standby that is 3601 s behind (source_age_max_s: 3600)");
    CHECK(judged(run_facts{.source_age = 3601s}, {.source_age_max = 0s}).empty());
    CHECK(
        judged(run_facts{.missing_tables = {"public.gone"}}) ==
        "table public.gone was synced by the run before, and is no longer on both sides");
    CHECK(judged(run_facts{.drift = {"column public.t.x exists only on the slave"}}).find("on_drift: fail") > 0);
}
