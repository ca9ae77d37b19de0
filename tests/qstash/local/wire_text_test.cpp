#include "qstash/local/wire_text.hpp"

#include "tests/catch.hpp"

#include <vector>

using namespace tidesync::qstash::local;

TEST_CASE("percent escapes are read once, and broken ones not at all", "[qstash][local][wire_text]") {
    struct row {
        std::string text;
        std::optional<std::string> bytes;
    };
    const std::vector<row> cases{
        {"", ""},
        {"a+b", "a+b"},
        {"%41%7a", "Az"},
        {"%7A", "z"},
        {"%2541", "%41"},
        {"%00%ff", std::string("\0\xff", 2)},
        {"%", std::nullopt},
        {"%4", std::nullopt},
        {"a%4g", std::nullopt},
        {"%-1", std::nullopt},
        {"%%41", std::nullopt}};
    for (const auto& [text, bytes] : cases) {
        CAPTURE(text);
        CHECK(percent_decoded(text) == bytes);
    }
}

TEST_CASE("clean text is UTF-8 without control characters but the tab", "[qstash][local][wire_text]") {
    for (const std::string text : {"", "a b\tc", "na\xc3\xafve \xe2\x98\x95", "~", "\xf0\x9f\x8c\x8a"}) {
        CAPTURE(text);
        CHECK(clean_text(text));
    }
    for (const auto& text :
         {std::string("a\nb"), std::string("a\rb"), std::string("a\0b", 3), std::string("\x1b[31m"),
          std::string("\x7f"), std::string("\xe9"), std::string("\xc3"), std::string("\xc0\xaf"),
          std::string("\xed\xa0\x80")}) {
        CAPTURE(text);
        CHECK_FALSE(clean_text(text));
    }
}

TEST_CASE("a header's name is a token", "[qstash][local][wire_text]") {
    for (const auto* name : {"x", "X-A", "x_a.b~1", "!#$%&'*+-.^_`|~"}) CHECK(header_name(name));
    for (const auto* name : {"", "x a", "x:", "x\r\ny", "x(", "\xc3\xa9", "x/y", "x\t"}) {
        CAPTURE(name);
        CHECK_FALSE(header_name(name));
    }
}

TEST_CASE("case is folded in ASCII alone", "[qstash][local][wire_text]") {
    CHECK(lower_case("AZ[@`\xc3\x89") == "az[@`\xc3\x89");
    CHECK(starts_with_any_case("HtTpS://x", "https://"));
    CHECK_FALSE(starts_with_any_case("https:/", "https://"));
}
