// Lists, bulk calls and batches of the API: what they select, how much they answer, and what they cost. Real
// PostgreSQL.
#include "tests/catch.hpp"
#include "tests/support/scheduling.hpp"

#include <fmt/format.h>
#include <qstash/local/sql/queries.hpp>
#include <set>

using namespace tidesync;
using namespace tidesync::tests;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

namespace sql = qstash::local::sql;

constexpr const char* nowhere = "http://localhost:1/";

int pending(const scheduling& here) {
    return std::stoi(
        here.kept().value("SELECT count(*) FROM tidesync_qstash.message WHERE state IN ('waiting', 'active')"));
}

int dead(const scheduling& here) {
    return std::stoi(here.kept().value("SELECT count(*) FROM tidesync_qstash.message WHERE dlq_id IS NOT NULL"));
}

/// Messages that wait. Their ids end with a number from 1 on.
void add_waiting(const scheduling& here, int count, const std::string& more = "'{}'") {
    here.kept().run(fmt::format(
        "INSERT INTO tidesync_qstash.message (message_id, account, options, host, body, caller_ip, created_at, "
        "not_before, "
        "due_at) "
        "SELECT 'msg_' || n, 'default', "
        "'{{\"destination\":\"http://localhost:1/\",\"method\":\"POST\",\"retries\":3}}'::jsonb || {}::jsonb, "
        "'localhost', 'x', "
        "'192.0.2.7', "
        "t, t, t + interval '1 day' FROM generate_series(1, {}) n, to_timestamp({}) t",
        more, count, here.now().time_since_epoch().count() / 1000));
}

/// Dead letters, a second apart; the last one died last. @param body  an expression of SQL
void add_dead(const scheduling& here, int count, const std::string& body = "'x'", const std::string& answer = "'y'") {
    here.kept().run(fmt::format(
        "INSERT INTO tidesync_qstash.message (message_id, account, options, host, body, caller_ip, created_at, "
        "not_before, "
        "due_at, "
        "state, finished_at, dlq_id, response_status, response_body) "
        "SELECT 'dead_' || n, 'default', "
        "'{{\"destination\":\"http://localhost:1/\",\"method\":\"POST\",\"retries\":3}}', 'localhost', {}, "
        "CASE n % 2 WHEN 0 THEN '198.51.100.1' ELSE '198.51.100.2' END, t, t, t, 'failed', t, "
        "(extract(epoch FROM t) * 1000)::bigint || '-' || n, 500, {} "
        "FROM generate_series(1, {}) n, LATERAL (SELECT to_timestamp(1790000000 + n)) at (t)",
        body, answer, count));
}

std::set<std::string> ids(const json& list, const char* name) {
    std::set<std::string> found;
    for (const auto& entry : list) found.insert(entry.at(name).get<std::string>());
    return found;
}

} // namespace

// -- what bulk calls select -------------------------------------------------------------------------------------------

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

// -- how much a list answers ------------------------------------------------------------------------------------------

TEST_CASE("a page of dead letters is cut by bytes, and the next one goes on there", "[qstash][local][api]") {
    scheduling here;
    add_dead(here, 20, "convert_to(repeat('b', 900000), 'UTF8')");
    std::vector<std::string> seen;
    std::string cursor;
    int further = 0;
    do {
        const auto page = here.call("GET", "/v2/dlq?count=100" + cursor).body;
        const auto& messages = page.at("messages");
        CHECK(messages.size() <= 10);
        for (const auto& entry : messages) seen.push_back(entry.at("messageId").get<std::string>());
        cursor = page.contains("cursor") ? "&cursor=" + page.at("cursor").get<std::string>() : "";
    } while (!cursor.empty() && ++further < 10);
    REQUIRE(seen.size() == 20);
    for (int n = 0; n < 20; ++n) CHECK(seen[static_cast<std::size_t>(n)] == fmt::format("dead_{}", 20 - n));
    CHECK(further == 1);
    // Without bodies they fit.
    const auto trimmed = here.call("GET", "/v2/dlq?trimBody=true").body;
    CHECK(trimmed.at("messages").size() == 20);
    CHECK_FALSE(trimmed.contains("cursor"));
    CHECK_FALSE(trimmed.at("messages")[0].contains("body"));
    // So does a bulk call.
    CHECK(here.call("DELETE", "/v2/dlq").body == json{{"deleted", 20}});
}

