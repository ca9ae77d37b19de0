#include "tests/catch.hpp"
#include "worker/query.hpp"

using namespace tidesync::worker;

namespace {

std::string refusal(std::string_view target) {
    const auto parsed = parse_query(target, {"limit", "state"});
    const auto* wrong = std::get_if<bad_query>(&parsed);
    return wrong == nullptr ? "" : wrong->message + "; " + wrong->hint;
}

} // namespace

TEST_CASE("a query is read as it arrived", "[worker][query]") {
    for (const auto* none : {"/x", "/x?", "/x?&", "/x?&&"})
        CHECK(std::get<query>(parse_query(none, {"limit"})).empty());
    const auto found = std::get<query>(parse_query("/x?limit=5&state=dead", {"limit", "state"}));
    CHECK(found.at("limit") == "5");
    CHECK(found.at("state") == "dead");
    CHECK(std::get<query>(parse_query("/x?limit", {"limit"})).at("limit").empty());
    CHECK(std::get<query>(parse_query("/x?limit==5", {"limit"})).at("limit") == "=5");
}

TEST_CASE("a parameter that the route does not have, or has twice, is refused by name", "[worker][query]") {
    CHECK(refusal("/x?limt=5") == "there is no parameter `limt` here; the parameters here are: limit, state");
    CHECK(refusal("/x?limit=5&limit=5") == "`limit` is given twice; send it once");
    CHECK(refusal("/x?li\nmit=5").find('\n') == std::string::npos);
    CHECK(refusal("/x?%6cimit=5").find("%6cimit") != std::string::npos);
}

TEST_CASE("a number is a whole one within its bounds", "[worker][query]") {
    const auto number = [](const std::string& text) {
        return number_in(std::get<query>(parse_query("/x?limit=" + text, {"limit"})), "limit", 1, 500, 50);
    };
    CHECK(std::get<int>(number("1")) == 1);
    CHECK(std::get<int>(number("500")) == 500);
    CHECK(std::get<int>(number_in({}, "limit", 1, 500, 50)) == 50);
    for (const auto* bad : {"", "0", "501", "-1", "+5", "5.0", "5x", "0x5", "99999999999999999999", "%35"}) {
        CAPTURE(bad);
        REQUIRE(std::holds_alternative<bad_query>(number(bad)));
        CHECK(std::get<bad_query>(number(bad)).hint == "expected a whole number from 1 to 500");
    }
}
