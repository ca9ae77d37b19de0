#include "tests/catch.hpp"
#include "worker/failure_callback.hpp"

#include "qstash/base64url.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync;
using namespace tidesync::worker;

namespace {

/// With the alphabet and the padding that QStash uses.
std::string base64(std::string_view bytes) {
    auto text = qstash::base64url::encode(bytes);
    std::ranges::replace(text, '-', '+');
    std::ranges::replace(text, '_', '/');
    return text + std::string((4 - text.size() % 4) % 4, '=');
}

nlohmann::json complete() {
    return {
        {"status", 489},
        {"header", {{"Content-Type", {"application/json"}}}},
        {"body", base64(R"({"success":false})")},
        {"retried", 3},
        {"maxRetries", 3},
        {"dlqId", "1725323658779-0"},
        {"sourceMessageId", "msg_1"},
        {"url", "https://sync.example.com/api/background/sync/slave-to-prod"},
        {"method", "POST"},
        {"sourceBody", base64("{}")},
        {"createdAt", 1701198447054},
        {"scheduleId", "scd_1"}};
}

delivery_alarm read(const nlohmann::json& body) {
    const auto alarm = read_failure_callback(body.dump());
    REQUIRE(alarm);
    return *alarm;
}

std::string response_of(std::string_view bytes) {
    auto body = complete();
    body["body"] = base64(bytes);
    return read(body).response;
}

} // namespace

TEST_CASE("a failure callback says which message was given up and why", "[worker][callback]") {
    const auto alarm = read(complete());
    CHECK(alarm.source_message_id == "msg_1");
    CHECK(alarm.schedule_id == "scd_1");
    CHECK(alarm.url == "https://sync.example.com/api/background/sync/slave-to-prod");
    CHECK(alarm.method == "POST");
    CHECK(alarm.status == 489);
    CHECK(alarm.retried == 3);
    CHECK(alarm.max_retries == 3);
    CHECK(alarm.dlq_id == "1725323658779-0");
    CHECK(alarm.response == R"({"success":false})");
}

TEST_CASE("numbers of a failure callback may be strings, and what is no whole number is absent", "[worker][callback]") {
    struct given {
        nlohmann::json value;
        std::optional<int> expected;
    };
    const given cases[] = {
        {503, 503},
        {"503", 503},
        {0, 0},
        {-1, -1},
        {2147483647, 2147483647},
        {2147483648, std::nullopt},
        {-2147483649, std::nullopt},
        {18446744073709551615U, std::nullopt},
        {"99999999999", std::nullopt},
        {"", std::nullopt},
        {"5x", std::nullopt},
        {" 5", std::nullopt},
        {5.5, std::nullopt},
        {true, std::nullopt},
        {nullptr, std::nullopt},
        {{503}, std::nullopt},
        {{{"status", 503}}, std::nullopt}};
    for (const auto& given : cases) {
        auto body = complete();
        body["status"] = body["retried"] = body["maxRetries"] = given.value;
        CAPTURE(given.value.dump());
        CHECK(read(body).status == given.expected);
        CHECK(read(body).retried == given.expected);
        CHECK(read(body).max_retries == given.expected);
    }
}

TEST_CASE("a failure callback needs a message id and nothing else", "[worker][callback]") {
    const auto bare = read({{"sourceMessageId", "msg_1"}});
    CHECK(bare.url.empty());
    CHECK(bare.response.empty());
    CHECK_FALSE(bare.status);
    for (const auto* name : {"scheduleId", "url", "method", "dlqId", "body", "status"}) {
        auto body = complete();
        body[name] = {{"of", "another kind"}};
        CAPTURE(name);
        CHECK(read(body).source_message_id == "msg_1");
    }
}

TEST_CASE("what is no failure callback is not read as one", "[worker][callback]") {
    const std::string cases[] = {
        "",
        "{}",
        "[]",
        "null",
        "msg_1",
        "\"msg_1\"",
        R"({"sourceMessageId":1})",
        R"({"sourceMessageId":""})",
        R"({"sourceMessageId":"with blank"})",
        R"({"sourceMessageId":"nul\u0000"})",
        R"({"sourceMessageId":"größe"})",
        R"({"sourceMessageId":["msg_1"]})",
        R"({"header":{"sourceMessageId":"msg_1"}})",
        R"({"sourceMessageId":"msg_1")",
        R"({"sourceMessageId":"msg_1"} x)",
        "{\"sourceMessageId\":\"\xff\"}",
        R"({"sourceMessageId":")" + std::string(257, 'a') + "\"}"};
    for (const auto& body : cases) {
        CAPTURE(body);
        CHECK_FALSE(read_failure_callback(body));
    }
}

TEST_CASE(
    "only the start of the answer is kept, without what a terminal or a database would choke on",
    "[worker][callback]") {
    struct given {
        std::string bytes;
        std::string expected;
    };
    using namespace std::string_literals;
    const given cases[] = {
        {"plain", "plain"},
        {"größe ☕ 𝄞", "größe ☕ 𝄞"},
        {"\x1b[31mred\x1b[0m\r\n\t\0\x7f"s, "[31mred[0m"},
        {"c1 \xc2\x9b\xc2\x85 nbsp \xc2\xa0", "c1  nbsp \xc2\xa0"},
        {"bad \xff\xfe\x80 \xc3 end", "bad   end"},
        {"overlong \xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf", "overlong "},
        {"surrogate \xed\xa0\x80 beyond \xf4\x90\x80\x80\xf5\x80\x80\x80", "surrogate  beyond "},
        {std::string(499, 'a') + "ö", std::string(499, 'a')},
        {std::string(100'000, 'a'), std::string(500, 'a')},
        {"", ""}};
    for (const auto& given : cases) {
        CAPTURE(given.bytes.substr(0, 40));
        CHECK(response_of(given.bytes) == given.expected);
    }
    auto body = complete();
    for (const auto* no_base64 : {"REDACTED:0a1b!", "a", "****"}) {
        body["body"] = no_base64;
        CHECK(read(body).response.empty());
    }
    body["body"] = "aGk_"; // the other alphabet, without padding
    CHECK(read(body).response == "hi?");
}

TEST_CASE("texts of a failure callback are cleaned and cut", "[worker][callback]") {
    auto body = complete();
    body["url"] = std::string("https://\u0001\u0000x/", 12) + std::string(5000, 'a');
    body["scheduleId"] = "scd\n1";
    body["method"] = std::string(1000, 'P');
    body["dlqId"] = std::string(1000, '1');
    const auto alarm = read(body);
    CHECK(alarm.url.starts_with("https://x/a"));
    CHECK(alarm.url.size() <= 2048);
    CHECK(alarm.schedule_id == "scd1");
    CHECK(alarm.method.size() == 16);
    CHECK(alarm.dlq_id.size() == 256);
}

TEST_CASE("depth and strange members of a failure callback cost nothing", "[worker][callback]") {
    const std::string deep(500'000, '[');
    CHECK_FALSE(read_failure_callback(deep));
    const auto closed = R"({"header":)" + deep + std::string(500'000, ']') + R"(,"sourceMessageId":"msg_1"})";
    const auto alarm = read_failure_callback(closed);
    REQUIRE(alarm);
    CHECK(alarm->source_message_id == "msg_1");
    const auto as_id = R"({"sourceMessageId":)" + deep + std::string(500'000, ']') + "}";
    CHECK_FALSE(read_failure_callback(as_id));
}