TEST_CASE("a body that takes six bytes for one in JSON is cut by its text", "[qstash][local][api]") {
    scheduling here;
    add_dead(here, 8, "convert_to(repeat(chr(1), 900000), 'UTF8')");
    const auto page = here.call("GET", "/v2/dlq").body;
    CHECK(page.at("messages").size() < 6);
    REQUIRE(page.contains("cursor"));
    const auto rest = here.call("GET", "/v2/dlq?cursor=" + page.at("cursor").get<std::string>()).body;
    CHECK(page.at("messages").size() + rest.at("messages").size() == 8);
}

TEST_CASE("dead letters of one millisecond are all listed, page by page", "[qstash][local][api]") {
    scheduling here;
    add_dead(here, 7);
    here.kept().run("UPDATE tidesync_qstash.message SET finished_at = to_timestamp(1790000000.123)");
    std::set<std::string> seen;
    std::string cursor;
    std::size_t rows = 0;
    for (int pages = 0; pages < 10; ++pages) {
        const auto page = here.call("GET", "/v2/dlq?count=3" + cursor).body;
        for (const auto& id : ids(page.at("messages"), "dlqId")) seen.insert(id);
        rows += page.at("messages").size();
        if (!page.contains("cursor")) break;
        cursor = "&cursor=" + page.at("cursor").get<std::string>();
    }
    CHECK(rows == 7);
    CHECK(seen.size() == 7);
    CHECK_FALSE(here.call("GET", "/v2/dlq?count=7").body.contains("cursor"));
}

TEST_CASE(
    "a page of dead letters has a hundred at most, and a bulk call says where it stopped", "[qstash][local][api]") {
    scheduling here;
    add_dead(here, 101);
    CHECK(here.call("GET", "/v2/dlq?count=1000").body.at("messages").size() == 100);
    const auto first = here.call("DELETE", "/v2/dlq").body;
    CHECK(first.at("deleted") == 100);
    REQUIRE(first.contains("cursor"));
    CHECK(here.call("DELETE", "/v2/dlq?cursor=" + first.at("cursor").get<std::string>()).body == json{{"deleted", 1}});
}

