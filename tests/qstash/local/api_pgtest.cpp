// Batches, and single calls of the API. Real PostgreSQL.
#include "tests/catch.hpp"
#include "tests/qstash/local/many_messages.hpp"

using namespace tidesync::tests;
using namespace std::chrono_literals;
using nlohmann::json;

TEST_CASE("a tick that is due survives the schedule being created again as it was", "[qstash][local][api]") {
    scheduling here;
    const auto create = [&](const std::string& cron) {
        return here
            .call(
                "POST", std::string{"/v2/schedules/"} + nowhere,
                {{"upstash-cron", cron}, {"upstash-schedule-id", "tick"}}, "{}")
            .status;
    };
    const auto next = [&] {
        return here.call("GET", "/v2/schedules/tick").body.at("nextScheduleTime").get<std::int64_t>();
    };
    const auto now = [&] { return here.now().time_since_epoch().count(); };
    REQUIRE(create("*/5 * * * *") == 200);
    const auto due = next();
    here.advance(5min + 1s); // due, and no loop runs
    REQUIRE(create("*/5 * * * *") == 200);
    CHECK(next() == due);
    REQUIRE(create("*/10 * * * *") == 200);
    CHECK(next() > now());
    here.advance(10min);
    REQUIRE(here.call("PATCH", "/v2/schedules/tick/pause").status == 200);
    REQUIRE(create("*/10 * * * *") == 200);
    CHECK(next() > now());
}

TEST_CASE("the messages of a batch are made one by one, a bad one is told in its place", "[qstash][local][api]") {
    scheduling here;
    const json batch = {
        {{"destination", nowhere},
         {"headers", {{"Upstash-Delay", "1h"}, {"Upstash-Forward-X-A", "1"}}},
         {"body", "one"}},
        {{"destination", nowhere}, {"queue", "q"}},
        {{"destination", "http://not-allowed.example.com/"}},
        {{"destination", nullptr}},
        {{"destination", nowhere}, {"headers", {{"Upstash-Retries", "1000"}}}},
        {{"destination", nowhere}, {"headers", {{"x y", "1"}}}},
        {{"destination", nowhere}, {"headers", {{"x", 1}}}},
        {{"destination", nowhere}, {"headers", {{"Upstash-Forward-X", "a\n"}}}},
        {{"destination", nowhere}, {"headers", {{"x", std::string(33'000, 'x')}}}},
        {{"destination", nowhere}, {"body", json::object()}},
        "text",
        {{"destination", "group"}},
        {{"destination", nowhere}, {"headers", {{"Upstash-Flow-Control-Key", "k"}}}},
        {{"destination", nowhere}, {"headers", {{"Upstash-Cron", "0 0 1 1 *"}, {"Upstash-Schedule-Id", "s"}}}},
        {{"destination", std::string{nowhere} + "?upstash-delay=2h&x=1"},
         {"headers", nullptr},
         {"body", nullptr},
         {"queue", nullptr}}};
    const auto answer = here.call("POST", "/v2/batch", {{"upstash-delay", "3h"}}, batch.dump());
    REQUIRE(answer.status == 200);
    REQUIRE(answer.body.size() == batch.size());
    for (std::size_t n = 1; n < 13; ++n) {
        CAPTURE(n, answer.body[n].dump());
        CHECK(answer.body[n].contains("error"));
        CHECK(answer.body[n].size() == 1);
    }
    CHECK(answer.body[1] == json{{"error", "queue is not part of this server"}});
    CHECK(answer.body[13] == json{{"scheduleId", "s"}});
    const auto first = here.call("GET", "/v2/messages/" + answer.body[0].at("messageId").get<std::string>()).body;
    CHECK(first.at("body") == "one");
    CHECK(first.at("header").at("X-A") == json{"1"});
    CHECK(first.at("notBefore") == (here.now() + 1h).time_since_epoch().count());
    CHECK(first.at("callerIP") == "192.0.2.7");
    const auto last = here.call("GET", "/v2/messages/" + answer.body[14].at("messageId").get<std::string>()).body;
    CHECK(last.at("url") == std::string{nowhere} + "?x=1");
    CHECK(last.at("notBefore") == (here.now() + 2h).time_since_epoch().count());
    CHECK(pending(here) == 2);
}

TEST_CASE("in a batch an authorization is for the destination, unless it is our token", "[qstash][local][api]") {
    scheduling here;
    const auto sent = [&](const std::string& authorization) {
        const json batch = {
            {{"destination", nowhere},
             {"headers",
              {{"Authorization", authorization}, {"Upstash-Header-Forward", "true"}, {"Upstash-Delay", "1h"}}}}};
        const auto made = here.call("POST", "/v2/batch", {}, batch.dump()).body;
        return here.call("GET", "/v2/messages/" + made.at(0).at("messageId").get<std::string>()).body.at("header");
    };
    CHECK(sent("Bearer theirs").at("Authorization") == json{"Bearer theirs"});
    CHECK_FALSE(sent(std::string{"Bearer "} + scheduling::token).contains("Authorization"));
}

TEST_CASE("a batch that is none is refused as a whole", "[qstash][local][api]") {
    scheduling here;
    auto batch = json::array();
    for (int n = 0; n < 101; ++n) batch.push_back({{"destination", nowhere}});
    CHECK(here.call("POST", "/v2/batch", {}, batch.dump()).status == 400);
    for (const auto* body : {"", "{}", "[", "null"}) CHECK(here.call("POST", "/v2/batch", {}, body).status == 400);
    CHECK(here.call("POST", "/v2/batch", {}, "[]").body == json::array());
    CHECK(here.call("GET", "/v2/batch").status == 405);
    CHECK(pending(here) == 0);
}

TEST_CASE("the same deduplication id in one batch makes one message", "[qstash][local][api]") {
    scheduling here;
    const json one{{"destination", nowhere}, {"headers", {{"Upstash-Deduplication-Id", "d"}}}};
    const auto made = here.call("POST", "/v2/batch", {}, json{one, one}.dump()).body;
    CHECK(made.at(1) == json{{"messageId", made.at(0).at("messageId")}, {"deduplicated", true}});
}

TEST_CASE("keys rotate under the name that the Go client uses", "[qstash][local][api]") {
    scheduling here;
    const auto before = here.call("GET", "/v2/keys").body;
    const auto rotated = here.call("POST", "/v2/rotate");
    CHECK(rotated.status == 200);
    CHECK(rotated.body.at("current") == before.at("next"));
}
