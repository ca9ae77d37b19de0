#include "qstash/json_members.hpp"

#include "tests/catch.hpp"

#include <limits>
#include <string>
#include <vector>

using namespace tidesync::qstash;

namespace {

bool is_other(const json_members& members, const std::string& name) {
    return std::holds_alternative<other_value>(members.at(name));
}

} // namespace

TEST_CASE("text and whole numbers are read, other values only noted", "[qstash][json]") {
    const auto members = read_members(
        R"( {"text":"a\u0026b", "zero":0, "most":18446744073709551615, "more":18446744073709551616, "minus":-1,
             "minus_zero":-0, "float":1.0, "exponent":1e3, "yes":true, "none":null, "list":[1,"x"], "object":{"a":{}}} )");
    REQUIRE(members);
    CHECK(std::get<std::string>(members->at("text")) == "a&b");
    CHECK(std::get<std::uint64_t>(members->at("zero")) == 0);
    CHECK(std::get<std::uint64_t>(members->at("most")) == std::numeric_limits<std::uint64_t>::max());
    for (const auto* name : {"more", "minus", "minus_zero", "float", "exponent", "yes", "none", "list", "object"}) {
        CAPTURE(name);
        CHECK(is_other(*members, name));
    }
    CHECK(members->size() == 12);
    CHECK(read_members("{}")->empty());
}

TEST_CASE("a name that stands twice is refused", "[qstash][json]") {
    const std::vector<std::string> refused{R"({"a":1,"a":1})",       R"({"a":1,"b":2,"a":3})",
                                           R"({"a":1,"\u0061":2})", // the same name, spelled otherwise
                                           R"({"a":{},"a":1})",      R"({"a":1,"a":{}})",
                                           R"({"a":{"b":1,"b":2}})", R"({"a":[{"b":1,"b":2}]})",
                                           R"({"":1,"":2})"};
    for (const auto& text : refused) {
        CAPTURE(text);
        CHECK_FALSE(read_members(text));
    }
    CHECK(read_members(R"({"a":1,"A":2,"b":{"a":1},"c":[{"a":1},{"a":2}]})"));
}

TEST_CASE("a text that is no JSON object is refused", "[qstash][json]") {
    const std::vector<std::string> refused{
        "",
        " ",
        "null",
        "1",
        "\"a\"",
        "[]",
        R"([{"a":1}])",
        "{",
        "}",
        "{]",
        R"({"a"})",
        R"({"a":})",
        R"({"a":1,})",
        R"({"a":1}})",
        R"({"a":1}{})",
        R"({"a":1} x)",
        "{'a':1}",
        "{a:1}",
        R"({"a":01})",
        R"({"a":NaN})",
        R"({"a":1e999})",
        R"({"a":"\ud800"})",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\xaf\"}",
        "{\"a\":\"tab\there\"}",
        R"(/* note */{"a":1})"};
    for (const auto& text : refused) {
        CAPTURE(text);
        CHECK_FALSE(read_members(text));
    }
}

TEST_CASE("a NUL byte does not hide what follows it", "[qstash][json]") {
    CHECK_FALSE(read_members(std::string("{\"a\":1}\0", 8)));
    CHECK_FALSE(read_members(std::string("{\"a\":1}\0{\"a\":2}", 15)));
    CHECK_FALSE(read_members(std::string("{\"a\0\":1}", 8)));
    CHECK(read_members(R"({"a":"\u0000"})")); // escaped it is a character like any other
}

TEST_CASE("nesting is bounded", "[qstash][json]") {
    CHECK(read_members(R"({"a":{"b":{"c":{}}}})"));
    CHECK(read_members(R"({"a":[[[]]]})"));
    CHECK_FALSE(read_members(R"({"a":{"b":{"c":{"d":{}}}}})"));
    CHECK_FALSE(read_members(R"({"a":[[[[]]]]})"));
    for (const char* open : {"[", "{\"a\":"}) {
        std::string text = R"({"a":)";
        for (int level = 0; level < 1'000'000; ++level) text += open;
        CHECK_FALSE(read_members(text));
    }
}
