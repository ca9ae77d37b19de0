#include "jobs/slave_to_prod/strategy.hpp"

#include "tests/catch.hpp"

using namespace tidesync::slave_to_prod;

namespace {

/// A large table with a key on both sides and nothing in the way.
table_plan plain_table() {
    table_plan table;
    table.key_unique_on_slave = table.key_unique_in_production = true;
    table.bytes = small_bytes_max + 1;
    return table;
}

fingerprints found(std::int64_t slave_rows, std::int64_t production_rows) {
    return {.slave = {slave_rows, 1}, .production = {production_rows, 2}};
}

} // namespace

TEST_CASE("equal tables are left alone, and nothing is brought from an empty one", "[jobs][strategy]") {
    CHECK(choose_strategy(plain_table(), {{7, 5}, {7, 5}}) == strategy::equal);
    CHECK(choose_strategy(plain_table(), {{0, 0}, {7, 5}}) == strategy::equal);
    CHECK(choose_strategy(plain_table(), {{7, 5}, {7, 6}}) == strategy::rows);
    CHECK(choose_strategy(plain_table(), {{7, 5}, {8, 5}}) == strategy::rows);
}

TEST_CASE("rows are picked out of a large table that differs a little", "[jobs][strategy]") {
    CHECK(choose_strategy(plain_table(), found(1'000'000, 1'000'000)) == strategy::rows);
    CHECK(choose_strategy(plain_table(), found(1'000'000, 750'000)) == strategy::rows);
    CHECK(choose_strategy(plain_table(), found(1'000'000, 749'999)) == strategy::whole);
    CHECK(choose_strategy(plain_table(), found(1'000, 900'000)) == strategy::rows);
    auto small = plain_table();
    small.bytes = small_bytes_max;
    CHECK(choose_strategy(small, found(100, 100)) == strategy::whole);
}

TEST_CASE("only an index over one integer can save the scan", "[jobs][strategy]") {
    auto table = plain_table();
    table.estimated_rows = 1000;
    table.key = {"id"};
    table.columns = {{.name = "id", .integer = true}};
    CHECK(may_skip_fingerprint(table));
    const auto without = [&](auto&& change) {
        auto changed = table;
        change(changed);
        return may_skip_fingerprint(changed);
    };
    CHECK_FALSE(without([](auto& t) { t.columns[0].integer = false; }));
    CHECK_FALSE(without([](auto& t) { t.key.emplace_back("other"); }));
    CHECK_FALSE(without([](auto& t) { t.bytes = small_bytes_max; }));
    CHECK_FALSE(without([](auto& t) { t.estimated_rows = 0; }));
    CHECK_FALSE(without([](auto& t) { t.key_unique_on_slave = false; }));
    CHECK_FALSE(without([](auto& t) { t.rows_have_places = false; }));
    CHECK_FALSE(without([](auto& t) { t.filter = "true"; }));
    CHECK_FALSE(without([](auto& t) { t.mark.column = "gone"; }));
}

TEST_CASE("rows that cannot be told apart or found again are staged whole", "[jobs][strategy]") {
    for (bool table_plan::* reason :
         {&table_plan::key_unique_on_slave, &table_plan::key_unique_in_production, &table_plan::rows_have_places}) {
        auto table = plain_table();
        table.*reason = false;
        CHECK(choose_strategy(table, found(1'000'000, 1'000'000)) == strategy::whole);
    }
}

TEST_CASE("a table is loaded where a key is proven and nothing rewrites rows", "[jobs][strategy]") {
    CHECK(may_load(plain_table()));
    auto rewritten = plain_table();
    rewritten.rewriters = "trigger touch";
    CHECK_FALSE(may_load(rewritten));
    auto keyless = plain_table();
    keyless.key_unique_on_slave = false;
    CHECK_FALSE(may_load(keyless));
}

TEST_CASE("a few rows are always picked out, many only where they are less than a quarter", "[jobs][strategy]") {
    CHECK_FALSE(is_cheaper_whole(10'000, 10'000));
    CHECK(is_cheaper_whole(10'001, 10'001));
    CHECK_FALSE(is_cheaper_whole(250'000, 1'000'000));
    CHECK(is_cheaper_whole(250'001, 1'000'000));
}
