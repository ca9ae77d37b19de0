// What becomes of a message: real PostgreSQL, real HTTP, a clock that the test moves.
#include "tests/catch.hpp"
#include "tests/support/canned_server.hpp"
#include "tests/support/destination.hpp"
#include "tests/support/scheduling.hpp"

#include "qstash/base64url.hpp"
#include "qstash/local/documents.hpp"
#include "qstash/verify.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <set>
#include <thread>
#include <unistd.h>

using namespace tidesync;
using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

worker::http_response status(int code, std::vector<std::pair<std::string, std::string>> headers = {}) {
    worker::http_response answer;
    answer.status = code;
    answer.headers = std::move(headers);
    answer.body = R"({"said":"no"})";
    return answer;
}

qstash::verification verified(const worker::http_request& request, const std::string& url, const char* key) {
    const std::vector<qstash::signing_key> keys{{"current", key}};
    return qstash::verify(
        {.token = request.header("upstash-signature"), .body = request.body}, keys, {&url, 1},
        std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

/// A name other than localhost that resolves to an address of this machine without asking anybody else.
std::string name_of_this_machine() {
    std::array<char, 256> own{};
    REQUIRE(gethostname(own.data(), own.size() - 1) == 0);
    for (const auto* name : {static_cast<const char*>(own.data()), "ip6-localhost", "ip6-loopback"}) {
        addrinfo* found = nullptr;
        if (getaddrinfo(name, nullptr, nullptr, &found) != 0) continue;
        freeaddrinfo(found);
        return name;
    }
    FAIL(
        "/etc/hosts names neither this machine (" << own.data() << ") nor ip6-localhost: add a line, 127.0.1.1 "
                                                  << own.data());
    return {};
}

} // namespace

TEST_CASE("a published message arrives once, signed for its URL and body", "[qstash][local]") {
    destination there;
    scheduling here;
    here.start();
    const auto url = there.url("/job//a?x=1&y=%20b");
    const auto body = std::string{"na\xC3\xAFve \0 \xFF\n", 11};
    const auto id = here.publish(
        url, {{"upstash-forward-x-mine", "1"}, {"content-type", "text/plain"}, {"upstash-method", "PUT"}}, body);
    CHECK(here.await_states(id, "CREATED ACTIVE DELIVERED"));
    REQUIRE(there.requests().size() == 1);
    const auto request = there.requests().front();
    CHECK(request.method == "PUT");
    CHECK(request.target == "/job//a?x=1&y=%20b");
    CHECK(request.body == body);
    CHECK(request.header("x-mine") == "1");
    CHECK(request.header("content-type") == "text/plain");
    CHECK(request.header("user-agent") == "Upstash-QStash");
    CHECK(request.header("upstash-message-id") == id);
    CHECK(request.header("upstash-retried") == "0");
    CHECK(request.header("upstash-caller-ip") == "192.0.2.7");
    CHECK(request.count("authorization") == 0);
    CHECK(verified(request, url, scheduling::current_key).result == qstash::verdict::genuine);
    CHECK(here.call("GET", "/v2/messages/" + id).status == 404); // gone after delivery, as the documentation says
}

TEST_CASE(
    "a destination that answers 500 gets the documented attempts, then the dead letter queue", "[qstash][local]") {
    destination there{[](const auto& request, int) { return request.path() == "/failed" ? status(200) : status(500); }};
    scheduling here;
    here.start();
    const auto id = here.publish(
        there.url(),
        {{"upstash-retries", "2"}, {"upstash-failure-callback", there.url("/failed")}, {"upstash-label", "nightly"}},
        R"({"a":1})");
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY"));
    here.advance(11'900ms);
    std::this_thread::sleep_for(200ms);
    CHECK(there.requests().size() == 1); // not before its time
    here.advance(100ms);                 // 12 s: e^2.5
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY ACTIVE ERROR RETRY"));
    here.advance(147s);
    std::this_thread::sleep_for(200ms);
    CHECK(there.requests().size() == 2);
    here.advance(1s); // 148 s: e^5
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY ACTIVE ERROR RETRY ACTIVE ERROR FAILED"));
    REQUIRE(there.await(4)); // the failure callback
    REQUIRE(here.settle());
    here.advance(48h);
    std::this_thread::sleep_for(200ms);
    const auto attempts = there.requests("/job");
    REQUIRE(attempts.size() == 3);
    for (std::size_t n = 0; n < attempts.size(); ++n) {
        CHECK(attempts[n].header("upstash-retried") == std::to_string(n));
        CHECK(attempts[n].header("upstash-message-id") == id);
        CHECK(verified(attempts[n], there.url(), scheduling::current_key).genuine());
    }
    const auto letters = here.call("GET", "/v2/dlq").body.at("messages");
    REQUIRE(letters.size() == 1);
    const auto dlq_id = letters[0].at("dlqId").get<std::string>();
    CHECK(letters[0].at("messageId") == id);
    CHECK(letters[0].at("responseStatus") == 500);
    CHECK(letters[0].at("responseBody") == R"({"said":"no"})");
    CHECK(letters[0].at("label") == "nightly");

    const auto callbacks = there.requests("/failed");
    REQUIRE(callbacks.size() == 1);
    CHECK(verified(callbacks[0], there.url("/failed"), scheduling::current_key).genuine());
    CHECK(callbacks[0].header("upstash-message-id") != id);
    const auto told = nlohmann::json::parse(callbacks[0].body);
    CHECK(told.at("status") == 500);
    CHECK(told.at("retried") == 2);
    CHECK(told.at("maxRetries") == 2);
    CHECK(told.at("dlqId") == dlq_id);
    CHECK(told.at("sourceMessageId") == id);
    CHECK(told.at("url") == there.url());
    CHECK(told.at("sourceBody") == qstash::local::base64(R"({"a":1})"));
    CHECK(told.at("body") == qstash::local::base64(R"({"said":"no"})"));
}

TEST_CASE("a dead letter that is retried becomes a new message and is delivered", "[qstash][local]") {
    std::atomic<bool> well{false};
    destination there{[&](const auto&, int) { return status(well ? 200 : 500); }};
    scheduling here;
    here.start();
    const auto id = here.publish(there.url(), {{"upstash-retries", "0"}, {"upstash-forward-x-mine", "1"}}, "body");
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR FAILED"));
    const auto dlq_id = here.call("GET", "/v2/dlq").body.at("messages")[0].at("dlqId").get<std::string>();
    CHECK(here.call("GET", "/v2/dlq/" + dlq_id).body.at("messageId") == id);
    well = true;
    const auto retried = here.call("POST", "/v2/dlq/retry?dlqIds=" + dlq_id);
    REQUIRE(retried.status == 201);
    const auto anew = retried.body.at("responses")[0].at("messageId").get<std::string>();
    CHECK(anew != id);
    CHECK(here.await_states(anew, "CREATED ACTIVE DELIVERED"));
    CHECK(there.requests().back().header("x-mine") == "1");
    CHECK(there.requests().back().body == "body");
    CHECK(here.call("GET", "/v2/dlq").body.at("messages").empty());
    CHECK(here.call("POST", "/v2/dlq/retry/" + dlq_id).status == 404);
}

TEST_CASE("489 with its header ends a message at once, 489 alone does not", "[qstash][local]") {
    const bool with_header = GENERATE(true, false);
    destination there{[&](const auto&, int) {
        return with_header ? status(489, {{"Upstash-NonRetryable-Error", "true"}}) : status(489);
    }};
    scheduling here;
    here.start();
    const auto id = here.publish(there.url());
    CHECK(here.await_states(id, with_header ? "CREATED ACTIVE ERROR FAILED" : "CREATED ACTIVE ERROR RETRY"));
    CHECK(here.call("GET", "/v2/dlq").body.at("messages").size() == (with_header ? 1U : 0U));
}

TEST_CASE("Retry-After replaces the delay and adds no attempt", "[qstash][local]") {
    destination there{[](const auto&, int) { return status(503, {{"Retry-After", "3"}}); }};
    scheduling here;
    here.start();
    const auto id = here.publish(there.url(), {{"upstash-retries", "1"}});
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY"));
    here.advance(3s);
    CHECK(here.await_states(id, "CREATED ACTIVE ERROR RETRY ACTIVE ERROR FAILED"));
    CHECK(there.requests().size() == 2);
}

TEST_CASE("a destination that does not answer in time is a failed attempt that says so", "[qstash][local]") {
    destination there{[](const auto&, int) {
        std::this_thread::sleep_for(2500ms);
        return status(200);
    }};
    scheduling here;
    here.start();
    const auto id = here.publish(there.url(), {{"upstash-timeout", "1s"}, {"upstash-retries", "0"}});
    CHECK(here.await_states(id, "CREATED ACTIVE ERROR FAILED"));
    const auto entries = here.call("GET", "/v2/events?state=error&messageId=" + id).body.at("events");
    REQUIRE(entries.size() == 1);
    CHECK_THAT(entries[0].at("error").get<std::string>(), containing("context deadline exceeded"));
    CHECK_FALSE(entries[0].contains("responseStatus"));
    CHECK(here.call("GET", "/v2/dlq").body.at("messages")[0].at("responseStatus") == 0);
}

TEST_CASE("a destination that dies in mid-answer is a failed attempt, and is tried again", "[qstash][local]") {
    canned_server there{
        {{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", canned_answer::then::close},
         {"", canned_answer::then::close},
         answer(204)}};
    scheduling here;
    here.start();
    const auto id = here.publish(there.url() + "/job", {{"upstash-retry-delay", "1000 * (1 + retried)"}});
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY"));
    here.advance(1s);
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY ACTIVE ERROR RETRY"));
    here.advance(2s);
    CHECK(here.await_states(id, "CREATED ACTIVE ERROR RETRY ACTIVE ERROR RETRY ACTIVE DELIVERED"));
    CHECK(there.requests().size() == 3);
}

TEST_CASE("nobody listening is a failed attempt", "[qstash][local]") {
    scheduling here;
    here.start();
    const auto id = here.publish(fmt::format("http://127.0.0.1:{}/", unused_port()), {{"upstash-retries", "0"}});
    CHECK(here.await_states(id, "CREATED ACTIVE ERROR FAILED"));
}

TEST_CASE("a redirect is not followed: it is no success", "[qstash][local]") {
    destination there{[](const auto& request, int) {
        return status(302, {{"Location", fmt::format("http://{}/elsewhere", request.header("host"))}});
    }};
    scheduling here;
    here.start();
    const auto id = here.publish(there.url(), {{"upstash-retries", "0"}});
    CHECK(here.await_states(id, "CREATED ACTIVE ERROR FAILED"));
    CHECK(there.requests("/elsewhere").empty());
}

TEST_CASE("a callback reports every attempt", "[qstash][local]") {
    destination there{
        [](const auto& request, int nth) { return status(request.path() == "/job" && nth == 1 ? 500 : 200); }};
    scheduling here;
    here.start();
    const auto id = here.publish(
        there.url(),
        {{"upstash-callback", there.url("/told")}, {"upstash-callback-forward-x-cb", "yes"}, {"upstash-retries", "1"}});
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY"));
    here.advance(12s);
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY ACTIVE DELIVERED"));
    REQUIRE(there.await(4));
    const auto told = there.requests("/told");
    REQUIRE(told.size() == 2);
    CHECK(told[0].header("x-cb") == "yes");
    CHECK(nlohmann::json::parse(told[0].body).at("status") == 500);
    CHECK(nlohmann::json::parse(told[1].body).at("status") == 200);
    CHECK(nlohmann::json::parse(told[1].body).at("retried") == 1);
}

TEST_CASE("a delayed message waits for its time", "[qstash][local]") {
    destination there;
    scheduling here;
    here.start();
    const auto in_s = std::chrono::floor<std::chrono::seconds>(here.now()).time_since_epoch().count();
    const bool absolute = GENERATE(true, false);
    const auto id = here.publish(
        there.url(), absolute ? qstash::local::header_fields{{"upstash-not-before", std::to_string(in_s + 90)}}
                              : qstash::local::header_fields{{"upstash-delay", "1m30s"}});
    CHECK(here.call("GET", "/v2/messages/" + id).body.at("notBefore") == (in_s + 90) * 1000);
    here.advance(89s);
    std::this_thread::sleep_for(200ms);
    CHECK(there.requests().empty());
    here.advance(1s);
    CHECK(here.await_states(id, "CREATED ACTIVE DELIVERED"));
}

TEST_CASE("a canceled message is not delivered", "[qstash][local]") {
    destination there;
    scheduling here;
    here.start();
    const auto one = here.publish(there.url(), {{"upstash-delay", "10s"}, {"upstash-label", "a"}});
    const auto two = here.publish(there.url(), {{"upstash-delay", "10s"}, {"upstash-label", "b"}});
    const auto three = here.publish(there.url(), {{"upstash-delay", "10s"}, {"upstash-label", "c"}});
    const auto answer = here.call("DELETE", "/v2/messages/" + one);
    CHECK(answer.status == 202);
    CHECK(answer.body.at("cancelled") == 1);
    CHECK(here.call("DELETE", "/v2/messages/" + one).status == 404);
    CHECK(here.call("DELETE", "/v2/messages?label=b").body.at("cancelled") == 1);
    CHECK(here.call("DELETE", "/v2/messages?queueName=q").body.at("cancelled") == 0);
    CHECK(here.call("DELETE", "/v2/messages?host=127.0.0.1").status == 501); // never more than was asked for
    here.advance(10s);
    CHECK(here.await_states(three, "CREATED ACTIVE DELIVERED"));
    CHECK(here.states(one) == "CREATED CANCEL_REQUESTED CANCELED");
    CHECK(here.states(two) == "CREATED CANCEL_REQUESTED CANCELED");
    CHECK(there.requests().size() == 1);
}

TEST_CASE("a message that is canceled while it is delivered is not tried again", "[qstash][local]") {
    std::atomic<bool> go_on{false};
    destination there{[&](const auto&, int) {
        for (int i = 0; i < 500 && !go_on; ++i) std::this_thread::sleep_for(10ms);
        return status(500);
    }};
    scheduling here;
    here.start();
    const auto id = here.publish(there.url());
    REQUIRE(there.await(1));
    CHECK(
        here.call("DELETE", "/v2/messages", {}, fmt::format(R"({{"messageIds":["{}"]}})", id)).body.at("cancelled") ==
        1);
    go_on = true;
    CHECK(here.await_states(id, "CREATED ACTIVE CANCEL_REQUESTED ERROR CANCELED"));
    CHECK(here.call("GET", "/v2/dlq").body.at("messages").empty());
}

TEST_CASE("the same deduplication id within the window makes one message", "[qstash][local]") {
    destination there;
    scheduling here;
    here.start();
    const qstash::local::header_fields with{{"upstash-deduplication-id", "once"}};
    const auto id = here.publish(there.url(), with);
    const auto again = here.call("POST", "/v2/publish/" + there.url(), with);
    CHECK(again.status == 202);
    CHECK(again.body.at("messageId") == id);
    CHECK(again.body.at("deduplicated") == true);
    REQUIRE(here.await_states(id, "CREATED ACTIVE DELIVERED"));
    here.advance(11min);
    CHECK(here.publish(there.url(), with) != id);
    REQUIRE(there.await(2));
}

TEST_CASE("after a rotation the next key signs, and a receiver that knows both goes on", "[qstash][local]") {
    destination there;
    scheduling here;
    here.start();
    const auto before = here.call("GET", "/v2/keys").body;
    CHECK(before.at("current") == scheduling::current_key);
    const auto after = here.call("POST", "/v2/keys/rotate").body;
    CHECK(after.at("current") == scheduling::next_key);
    CHECK(after.at("next") != scheduling::next_key);
    here.publish(there.url());
    REQUIRE(there.await(1));
    CHECK(verified(there.requests()[0], there.url(), scheduling::next_key).genuine());
    // The same settings at the next start do not undo the rotation, other ones do.
    here.store().give_keys("default", {scheduling::current_key, scheduling::next_key}, false);
    CHECK(here.call("GET", "/v2/keys").body == after);
    here.store().give_keys("default", {"sig_another", "sig_pair"}, false);
    CHECK(here.call("GET", "/v2/keys").body.at("current") == "sig_another");
}

TEST_CASE("a host that is not allowed is refused when the message is made", "[qstash][local]") {
    scheduling here{{}, {.hosts = {"app.example.com"}, .networks = {}}};
    for (const auto* url :
         {"http://169.254.169.254/latest", "http://10.0.0.8/", "https://elsewhere.example.com/", "http://[fe80::1]/"}) {
        CAPTURE(url);
        const auto answer = here.call("POST", std::string{"/v2/publish/"} + url);
        CHECK(answer.status == 400);
        CHECK_THAT(answer.body.at("error").get<std::string>(), Catch::Matchers::StartsWith("invalid destination url"));
        CHECK(here.call("POST", "/v2/publish/http://localhost/", {{"upstash-failure-callback", url}}).status == 400);
        CHECK(here.call("POST", std::string{"/v2/schedules/"} + url, {{"upstash-cron", "* * * * *"}}).status == 400);
    }
    CHECK(here.call("POST", "/v2/publish/https://app.example.com/").status == 200);
}

TEST_CASE(
    "an allowed name that resolves to an inner address is refused before a connection is made", "[qstash][local]") {
    const auto host = name_of_this_machine();
    destination there;
    scheduling here{{}, {.hosts = {host}, .networks = {}}};
    here.start();
    auto url = there.url();
    url.replace(url.find("127.0.0.1"), 9, host);
    const auto id = here.publish(url, {{"upstash-retries", "0"}});
    REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR FAILED"));
    const auto entry = here.call("GET", "/v2/logs?state=ERROR&messageId=" + id).body.at("logs")[0];
    CHECK_THAT(entry.at("error").get<std::string>(), containing("resolves to"));
    CHECK(there.requests().empty());
}

TEST_CASE("a message that is canceled during its last attempt makes no failure callback", "[qstash][local]") {
    std::atomic<bool> go_on{false};
    destination there{[&](const auto& request, int) {
        for (int i = 0; i < 500 && !go_on && request.path() == "/job"; ++i) std::this_thread::sleep_for(10ms);
        return status(500);
    }};
    scheduling here;
    here.start();
    const auto id =
        here.publish(there.url(), {{"upstash-retries", "0"}, {"upstash-failure-callback", there.url("/failed")}});
    REQUIRE(there.await(1));
    CHECK(here.call("DELETE", "/v2/messages/" + id).status == 202);
    go_on = true;
    CHECK(here.await_states(id, "CREATED ACTIVE CANCEL_REQUESTED ERROR CANCELED"));
    std::this_thread::sleep_for(200ms);
    CHECK(there.requests("/failed").empty());
}

TEST_CASE(
    "whatever way a destination fails, it gets its attempts, a dead letter, a callback, and another chance",
    "[qstash][local]") {
    struct way {
        const char* name;
        int status; ///< 0: it does not answer in time
        std::vector<std::pair<std::string, std::string>> headers;
        std::size_t attempts;
        std::chrono::milliseconds pause; ///< before the second
    };
    const auto how = GENERATE(
        as<way>{}, way{"500", 500, {}, 2, 12s}, way{"too slow", 0, {}, 2, 12s},
        way{"489", 489, {{"Upstash-NonRetryable-Error", "true"}}, 1, 0s},
        way{"Retry-After", 429, {{"Retry-After", "100"}}, 2, 100s});
    std::atomic<bool> well{false};
    CAPTURE(how.name);
    destination there{[&](const worker::http_request& request, int) {
        if (well || request.path() != "/job") return status(200);
        for (int i = 0; i < 250 && how.status == 0 && !well; ++i) std::this_thread::sleep_for(10ms);
        return status(how.status == 0 ? 200 : how.status, how.headers);
    }};
    scheduling here;
    here.start();
    const auto id = here.publish(
        there.url(),
        {{"upstash-retries", "1"}, {"upstash-timeout", "1s"}, {"upstash-failure-callback", there.url("/failed")}});
    if (how.attempts == 2) {
        REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY"));
        here.advance(how.pause - 1ms);
        std::this_thread::sleep_for(150ms);
        CHECK(there.requests("/job").size() == 1);
        here.advance(1ms);
        REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR RETRY ACTIVE ERROR FAILED"));
    } else {
        REQUIRE(here.await_states(id, "CREATED ACTIVE ERROR FAILED"));
    }
    REQUIRE(there.await(how.attempts + 1));
    REQUIRE(here.settle());
    here.advance(1h); // nothing comes after it
    std::this_thread::sleep_for(150ms);
    CHECK(there.requests("/job").size() == how.attempts);
    REQUIRE(there.requests("/failed").size() == 1);
    const auto told = nlohmann::json::parse(there.requests("/failed")[0].body);
    CHECK(told.at("sourceMessageId") == id);
    const auto dlq_id = told.at("dlqId").get<std::string>();
    well = true;
    const auto anew = here.call("POST", "/v2/dlq/retry/" + dlq_id).body.at("messageId").get<std::string>();
    CHECK(here.await_states(anew, "CREATED ACTIVE DELIVERED"));
}
