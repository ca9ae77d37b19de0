#include "qstash/local/http.hpp"

#include "tests/catch.hpp"

using namespace tidesync::qstash::local;

TEST_CASE("header names are written as Go writes them", "[qstash][local][http]") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"content-type", "Content-Type"},
        {"CONTENT-TYPE", "Content-Type"},
        {"x-my-header", "X-My-Header"},
        {"X-mY-hEADER2b", "X-My-Header2b"},
        {"upstash-message-id", "Upstash-Message-Id"},
        {"x--a-", "X--A-"},
        {"x_y-z1z", "X_y-Z1z"},
        {"", ""},
        {"not a name", "not a name"},
        {"na\xc3\xafve", "na\xc3\xafve"},
        {"a:b", "a:b"},
        {std::string("a\0b", 3), std::string("a\0b", 3)},
    };
    for (const auto& [name, canonical] : cases) {
        CAPTURE(name);
        CHECK(canonical_header_name(name) == canonical);
    }
}

TEST_CASE("of repeated headers the first is read", "[qstash][local][http]") {
    request asked;
    asked.headers = {{"upstash-delay", "1s"}, {"upstash-delay", "2s"}, {"upstash-cron", ""}};
    CHECK(asked.header("upstash-delay") == "1s");
    CHECK(asked.header("upstash-cron").empty());
    CHECK(asked.header("upstash-retries").empty());
    CHECK(asked.header("").empty());
}
