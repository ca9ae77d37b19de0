// The loop under fire: several of them, one that dies, destinations that misbehave. Real PostgreSQL, real HTTP.
#include "tests/catch.hpp"
#include "tests/support/canned_server.hpp"
#include "tests/support/destination.hpp"
#include "tests/support/scheduling.hpp"

#include <atomic>
#include <set>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

worker::http_response status(int code) {
    worker::http_response answer;
    answer.status = code;
    return answer;
}

} // namespace

TEST_CASE("several replicas on one store deliver each message once", "[qstash][local][threads]") {
    destination there;
    scheduling here;
    for (int i = 0; i < 4; ++i) here.start();
    std::set<std::string> ids;
    for (int i = 0; i < 150; ++i) ids.insert(here.publish(there.url()));
    REQUIRE(there.await(150));
    std::this_thread::sleep_for(300ms);
    std::multiset<std::string> came;
    for (const auto& request : there.requests()) came.emplace(request.header("upstash-message-id"));
    CHECK(came.size() == 150);
    CHECK(std::set<std::string>(came.begin(), came.end()) == ids);
}

TEST_CASE("an attempt that was lost with its process is made again when its lease ends", "[qstash][local]") {
    std::atomic<bool> go_on{false};
    destination there{[&](const auto&, int) {
        for (int i = 0; i < 500 && !go_on; ++i) std::this_thread::sleep_for(10ms);
        return status(200);
    }};
    scheduling here;
    const auto id = here.publish(there.url());
    const auto lost = here.store().claim_messages(here.now(), 30s, {}); // by a process that then dies
    REQUIRE(lost.size() == 1);
    here.start();
    std::this_thread::sleep_for(200ms);
    CHECK(there.requests().empty());
    here.advance(30s);
    REQUIRE(there.await(1));
    CHECK(there.requests().front().header("upstash-retried") == "0"); // nobody knows that there was another
    // The dead one wakes up after all, while the other is at it: its answer does not count.
    CHECK(
        here.store().end_attempt(
            lost[0], {.status = 500}, {.step = qstash::local::failed{}, .callbacks = {}, .failure_callbacks = {}},
            here.now()) == qstash::local::recorded::nothing);
    go_on = true;
    CHECK(here.await_states(id, "CREATED ACTIVE ACTIVE DELIVERED"));
}

