// Bulk calls of the API: what they select. Real PostgreSQL.
#include "tests/catch.hpp"
#include "tests/qstash/local/many_messages.hpp"

#include <fmt/format.h>

using namespace tidesync::tests;
using nlohmann::json;

TEST_CASE("a filter in the body of a bulk call is applied, or refused", "[qstash][local][api]") {
    scheduling here;
    here.publish(nowhere, {{"upstash-delay", "1h"}, {"upstash-label", "mine"}});
    here.publish(nowhere, {{"upstash-delay", "1h"}, {"upstash-label", "other"}});
    add_dead(here, 3);
    for (const auto* body : {R"({"host":"localhost"})", R"({"labels":["mine"]})"}) {
        CHECK(here.call("DELETE", "/v2/messages", {}, body).status == 501);
        CHECK(here.call("DELETE", "/v2/dlq", {}, body).status == 501);
        CHECK(here.call("POST", "/v2/dlq/retry", {}, body).status == 501);
    }
    CHECK(pending(here) == 2);
    CHECK(dead(here) == 3);
    CHECK(here.call("DELETE", "/v2/messages", {}, R"({"label":"mine"})").body == json{{"cancelled", 1}});
    CHECK(pending(here) == 1);
    CHECK(here.call("DELETE", "/v2/dlq", {}, R"({"messageId":"dead_2"})").body == json{{"deleted", 1}});
    CHECK(here.call("DELETE", "/v2/dlq", {}, R"({"callerIp":["198.51.100.1"]})").body == json{{"deleted", 0}});
    CHECK(here.call("GET", "/v2/dlq?callerIp=198.51.100.1").body.at("messages").empty());
    CHECK(here.call("GET", "/v2/dlq?callerIp=198.51.100.2").body.at("messages").size() == 2);
    CHECK(here.call("POST", "/v2/dlq/retry", {}, R"({"messageId":["dead_1"]})").body.at("responses").size() == 1);
    CHECK(dead(here) == 1);
}

TEST_CASE("an empty list of ids selects nothing", "[qstash][local][api]") {
    scheduling here;
    here.publish(nowhere, {{"upstash-delay", "1h"}});
    add_dead(here, 2);
    for (const auto* empty : {"[]", "null"}) {
        const auto ids_of = [&](const char* name) { return fmt::format(R"({{"{}":{}}})", name, empty); };
        CHECK(here.call("DELETE", "/v2/messages", {}, ids_of("messageIds")).body == json{{"cancelled", 0}});
        CHECK(here.call("DELETE", "/v2/dlq", {}, ids_of("dlqIds")).body == json{{"deleted", 0}});
        CHECK(here.call("POST", "/v2/dlq/retry", {}, ids_of("dlqIds")).body == json{{"responses", json::array()}});
    }
    CHECK(here.call("DELETE", "/v2/messages?label=").body == json{{"cancelled", 0}});
    CHECK(pending(here) == 1);
    CHECK(dead(here) == 2);
}

TEST_CASE("ids that no text of the database can be are refused, not taken for a broken store", "[qstash][local][api]") {
    scheduling here;
    for (const auto* target :
         {"/v2/messages/a%00b", "/v2/dlq/a%00", "/v2/schedules/%01", "/v2/logs?messageId=%00", "/v2/logs?cursor=1-%00",
          "/v2/dlq?cursor=99999999999999999-1", "/v2/logs?cursor=1-x", "/v2/dlq?responseStatus=99999999999",
          "/v2/logs?fromDate=9223372036854775807", "/v2/messages/%ff"}) {
        CAPTURE(target);
        CHECK(here.call("GET", target).status == 400);
    }
    CHECK(here.call("DELETE", "/v2/messages", {}, R"({"messageIds":["a\u0000"]})").status == 400);
    CHECK(here.call("DELETE", "/v2/dlq", {}, R"({"dlqIds":["a\u0000"]})").status == 400);
    // Others are text, whatever they look like.
    const json odd{{"messageIds", {"{", "\"", "\\", "a,b", "NULL", "}", "'"}}};
    CHECK(here.call("DELETE", "/v2/messages", {}, odd.dump()).body == json{{"cancelled", 0}});
}

TEST_CASE("what is canceled by filter is canceled to the last message, and no later one", "[qstash][local][api]") {
    scheduling here;
    add_waiting(here, 1201, "'{\"labels\":[\"old\"]}'");
    here.publish(nowhere, {{"upstash-delay", "1h"}});
    CHECK(here.call("DELETE", "/v2/messages?label=old&count=100").body == json{{"cancelled", 100}});
    CHECK(here.call("DELETE", "/v2/messages?label=old").body == json{{"cancelled", 1101}});
    CHECK(pending(here) == 1);
    CHECK(here.call("DELETE", "/v2/messages").body == json{{"cancelled", 1}});
    CHECK(here.call("DELETE", "/v2/messages").body == json{{"cancelled", 0}});
}

TEST_CASE("a thousand are canceled by their ids in one call", "[qstash][local][api]") {
    scheduling here;
    add_waiting(here, 1002);
    auto chosen = json::array();
    for (int n = 1; n <= 1000; ++n) chosen.push_back(fmt::format("msg_{}", n));
    CHECK(
        here.call("DELETE", "/v2/messages", {}, json{{"messageIds", chosen}}.dump()).body == json{{"cancelled", 1000}});
    chosen.push_back("msg_1001");
    for (const auto* target : {"/v2/messages", "/v2/dlq"})
        CHECK(here.call("DELETE", target, {}, json{{"messageIds", chosen}}.dump()).status == 400);
    CHECK(here.call("POST", "/v2/dlq/retry", {}, json{{"dlqIds", chosen}}.dump()).status == 400);
    CHECK(pending(here) == 2);
}

TEST_CASE("a retried dead letter keeps its body, whatever its bytes", "[qstash][local][api]") {
    scheduling here;
    add_dead(here, 2, R"('\x00ff7b22')");
    const auto answer = here.call("POST", "/v2/dlq/retry", {{"upstash-delay", "1h"}});
    CHECK(answer.status == 201);
    REQUIRE(answer.body.at("responses").size() == 2);
    for (const auto& made : answer.body.at("responses")) {
        const auto message = here.call("GET", "/v2/messages/" + made.at("messageId").get<std::string>()).body;
        CHECK(message.at("bodyBase64") == "AP97Ig==");
        CHECK(message.at("callerIP") == "192.0.2.7");
        CHECK(here.states(made.at("messageId")) == "CREATED");
    }
    CHECK(dead(here) == 0);
    CHECK(here.call("POST", "/v2/dlq/retry/1-1", {{"upstash-not-before", "253402300799"}}).status == 400);
}
