#include "jobs/slave_to_prod/rules.hpp"

#include "tests/catch.hpp"

using namespace tidesync::slave_to_prod;

TEST_CASE("later entries go before earlier ones, and what they leave open stays", "[jobs][rules]") {
    const table_rules rules{
        .tables =
            {{.pattern = "public.*", .skip_columns = {"note"}, .deletes = delete_policy::soft, .soft_column = "gone"},
             {.pattern = "public.orders", .key = {"number"}, .deletes = delete_policy::hard, .deleted_percent_max = 5},
             {.pattern = "other.*", .where = "false"}},
        .guards = {.changed_percent_max = 70}};
    const auto orders = settings_of(rules, {"public", "orders"});
    CHECK(orders.key == std::vector<std::string>{"number"});
    CHECK(orders.skip_columns == std::vector<std::string>{"note"});
    CHECK(orders.deletes == delete_policy::hard);
    CHECK(orders.soft_column == "gone");
    CHECK(orders.guards.deleted_percent_max == 5);
    CHECK(orders.guards.changed_percent_max == 70);
    CHECK(orders.where.empty());
    CHECK(settings_of(rules, {"public", "lines"}).deletes == delete_policy::soft);
    CHECK(settings_of(rules, {"x", "y"}).deletes == delete_policy::off);
}

TEST_CASE("a filter is one condition, and has the same answer whenever it is asked", "[jobs][rules]") {
    for (const auto* good :
         {"tenant = 7", "(a OR b) AND c", "name <> 'it''s; -- fine (really'", R"("odd ; name" IS NULL)",
          "made > :now - interval '90 days'", "knows = 'now()'", "x::date < :now", "unknown > 1", "nowhere = 2",
          "age > 18"}) {
        CAPTURE(good);
        CHECK(problem_with_filter(good).empty());
    }
    for (const auto* bad :
         {"",
          "  ",
          "a; DROP TABLE t",
          "a -- b",
          "a /* b",
          "a)",
          "(a",
          "(a))(",
          "'open",
          "\"open",
          "a = $1",
          "$$x$$",
          "E'\\''",
          "made > now() - interval '1 day'",
          "made > CURRENT_TIMESTAMP",
          "random() < 0.5",
          "x = Now ()",
          "made < 'now'::timestamptz",
          "day = 'Today'",
          "age (made) > '1 day'",
          "EXISTS (SELECT 1)",
          "owner = current_user"}) {
        CAPTURE(bad);
        CHECK_FALSE(problem_with_filter(bad).empty());
    }
}

TEST_CASE("the time of the run stands for :now, and for nothing else", "[jobs][rules]") {
    CHECK(filter_at("a > :now", "'T'") == "a > 'T'");
    CHECK(filter_at(":now > a AND b < :now", "'T'") == "'T' > a AND b < 'T'");
    CHECK(filter_at("a = ':now' AND \":now\"", "'T'") == "a = ':now' AND \":now\"");
    CHECK(filter_at("a = x::nowhere AND b = :nowhere", "'T'") == "a = x::nowhere AND b = :nowhere");
}

TEST_CASE("the names in a filter are known, quoted or not", "[jobs][rules]") {
    const auto names = names_in_filter(R"(Status = 'live' AND "Odd; name" IS NOT NULL)");
    CHECK(names == std::vector<std::string>{"status", "and", "Odd; name", "is", "not", "null"});
}