TEST_CASE(
    "logs are cut by bytes in both directions, and hold no bodies where none are wanted", "[qstash][local][api]") {
    scheduling here;
    for (int n = 0; n < 15; ++n) here.publish(nowhere, {{"upstash-delay", "1h"}}, std::string(900'000, 'b'));
    for (const auto* order : {"earliestFirst", "latestFirst"}) {
        CAPTURE(order);
        std::vector<std::int64_t> seen;
        std::set<std::string> messages;
        std::string cursor;
        int further = 0;
        do {
            const auto page = here.call("GET", fmt::format("/v2/logs?count=1000&order={}{}", order, cursor)).body;
            CHECK(page.at("logs").size() <= 10);
            CHECK(page.at("logs") == page.at("events"));
            for (const auto& entry : page.at("logs")) messages.insert(entry.at("messageId").get<std::string>());
            cursor = page.contains("cursor") ? "&cursor=" + page.at("cursor").get<std::string>() : "";
        } while (!cursor.empty() && ++further < 10);
        CHECK(further == 1);
        CHECK(messages.size() == 15);
    }
    const auto trimmed = here.call("GET", "/v2/logs?trimBody=true").body;
    CHECK(trimmed.at("logs").size() == 15);
    CHECK_FALSE(trimmed.contains("cursor"));
    CHECK_FALSE(trimmed.at("logs")[0].contains("body"));
    CHECK(trimmed.at("logs")[0].at("url") == nowhere);
    const auto exact = here.call("GET", "/v2/logs?trimBody=true&count=15").body;
    CHECK_FALSE(exact.contains("cursor"));
    const auto some = here.call("GET", "/v2/logs?trimBody=true&count=14").body;
    CHECK(some.contains("cursor"));
}

TEST_CASE("long bodies are left out of the list of schedules, which is whole", "[qstash][local][api]") {
    scheduling here;
    for (int n = 0; n < 120; ++n) {
        const auto answer = here.call(
            "POST", std::string{"/v2/schedules/"} + nowhere,
            {{"upstash-cron", "0 0 1 1 *"}, {"upstash-schedule-id", fmt::format("s{}", n)}},
            std::string(n % 2 == 0 ? 8192 : 8193, 'b'));
        REQUIRE(answer.status == 200);
    }
    const auto list = here.call("GET", "/v2/schedules").body;
    CHECK(list.size() == 120);
    CHECK(ids(list, "scheduleId").size() == 120);
    for (const auto& schedule : list)
        CHECK(
            schedule.contains("body") == (std::stoi(schedule.at("scheduleId").get<std::string>().substr(1)) % 2 == 0));
    CHECK(here.call("GET", "/v2/schedules/s1").body.at("body").get<std::string>().size() == 8193);
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

// -- schedules --------------------------------------------------------------------------------------------------------

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

// -- batch ------------------------------------------------------------------------------------------------------------

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

// -- what they cost ---------------------------------------------------------------------------------------------------

namespace {

/// How PostgreSQL would run a statement of ours with these parameters, given in the form of SQL.
std::string plan(const database& kept, const sql::statement& statement, const std::string& parameters) {
    pqxx::connection connection{kept.url()};
    pqxx::work transaction{connection};
    std::string prepare = "PREPARE asked AS ";
    prepare += statement.text;
    transaction.exec(prepare);
    std::string text;
    for (const auto& row : transaction.exec("EXPLAIN (COSTS OFF) EXECUTE asked(" + parameters + ")"))
        text += row[0].as<std::string>() + '\n';
    return text;
}

std::string array(const std::string& prefix, int from, int count) {
    return fmt::format("ARRAY(SELECT '{}' || n FROM generate_series({}, {}) n)", prefix, from, from + count - 1);
}

/// The same, as the constant that a parameter is.
std::string constant(const database& kept, const std::string& expression) {
    return "'" + kept.value("SELECT " + expression) + "'";
}

} // namespace

TEST_CASE("no list and no call by ids reads a whole table", "[qstash][local][api]") {
    scheduling here;
    const auto& kept = here.kept();
    add_waiting(here, 60'000);
    add_dead(here, 20'000);
    kept.run("INSERT INTO tidesync_qstash.log (account, message_id, at, state) "
             "SELECT account, message_id, created_at, entry.state FROM tidesync_qstash.message, "
             "LATERAL (VALUES ('CREATED'), ('ACTIVE'), ('ERROR')) entry (state) ORDER BY message_id");
    kept.run("ANALYZE tidesync_qstash.log, tidesync_qstash.message");

    const auto check = [&](const sql::statement& statement, const std::string& parameters, const char* index) {
        const auto text = plan(kept, statement, parameters);
        CAPTURE(parameters.substr(0, 200), text.substr(0, 4000));
        CHECK(text.find("Seq Scan") == std::string::npos);
        CHECK(text.find(index) != std::string::npos);
    };
    const auto bytes = std::to_string(qstash::local::page_bytes_max);
    for (const auto* cursor : {"NULL", "30000"})
        for (const auto* earliest : {"true", "false"})
            for (const auto* count : {"100", "1000"})
                check(
                    sql::list_logs,
                    fmt::format("'default', {}, {}, '{{}}', {}, NULL, {}, false", cursor, count, earliest, bytes),
                    "Index Scan");
    for (const int count : {1, 100}) { // of a thousand in so small a table, reading all of it is cheaper
        CAPTURE(count);
        const auto messages = constant(kept, array("msg_", 5000, count));
        check(
            sql::list_logs, fmt::format("'default', NULL, 100, '{{}}', true, {}, {}, false", messages, bytes),
            "log_of_message");
        check(sql::cancel_messages, fmt::format("'default', 1, {}, '{{}}', {}", count, messages), "message_pkey");
        const auto letters = constant(
            kept, fmt::format(
                      "ARRAY(SELECT dlq_id FROM tidesync_qstash.message "
                      "WHERE dlq_id IS NOT NULL LIMIT {})",
                      count));
        check(sql::take_from_dlq, fmt::format("'default', {}", letters), "message_dlq_id_key");
        check(
            sql::list_dlq, fmt::format("'default', NULL, '', {}, '{{}}', {}, NULL, {}, false", count, letters, bytes),
            "Index");
    }
    check(sql::cancel_messages, "'default', 1, 500, '{\"to_ms\":1795000000000}', NULL", "message_due");
    check(sql::list_dlq, fmt::format("'default', NULL, '', 100, '{{}}', NULL, NULL, {}, false", bytes), "message_dead");
    check(
        sql::list_dlq, fmt::format("'default', 1790001000000, 'm', 100, '{{}}', NULL, NULL, {}, false", bytes),
        "message_dead");
    check(
        sql::list_dlq, fmt::format("'default', NULL, '', 1, '{{}}', NULL, '{{dead_7}}', {}, false", bytes),
        "message_pkey");
}