TEST_CASE("stopping gives a message under way back, and another replica delivers it", "[qstash][local]") {
    std::atomic<bool> slow{true};
    destination there{[&](const auto&, int) {
        for (int i = 0; i < 1200 && slow; ++i) std::this_thread::sleep_for(10ms);
        return status(200);
    }};
    scheduling here;
    here.start();
    const auto id = here.publish(there.url());
    REQUIRE(there.await(1));
    std::jthread stopping{[&] { here.stop(); }}; // waits ten seconds for the attempt, then gives it back
    std::this_thread::sleep_for(10'500ms);
    stopping.join();
    CHECK(here.kept().value("SELECT state FROM tidesync_qstash.message") == "waiting");
    slow = false;
    here.start();
    CHECK(here.await_states(id, "CREATED ACTIVE ACTIVE DELIVERED"));
}

TEST_CASE("one account sees nothing of another's", "[qstash][local]") {
    scheduling here;
    here.store().give_keys("other", {"sig_other", "sig_pair"}, false);
    const auto id = here.publish("http://localhost:1/", {{"upstash-delay", "1h"}});
    REQUIRE(
        here.call(
                "POST", "/v2/schedules/http://localhost:1/",
                {{"upstash-cron", "* * * * *"}, {"upstash-schedule-id", "s"}})
            .status == 200);
    const auto as_other = [&](const char* method, const std::string& path) {
        // The parameter goes before the header, so that a webhook may bring an authorization of its own.
        return here.call(method, path + "?qstash_token=another-token-only-for-tests");
    };
    CHECK(as_other("GET", "/v2/messages/" + id).status == 404);
    CHECK(as_other("GET", "/v2/schedules").body == nlohmann::json::array());
    CHECK(as_other("GET", "/v2/schedules/s").status == 404);
    CHECK(as_other("DELETE", "/v2/schedules/s").status == 404);
    CHECK(as_other("DELETE", "/v2/messages").body.at("cancelled") == 0);
    CHECK(as_other("GET", "/v2/logs").body.at("logs").empty());
    CHECK(as_other("GET", "/v2/keys").body.at("current") == "sig_other");
    CHECK(here.call("GET", "/v2/messages/" + id).status == 200);
    CHECK(here.call("GET", "/v2/schedules/s").status == 200);
    CHECK(here.call("GET", "/v2/schedules?qstash_token=wrong").status == 401);
}

TEST_CASE("an application that hangs does not delay the messages of others", "[qstash][local]") {
    std::atomic<bool> hang{true};
    destination sick{[&](const auto&, int) {
        for (int i = 0; i < 1000 && hang; ++i) std::this_thread::sleep_for(10ms);
        return status(200);
    }};
    destination well;
    scheduling here;
    auto by_name = sick.url();
    by_name.replace(by_name.find("127.0.0.1"), 9, "localhost"); // another host than the well one
    for (int i = 0; i < 300; ++i) here.publish(by_name);
    here.start();
    REQUIRE(sick.await(10));
    const auto id = here.publish(well.url());
    CHECK(here.await_states(id, "CREATED ACTIVE DELIVERED"));
    CHECK(std::stoi(here.kept().value("SELECT count(*) FROM tidesync_qstash.message WHERE state = 'active'")) <= 32);
    hang = false;
    here.call("DELETE", "/v2/messages");
}

TEST_CASE("a message that was canceled is not taken up when its process dies", "[qstash][local]") {
    destination there;
    scheduling here;
    const auto id = here.publish(there.url());
    REQUIRE(here.store().claim_messages(here.now(), 30s, {}).size() == 1); // by a process that then dies
    CHECK(here.call("DELETE", "/v2/messages/" + id).status == 202);
    here.advance(30s);
    here.start();
    CHECK(here.await_states(id, "CREATED ACTIVE CANCEL_REQUESTED CANCELED"));
    CHECK(there.requests().empty());
}

TEST_CASE("what a destination says with bytes that no database keeps is recorded all the same", "[qstash][local]") {
    const auto* const bytes = GENERATE(
        as<const char*>{},
        "HTTP/1.1 500 \xff\xfe\r\nX-Bad: a\xff\xfe\r\nX-\xc3: b\r\nContent-Length: 2\r\n\r\n\xff\xff",
        "HTTP/\xff.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "rubbish\r\n\r\n",
        "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    canned_server there{{{bytes, canned_answer::then::close}}};
    scheduling here;
    here.start();
    const auto id = here.publish(there.url() + "/job", {{"upstash-retries", "0"}});
    CHECK(here.await_states(id, "CREATED ACTIVE ERROR FAILED")); // none of them is a success
    CHECK(here.call("GET", "/v2/dlq").body.at("messages").size() == 1);
}

TEST_CASE("an answer that drips in does not make the loop ask its store again and again", "[qstash][local]") {
    canned_server there{{{"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", canned_answer::then::drip, "x"}}};
    scheduling here;
    here.publish(there.url() + "/job", {{"upstash-timeout", "2s"}, {"upstash-retries", "0"}});
    const auto commits = [&] {
        return std::stol(
            here.kept().value("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"));
    };
    const auto before = commits();
    here.start();
    std::this_thread::sleep_for(1500ms);
    here.stop();
    std::this_thread::sleep_for(1200ms); // statistics of a connection arrive late
    CHECK(commits() - before < 200);     // some 40 rounds of a poll every 50 ms
}

TEST_CASE("one process works on its own accounts only", "[qstash][local]") {
    destination there;
    scheduling here;
    here.kept().run("INSERT INTO tidesync_qstash.account (account, current_key, next_key, given_sha256) "
                    "VALUES ('elsewhere', 'sig_a', 'sig_b', '')");
    here.publish(there.url());
    const auto schedule = here.call(
        "POST", "/v2/schedules/" + there.url(), {{"upstash-cron", "* * * * *"}, {"upstash-schedule-id", "s"}});
    REQUIRE(schedule.status == 200);
    here.kept().run("UPDATE tidesync_qstash.message SET account = 'elsewhere'; "
                    "UPDATE tidesync_qstash.schedule SET account = 'elsewhere'");
    REQUIRE(here.call("POST", "/v2/schedules/" + there.url("/ours"), {{"upstash-cron", "* * * * *"}}).status == 200);
    here.start();
    here.advance(1min); // both are due
    REQUIRE(there.await(1));
    std::this_thread::sleep_for(300ms);
    CHECK(there.requests("/ours").size() == 1);
    CHECK(there.requests().size() == 1);
    CHECK(here.kept().value("SELECT count(*) FROM tidesync_qstash.message WHERE schedule_id = 's'") == "0");
}

TEST_CASE("what is over is forgotten after a week, however much it is", "[qstash][local]") {
    scheduling here;
    here.kept().run(
        "INSERT INTO tidesync_qstash.message (message_id, account, options, host, body, caller_ip, created_at, "
        "not_before, due_at, state, finished_at) SELECT 'msg_' || i, 'default', '{}', 'h', '', '', now(), now(), "
        "now(), "
        "'delivered', to_timestamp(0) FROM generate_series(1, 1700) i; "
        "INSERT INTO tidesync_qstash.deduplication SELECT 'default', i::text, 'm', to_timestamp(0) FROM "
        "generate_series(1, 900) i");
    here.start();
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (here.kept().value("SELECT count(*) FROM tidesync_qstash.message") != "0" &&
           std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(20ms);
    CHECK(here.kept().value("SELECT count(*) FROM tidesync_qstash.message") == "0");
    CHECK(here.kept().value("SELECT count(*) FROM tidesync_qstash.deduplication") == "0");
}
