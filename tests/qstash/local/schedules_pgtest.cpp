// Schedules: when they tick, and what the API says about them. Real PostgreSQL, real HTTP, a clock that the test moves.
#include "tests/catch.hpp"
#include "tests/support/destination.hpp"
#include "tests/support/scheduling.hpp"

#include <fmt/format.h>
#include <set>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

using qstash::local::header_fields;

void create(const scheduling& here, const std::string& url, header_fields headers, const std::string& body = "{}") {
    const auto answer = here.call("POST", "/v2/schedules/" + url, std::move(headers), body);
    INFO(answer.body.dump());
    REQUIRE(answer.status == 200);
}

nlohmann::json get(const scheduling& here, const std::string& id) {
    return here.call("GET", "/v2/schedules/" + id).body;
}

std::int64_t ms(qstash::local::time_point when) { return when.time_since_epoch().count(); }

const header_fields every_minute{{"upstash-cron", "* * * * *"}, {"upstash-schedule-id", "tick"}};

/// Long enough for a loop to do what it should not.
void let_loops_turn() { std::this_thread::sleep_for(250ms); }

} // namespace

TEST_CASE("a schedule of every minute fires on time, five minutes long", "[qstash][local]") {
    destination there;
    scheduling here;
    here.start();
    create(here, there.url(), every_minute);
    const auto start = here.now();
    for (int minute = 1; minute <= 5; ++minute) {
        here.advance(59'999ms);
        let_loops_turn();
        CHECK(there.requests().size() == static_cast<std::size_t>(minute - 1)); // not a millisecond early
        CHECK(get(here, "tick").at("nextScheduleTime") == ms(start + minute * 1min));
        here.advance(1ms);
        REQUIRE(there.await(static_cast<std::size_t>(minute)));
        REQUIRE(here.settle());
        const auto made = here.kept().value(
            "SELECT (extract(epoch FROM max(created_at)) * 1000)::bigint FROM tidesync_qstash.message");
        CHECK(made == std::to_string(ms(start + minute * 1min)));
    }
    let_loops_turn();
    std::set<std::string> ids;
    for (const auto& request : there.requests()) {
        ids.emplace(request.header("upstash-message-id"));
        CHECK(request.header("upstash-schedule-id") == "tick");
        CHECK(request.count("tidesync-catch-up-of") == 0);
    }
    CHECK(ids.size() == 5);
    CHECK(there.requests().size() == 5);
}

TEST_CASE("four replicas make one message at each tick", "[qstash][local]") {
    destination there;
    scheduling here;
    for (int i = 0; i < 4; ++i) here.start();
    create(here, there.url(), every_minute);
    for (std::size_t minute = 1; minute <= 5; ++minute) {
        here.advance(1min);
        REQUIRE(there.await(minute));
        REQUIRE(here.settle());
        let_loops_turn();
        CHECK(there.requests().size() == minute);
    }
}

TEST_CASE("a pause drops ticks and a resume does not replay them", "[qstash][local]") {
    const auto* const method = GENERATE("PATCH", "POST"); // clients send the one, the documentation says the other
    destination there;
    scheduling here;
    here.start();
    create(here, there.url(), every_minute);
    here.advance(1min);
    REQUIRE(there.await(1));
    REQUIRE(here.settle());
    CHECK(here.call(method, "/v2/schedules/tick/pause").status == 200);
    CHECK(here.call(method, "/v2/schedules/tick/pause").status == 200); // again does not hurt
    CHECK(get(here, "tick").at("isPaused") == true);
    here.advance(5min);
    let_loops_turn();
    CHECK(here.call(method, "/v2/schedules/tick/resume").status == 200);
    let_loops_turn();
    CHECK(there.requests().size() == 1);
    CHECK(get(here, "tick").at("isPaused") == false);
    CHECK(get(here, "tick").at("nextScheduleTime") == ms(here.now() + 1min));
    here.advance(1min);
    REQUIRE(there.await(2));
    let_loops_turn();
    CHECK(there.requests().size() == 2);
    CHECK(here.call(method, "/v2/schedules/unknown/pause").status == 404);
}

TEST_CASE("resuming a schedule that runs does not push its tick away", "[qstash][local]") {
    scheduling here;
    create(here, "http://localhost:1/", every_minute);
    here.advance(61s); // due, and no loop runs yet
    CHECK(here.call("PATCH", "/v2/schedules/tick/resume").status == 200);
    CHECK(get(here, "tick").at("nextScheduleTime") < ms(here.now()));
}

TEST_CASE(
    "ticks missed while nothing ran are dropped, and the last one still fires when it is fresh", "[qstash][local]") {
    destination there;
    scheduling here;
    create(here, there.url(), every_minute);
    here.advance(10min + 20s);
    here.start();
    REQUIRE(there.await(1)); // the tick of 20 s ago
    let_loops_turn();
    CHECK(there.requests().size() == 1);
    CHECK(there.requests()[0].count("tidesync-catch-up-of") == 0);
}

TEST_CASE("without the setting a tick that is hours old is not made up for", "[qstash][local]") {
    destination there;
    scheduling here;
    create(here, there.url(), {{"upstash-cron", "0 */6 * * *"}, {"upstash-schedule-id", "tick"}});
    here.advance(30h + 5min);
    here.start();
    let_loops_turn();
    CHECK(there.requests().empty());
    CHECK_FALSE(get(here, "tick").contains("lastScheduleTime"));
    CHECK(get(here, "tick").at("nextScheduleTime") > ms(here.now()));
}

TEST_CASE("with the setting one message makes up for all missed ticks, and says so", "[qstash][local]") {
    destination there;
    scheduling here{{.catch_up = true}};
    create(here, there.url(), {{"upstash-cron", "0 */6 * * *"}, {"upstash-schedule-id", "tick"}});
    here.advance(30h + 5min);
    here.start();
    REQUIRE(there.await(1));
    let_loops_turn();
    REQUIRE(there.requests().size() == 1);
    const auto hour = std::chrono::floor<std::chrono::hours>(here.now());
    const auto missed = hour - hour.time_since_epoch() % 6h;
    CHECK(
        there.requests()[0].header("tidesync-catch-up-of") ==
        std::to_string(std::chrono::sys_seconds{missed}.time_since_epoch().count()));
}

TEST_CASE("creating with the same id replaces: what is not given is cleared, a pause stays", "[qstash][local]") {
    scheduling here;
    create(
        here, "http://localhost:1/a",
        {{"upstash-cron", "* * * * *"},
         {"upstash-schedule-id", "one"},
         {"upstash-forward-x-a", "1"},
         {"upstash-retries", "7"},
         {"upstash-callback", "http://localhost:1/cb"},
         {"upstash-label", "l1,l2"},
         {"upstash-timeout", "2m"},
         {"upstash-delay", "30s"},
         {"upstash-retry-delay", "1000"},
         {"upstash-method", "PATCH"}},
        "body");
    auto schedule = get(here, "one");
    CHECK(schedule.at("destination") == "http://localhost:1/a");
    CHECK(schedule.at("method") == "PATCH");
    CHECK(schedule.at("header").at("X-A") == nlohmann::json{"1"});
    CHECK(schedule.at("body") == "body");
    CHECK(schedule.at("retries") == 7);
    CHECK(schedule.at("retryDelayExpression") == "1000");
    CHECK(schedule.at("delay") == 30);
    CHECK(schedule.at("callback") == "http://localhost:1/cb");
    CHECK(schedule.at("labels") == nlohmann::json{"l1", "l2"});
    CHECK(schedule.at("callerIP") == "192.0.2.7");
    CHECK(here.call("PATCH", "/v2/schedules/one/pause").status == 200);
    create(here, "http://localhost:1/b", {{"upstash-cron", "0 0 * * *"}, {"upstash-schedule-id", "one"}}, "");
    schedule = get(here, "one");
    CHECK(schedule.at("destination") == "http://localhost:1/b");
    CHECK(schedule.at("cron") == "0 0 * * *");
    CHECK(schedule.at("retries") == 3);
    CHECK(schedule.at("isPaused") == true);
    for (const auto* gone : {"header", "body", "callback", "labels", "delay", "retryDelayExpression"})
        CHECK_FALSE(schedule.contains(gone));
    CHECK(here.call("GET", "/v2/schedules").body.size() == 1);
    CHECK(here.call("DELETE", "/v2/schedules/one").status == 200);
    CHECK(here.call("GET", "/v2/schedules/one").status == 404);
    CHECK(here.call("DELETE", "/v2/schedules/one").status == 404);
    CHECK(here.call("GET", "/v2/schedules").body == nlohmann::json::array());
}

TEST_CASE("a schedule of another zone ticks at its own local time", "[qstash][local]") {
    scheduling here;
    create(
        here, "http://localhost:1/",
        {{"upstash-cron", "CRON_TZ=Asia/Kolkata 30 9 * * *"}, {"upstash-schedule-id", "z"}});
    const auto next = get(here, "z").at("nextScheduleTime").get<std::int64_t>();
    CHECK(next % 86'400'000 == 4L * 3'600'000); // 09:30 in India is 04:00 UTC
    CHECK(get(here, "z").at("cron") == "CRON_TZ=Asia/Kolkata 30 9 * * *");
}

TEST_CASE("a schedule that cannot be is refused with a reason", "[qstash][local]") {
    scheduling here;
    const auto [cron, id, error] = GENERATE(table<std::string, std::string, std::string>({
        {"", "ok", "Invalid cron expression empty spec string (Upstash-Cron)"},
        {"* * * *", "ok", "Invalid cron expression expected exactly 5 fields, found 4"},
        {"CRON_TZ=Nowhere/City * * * * *", "ok", "Invalid cron expression provided bad location"},
        {"0 0 30 Feb *", "ok", "Invalid cron expression"},
        {"* * * * *", "not ok", "Upstash-Schedule-Id"},
    }));
    header_fields headers{{"upstash-schedule-id", id}};
    if (!cron.empty()) headers.emplace_back("upstash-cron", cron);
    const auto answer = here.call("POST", "/v2/schedules/http://localhost:1/", headers);
    CHECK(answer.status == 400);
    CHECK_THAT(answer.body.at("error").get<std::string>(), containing(error));
}

TEST_CASE("the states of the last tick's messages are shown", "[qstash][local]") {
    destination there{[](const auto&, int nth) {
        worker::http_response answer;
        answer.status = nth == 1 ? 200 : 500;
        return answer;
    }};
    scheduling here;
    here.start();
    create(
        here, there.url(), {{"upstash-cron", "* * * * *"}, {"upstash-schedule-id", "tick"}, {"upstash-retries", "0"}});
    for (const auto* expected : {"SUCCESS", "FAIL"}) {
        here.advance(1min);
        const auto until = std::chrono::steady_clock::now() + 10s;
        std::string state;
        while (state != expected && std::chrono::steady_clock::now() < until) {
            const auto schedule = get(here, "tick");
            if (schedule.contains("lastScheduleStates") && schedule.at("lastScheduleStates").size() == 1)
                state = schedule.at("lastScheduleStates").begin().value();
        }
        CHECK(state == expected);
    }
}

TEST_CASE("calls that are not there say so, each in its own way", "[qstash][local]") {
    scheduling here;
    for (const auto* target : {"/v2/queues", "/v2/topics/x", "/v2/enqueue/q/http://localhost/", "/v2/flowControl"}) {
        CAPTURE(target);
        const auto answer = here.call("POST", target, {}, "[]");
        CHECK(answer.status == 501);
        CHECK(answer.body.contains("error"));
    }
    CHECK(here.call("POST", "/v2/publish/http://localhost/", {{"upstash-queue-name", "q"}}).status == 501);
    CHECK(here.call("GET", "/v2/nothing").status == 404);
    CHECK(here.call("PUT", "/v2/schedules").status == 405);
    CHECK(here.call("GET", "/V2/Schedules").status == 200); // the Go client writes it so
}
