#include "jobs/report.hpp"

#include "jobs/outcome.hpp"
#include "tests/catch.hpp"

#include <nlohmann/json.hpp>
#include <set>

using namespace tidesync::jobs;

namespace {

report example() {
    report all;
    all.tables.push_back(
        {.name = "public.a",
         .strategy = "rows",
         .total = 10,
         .inserted = 1,
         .updated = 2,
         .unchanged = 7,
         .deleted = 3,
         .bytes = 100,
         .took = std::chrono::milliseconds{5}});
    all.tables.push_back(
        {.name = "public.b",
         .total = 5,
         .missing = 1,
         .different = 2,
         .extra = 4,
         .bytes = 11,
         .took = std::chrono::milliseconds{6}});
    all.phases = {{"plan", std::chrono::milliseconds{1}}, {"apply", std::chrono::milliseconds{2}}};
    all.warnings = {"one", "ünïcode \"quoted\""};
    all.source = {.standby = true, .replay_age = std::chrono::seconds{3}};
    return all;
}

} // namespace

TEST_CASE("totals are sums over the tables", "[jobs][report]") {
    const auto sum = example().totals();
    CHECK(sum.name.empty());
    CHECK(sum.total == 15);
    CHECK(sum.inserted == 1);
    CHECK(sum.updated == 2);
    CHECK(sum.unchanged == 7);
    CHECK(sum.deleted == 3);
    CHECK(sum.missing == 1);
    CHECK(sum.different == 2);
    CHECK(sum.extra == 4);
    CHECK(sum.bytes == 111);
    CHECK(sum.took.count() == 11);
}

TEST_CASE("rows that only the target has do not put it out of step", "[jobs][report]") {
    report all;
    CHECK(all.in_step());
    all.tables.push_back({.name = "t", .extra = 3});
    CHECK(all.in_step());
    all.tables.push_back({.name = "u", .missing = 1});
    CHECK_FALSE(all.in_step());
    all.tables.back() = {.name = "u", .different = 1};
    CHECK_FALSE(all.in_step());
}

TEST_CASE("a report comes back from its JSON as it was", "[jobs][report]") {
    const nlohmann::ordered_json json = example();
    const auto back = nlohmann::json::parse(json.dump()).get<report>();
    CHECK(nlohmann::ordered_json(back) == json);
    CHECK(json.dump().starts_with(R"({"tables":[{"name":"public.a","strategy":"rows","total":10,"inserted":1,)"));
    CHECK(nlohmann::json::parse(R"({"name": "t", "total": 0, "inserted": 0, "updated": 0, "unchanged": 0, "deleted": 0,
        "missing": 0, "different": 0, "extra": 0, "bytes": 0, "took_ms": 0})")
              .get<table_report>()
              .strategy.empty()); // a receipt of an older version
    CHECK(json.at("phases").at(1).at("took_ms") == 2);
    CHECK(json.at("source").dump() == R"({"standby":true,"replay_age_s":3})");
}

TEST_CASE("what is not known of a source stays unknown", "[jobs][report]") {
    const auto again = [](const report& all) {
        return nlohmann::json::parse(nlohmann::ordered_json(all).dump()).get<report>();
    };
    CHECK_FALSE(again({}).source); // as in a receipt of an older version
    CHECK_FALSE(nlohmann::ordered_json(report{}).contains("source"));
    report all;
    all.source = source_report{};
    REQUIRE(again(all).source);
    CHECK_FALSE(again(all).source->standby);
    CHECK_FALSE(again(all).source->replay_age);
}

TEST_CASE("every failure code has a word of its own", "[jobs][report]") {
    std::set<std::string_view> words;
    for (int code = 0; code <= static_cast<int>(failure_code::internal); ++code)
        words.insert(to_string(static_cast<failure_code>(code)));
    CHECK(words.size() == static_cast<std::size_t>(failure_code::internal) + 1);
}
