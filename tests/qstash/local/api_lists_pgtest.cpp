// Lists of the API: how much they answer. Real PostgreSQL.
#include "tests/catch.hpp"
#include "tests/qstash/local/many_messages.hpp"

#include <fmt/format.h>
#include <set>

using namespace tidesync::tests;
using nlohmann::json;

namespace {

std::set<std::string> ids(const json& list, const char* name) {
    std::set<std::string> found;
    for (const auto& entry : list) found.insert(entry.at(name).get<std::string>());
    return found;
}

} // namespace

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

// A page of 8 MB takes a busy machine with sanitizers more than the three seconds that a transaction of ours may idle.
TEST_CASE("no transaction stands idle while a page is taken apart", "[qstash][local][api]") {
    scheduling here;
    add_dead(here, 20, "convert_to(repeat('b', 900000), 'UTF8')");
    pqxx::connection connection{here.kept().url()};
    const auto impatient = [&](std::string_view, const std::function<void(pqxx::transaction_base&)>& body) {
        pqxx::work transaction{connection};
        transaction.exec("SET LOCAL idle_in_transaction_session_timeout = '300ms'");
        body(transaction);
        transaction.commit(); // fails when the server has ended the session
    };
    const tidesync::qstash::local::store store{impatient, {"default"}};
    const auto dead = store.list_dlq("default", {}, 100, json::object(), false);
    CHECK(dead.rows.size() > 5);
    CHECK(dead.more);
    here.kept().run("INSERT INTO tidesync_qstash.log (account, message_id, at, state, response_body) "
                    "SELECT 'default', message_id, created_at, 'ERROR', body FROM tidesync_qstash.message");
    const auto logs = store.list_logs("default", {}, 100, json::object(), false, false);
    CHECK(logs.rows.size() > 2);
    CHECK(logs.more);
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
