#include "qstash/local/filters.hpp"

#include "tests/catch.hpp"

#include <fmt/format.h>

using namespace tidesync::qstash::local;
using nlohmann::json;

namespace {

struct asked {
    std::string query{};
    std::string body{};
    selecting what = selecting::messages;
};

std::variant<selection, refusal> read(const asked& with) {
    auto arrived = read_call({"DELETE", "/v2/messages?" + with.query, {}, {}, {}});
    if (auto* no = std::get_if<refusal>(&arrived)) return std::move(*no);
    return read_selection(std::get<call>(arrived), with.body, with.what);
}

selection taken(const asked& with) {
    auto found = read(with);
    if (const auto* no = std::get_if<refusal>(&found)) FAIL("refused: " << no->text);
    return std::get<selection>(std::move(found));
}

/// The status and text of a refusal, `taken` where there is none.
std::string refused(const asked& with) {
    const auto found = read(with);
    const auto* no = std::get_if<refusal>(&found);
    return no ? fmt::format("{} {}", no->status, no->text) : "taken";
}

json many(std::size_t count) {
    auto ids = json::array();
    for (std::size_t n = 0; n < count; ++n) ids.push_back(fmt::format("msg_{}", n));
    return ids;
}

} // namespace

TEST_CASE("a filter means the same in the query and in the body", "[qstash][local][filters]") {
    struct row {
        selecting what;
        std::string query;
        std::string body;
        json filter;
    };
    const auto all = std::vector<row>{
        {selecting::messages, "label=a&label=b", R"({"label":["a","b"]})", {{"labels", {"a", "b"}}}},
        {selecting::messages, "label=a,b", R"({"label":"a,b"})", {{"labels", {"a", "b"}}}},
        {selecting::messages, "url=http://h/a,b", R"({"url":"http://h/a,b"})", {{"urls", {"http://h/a,b"}}}},
        {selecting::messages, "callerIp=::1", R"({"callerIP":"::1"})", {{"caller_ips", {"::1"}}}},
        {selecting::messages, "fromDate=5&toDate=9", R"({"fromDate":5,"toDate":"9"})", {{"from_ms", 5}, {"to_ms", 9}}},
        {selecting::messages,
         "messageIds=a&messageIds=b",
         R"({"messageIds":["a","b"]})",
         {{"message_ids", {"a", "b"}}}},
        {selecting::dead_letters, "dlqIds=1-1", R"({"dlqIds":["1-1"]})", {{"dlq_ids", {"1-1"}}}},
        {selecting::dead_letters, "responseStatus=500", R"({"responseStatus":500})", {{"status", 500}}},
        {selecting::dead_letters, "callerIp=10.0.0.1", R"({"callerIp":["10.0.0.1"]})", {{"caller_ips", {"10.0.0.1"}}}},
        {selecting::dead_letters, "scheduleId=s", R"({"scheduleId":"s"})", {{"schedule_ids", {"s"}}}},
        {selecting::logs, "state=cancelled", R"({"state":"cancelled"})", {{"states", {"CANCELED"}}}},
    };
    for (const auto& [what, query, body, filter] : all) {
        CAPTURE(query);
        CHECK(taken({.query = query, .what = what}).filter == filter);
        CHECK(taken({.body = body, .what = what}).filter == filter);
    }
}

TEST_CASE("a filter of the body that nothing selects by is refused by name", "[qstash][local][filters]") {
    const auto [what, body, name] = GENERATE(table<selecting, std::string, std::string>({
        {selecting::messages, R"({"host":"example.com"})", "host"},
        {selecting::messages, R"({"path":["/a"]})", "path"},
        {selecting::messages, R"({"Label":"a"})", "Label"},
        {selecting::messages, R"({"filter":"a"})", "filter"},
        {selecting::messages, R"({"dlqIds":["1-1"]})", "dlqIds"},
        {selecting::messages, R"({"responseStatus":500})", "responseStatus"},
        {selecting::dead_letters, R"({"state":"FAILED"})", "state"},
        {selecting::messages, R"({"messageIds":["a"],"host":"b"})", "host"},
    }));
    CHECK(refused({.body = body, .what = what}) == "501 " + name + " is not something this server selects by");
}

TEST_CASE("a filter without a value selects nothing", "[qstash][local][filters]") {
    for (const auto* body :
         {R"({"messageIds":[]})", R"({"messageIds":null})", R"({"messageIds":""})", R"({"label":[]})", R"({"url":""})",
          R"({"count":0})", R"({"queueName":"q"})"}) {
        CAPTURE(body);
        CHECK(taken({.body = body}).nothing);
    }
    for (const auto* query : {"messageIds=", "messageIds", "label=", "label=,", "url=", "count=0", "queueName="}) {
        CAPTURE(query);
        CHECK(taken({.query = query}).nothing);
    }
    CHECK(taken({.body = R"({"dlqIds":[]})", .what = selecting::dead_letters}).nothing);
    CHECK(taken({.body = R"({"messageIds":[]})", .what = selecting::dead_letters}).nothing);
    CHECK_FALSE(taken({}).nothing);
    CHECK_FALSE(taken({.body = " {} "}).nothing);
    CHECK_FALSE(taken({.body = R"({"label":"a"})"}).nothing);
}

TEST_CASE("where ids are given nothing else counts", "[qstash][local][filters]") {
    const auto chosen = taken({.query = "messageIds=a&label=b&count=1"});
    CHECK(chosen.by_ids);
    CHECK(chosen.filter == json{{"message_ids", {"a"}}});
    const auto dead = taken({.query = "messageId=a&label=b", .what = selecting::dead_letters});
    CHECK_FALSE(dead.by_ids);
    CHECK(dead.filter.size() == 2);
}

TEST_CASE("a count is cut to what the call allows", "[qstash][local][filters]") {
    const auto count = [](const std::string& text, selecting what) {
        return taken({.query = "count=" + text, .what = what}).rows_max.value_or(-1);
    };
    CHECK(count("5", selecting::messages) == 5);
    CHECK(count("100000", selecting::messages) == 1000);
    CHECK(count("100000", selecting::logs) == 1000);
    CHECK(count("0", selecting::logs) == 1);
    CHECK(count("1000", selecting::dead_letters) == 100);
    CHECK_FALSE(taken({}).rows_max);
}

TEST_CASE("more than a thousand values are refused", "[qstash][local][filters]") {
    CHECK(taken({.body = json{{"messageIds", many(1000)}}.dump()}).filter.at("message_ids").size() == 1000);
    CHECK(refused({.body = json{{"messageIds", many(1001)}}.dump()}) == "400 more than 1000 of messageIds");
    CHECK(
        refused({.query = "messageIds=x", .body = json{{"messageIds", many(1000)}}.dump()}) ==
        "400 more than 1000 of messageIds");
    CHECK(
        refused({.body = json{{"dlqIds", many(1001)}}.dump(), .what = selecting::dead_letters}) ==
        "400 more than 1000 of dlqIds");
    std::string commas;
    for (int n = 0; n < 1001; ++n) commas += "m,";
    CHECK(refused({.query = "messageIds=" + commas}) == "400 more than 1000 of messageIds");
}

TEST_CASE("a value that the store cannot hold is refused", "[qstash][local][filters]") {
    const auto* const body = GENERATE(
        R"({"messageIds":["a\u0000b"]})", R"({"messageIds":"a\u0001"})", R"({"label":"a\nb"})",
        R"({"messageIds":[["a"]]})", R"({"messageIds":[{}]})", R"({"label":{"a":1}})", R"({"messageIds":[1.5]})",
        R"({"fromDate":9223372036854775807})", R"({"toDate":253402300800000})", R"({"fromDate":-1})",
        R"({"fromDate":"soon"})", R"({"fromDate":null})", R"({"count":-1})", R"({"cursor":"x"})", R"({"cursor":"1-"})",
        R"({"cursor":"9223372036854775807-1"})", "[]", "x", R"("a")", "{\"label\":\"\xff\"}");
    CAPTURE(body);
    CHECK(refused({.body = body}).starts_with("400 "));
}

TEST_CASE("a status is that of an answer", "[qstash][local][filters]") {
    CHECK(refused({.query = "responseStatus=99999999999", .what = selecting::dead_letters}).starts_with("400 "));
    CHECK(refused({.query = "responseStatus=-1", .what = selecting::dead_letters}).starts_with("400 "));
    CHECK(taken({.query = "responseStatus=0", .what = selecting::dead_letters}).filter.at("status") == 0);
}

TEST_CASE("trimBody asks for a list without bodies", "[qstash][local][filters]") {
    CHECK(taken({.query = "trimBody=true", .what = selecting::logs}).without_bodies);
    CHECK_FALSE(taken({.query = "trimBody=false", .what = selecting::logs}).without_bodies);
    CHECK_FALSE(taken({.what = selecting::logs}).without_bodies);
}

TEST_CASE("a cursor is read back as it was given", "[qstash][local][filters]") {
    const auto end = page_end::parse("1795000000000-msg_a-b");
    REQUIRE(end);
    CHECK(end->ms == 1'795'000'000'000);
    CHECK(end->behind == "msg_a-b");
    for (const auto* text : {"", "-", "1", "1-", "-1", "x-1", "1x-1"}) CHECK_FALSE(page_end::parse(text));
}
