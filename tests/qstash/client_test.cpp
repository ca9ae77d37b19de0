#include "qstash/client.hpp"

#include "tests/catch.hpp"
#include "tests/support/canned_server.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>

using namespace tidesync::qstash;
using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

const std::string token = "TOK.SECRET-0123456789=";

client connect(const canned_server& server) {
    client_settings settings;
    settings.url = server.url();
    settings.token = token;
    return client{settings};
}

schedule_request nightly() {
    schedule_request request;
    request.schedule_id = "my.id-1_x";
    request.cron = "CRON_TZ=Europe/Berlin 0 4 * * *";
    request.message.destination = "https://example.com/job?x=1";
    request.message.body = "{}";
    return request;
}

std::vector<std::string> sorted(std::vector<std::string> lines) {
    std::ranges::sort(lines);
    return lines;
}

/// Sets a variable of the environment for as long as the test runs.
class variable {
public:
    variable(const char* name, const std::string& value)
        : name_{name} {
        ::setenv(name, value.c_str(), 1); // NOLINT(concurrency-mt-unsafe): no other thread reads the environment
    }
    ~variable() { ::unsetenv(name_); } // NOLINT(concurrency-mt-unsafe)
    variable(const variable&) = delete;
    variable& operator=(const variable&) = delete;

private:
    const char* name_;
};

} // namespace

TEST_CASE("a create with everything is on the wire what the official client sends", "[qstash][client][http]") {
    const canned_server server{{json_answer(200, R"({"scheduleId":"my.id-1_x"})")}};
    auto request = nightly();
    request.message.method = "GET";
    request.message.delay = 30s;
    request.message.timeout = 2min;
    request.message.retries = 1;
    request.message.retry_delay = "pow(2, retried) * 1000";
    request.message.callback = "https://cb";
    request.message.failure_callback = "https://fcb";
    request.message.forward = {{"X-A", "1"}, {"X-Empty", ""}, {"X-A", "2"}};
    request.message.labels = {"l1", "l2"};
    CHECK(connect(server).create_schedule(request) == "my.id-1_x");

    REQUIRE(server.requests().size() == 1);
    const auto sent = server.requests().front();
    CHECK(request_line(sent) == "POST /v2/schedules/https://example.com/job?x=1 HTTP/1.1");
    CHECK(
        header_lines(sent) == sorted({
                                  fmt::format("host: 127.0.0.1:{}", server.port()),
                                  "user-agent: tidesync",
                                  "accept: */*",
                                  "content-length: 2",
                                  "authorization: Bearer " + token,
                                  "content-type: application/json",
                                  "upstash-cron: CRON_TZ=Europe/Berlin 0 4 * * *",
                                  "upstash-schedule-id: my.id-1_x",
                                  "upstash-method: GET",
                                  "upstash-delay: 30s",
                                  "upstash-timeout: 2m",
                                  "upstash-retries: 1",
                                  "upstash-retry-delay: pow(2, retried) * 1000",
                                  "upstash-callback: https://cb",
                                  "upstash-failure-callback: https://fcb",
                                  "upstash-forward-x-a: 1",
                                  "upstash-forward-x-a: 2",
                                  "upstash-forward-x-empty:",
                                  "upstash-label: l1,l2",
                              }));
    CHECK(body_of(sent) == "{}");
}

TEST_CASE("what is not asked for is not sent", "[qstash][client][http]") {
    const canned_server server{{json_answer(200, R"({"messageId":"msg_1"})")}};
    message_request request;
    request.destination = "http://localhost:8080";
    request.content_type = "";
    CHECK(connect(server).publish(request).message_id == "msg_1");

    REQUIRE(server.requests().size() == 1);
    const auto sent = server.requests().front();
    CHECK(request_line(sent) == "POST /v2/publish/http://localhost:8080 HTTP/1.1");
    CHECK(
        header_lines(sent) == sorted({
                                  fmt::format("host: 127.0.0.1:{}", server.port()),
                                  "user-agent: tidesync",
                                  "accept: */*",
                                  "content-length: 0",
                                  "authorization: Bearer " + token,
                                  "upstash-method: POST",
                              }));
    CHECK(body_of(sent).empty());
}

TEST_CASE("a destination arrives raw, with every dot, slash and escape in its place", "[qstash][client][http]") {
    for (const std::string destination :
         {"https://example.com/a/../b/./c", "http://example.com//a//b/",
          "https://example.com/%7Bx%7D/%2F?y=%20&z=a/../b", "https://example.com?q=http://other/&r=[1]{2}|\"'`\\^<>",
          "https://example.com/..", "HTTPS://Example.COM:443/"}) {
        CAPTURE(destination);
        const canned_server server{
            {json_answer(200, R"({"messageId":"m"})"), json_answer(200, R"({"scheduleId":"my.id-1_x"})")}};
        auto client = connect(server);
        auto request = nightly();
        request.message.destination = destination;
        client.publish(request.message);
        client.create_schedule(request);
        REQUIRE(server.requests().size() == 2);
        CHECK(request_line(server.requests()[0]) == "POST /v2/publish/" + destination + " HTTP/1.1");
        CHECK(request_line(server.requests()[1]) == "POST /v2/schedules/" + destination + " HTTP/1.1");
    }
}

TEST_CASE("a body arrives byte for byte, also a large one", "[qstash][client][http]") {
    std::string body(3'000'000, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 + i / 256);
    const canned_server server{{json_answer(200, R"({"messageId":"m"})")}};
    auto request = nightly().message;
    request.body = body;
    connect(server).publish(request);
    REQUIRE(server.requests().size() == 1);
    const auto sent = server.requests().front();
    CHECK((body_of(sent) == body));
    const auto lines = header_lines(sent);
    CHECK(std::ranges::none_of(lines, [](const auto& line) { return line.starts_with("expect:"); }));
}

TEST_CASE("any 2xx with the id is a created schedule", "[qstash][client][http]") {
    for (const int status : {200, 201, 202}) {
        CAPTURE(status);
        const canned_server server{{json_answer(status, R"({"scheduleId":"my.id-1_x"})")}};
        CHECK(connect(server).create_schedule(nightly()) == "my.id-1_x");
    }
}

TEST_CASE("every call asks for its own path", "[qstash][client][http]") {
    const canned_server server{{
        json_answer(
            200, R"([{"scheduleId":"a","callerIP":"203.0.113.7"},{"scheduleId":"b","callerIp":"203.0.113.8"}])"),
        json_answer(200, R"({"scheduleId":"a.b"})"),
        json_answer(202, R"({"status":"accepted"})"),
        answer(200),
        answer(204),
        json_answer(200, R"({"events":[]})"),
        json_answer(200, R"({"logs":[{"messageId":"msg_1"}]})"),
        json_answer(200, R"({"messages":[]})"),
        json_answer(201, R"({"messageId":"msg_2"})"),
        json_answer(200, R"({"current":"sig_1","next":"sig_2"})"),
    }};
    auto client = connect(server);
    const auto list = client.list_schedules();
    REQUIRE(list.size() == 2);
    CHECK(list[0].caller_ip == "203.0.113.7");
    CHECK(list[1].caller_ip == "203.0.113.8");
    CHECK_FALSE(list[0].paused);
    CHECK(client.get_schedule("a.b").schedule_id == "a.b");
    client.delete_schedule("a.b");
    client.pause_schedule("a.b");
    client.resume_schedule("a.b");
    CHECK(client.list_logs("", 1000).empty());
    CHECK(client.list_logs("msg_1/?&x=\r\n", 0).size() == 1);
    CHECK(client.list_dlq(20).empty());
    CHECK(client.retry_dlq("1725323658779-0/..") == "msg_2");
    CHECK(client.get_keys().next == "sig_2");

    std::vector<std::string> lines;
    for (const auto& request : server.requests()) {
        lines.push_back(request_line(request));
        CHECK_THAT(request, containing("Authorization: Bearer " + token + "\r\n"));
        CHECK(lines.back().find(token) == std::string::npos);
    }
    CHECK(
        lines == std::vector<std::string>{
                     "GET /v2/schedules HTTP/1.1",
                     "GET /v2/schedules/a.b HTTP/1.1",
                     "DELETE /v2/schedules/a.b HTTP/1.1",
                     "PATCH /v2/schedules/a.b/pause HTTP/1.1",
                     "PATCH /v2/schedules/a.b/resume HTTP/1.1",
                     "GET /v2/events?count=100 HTTP/1.1",
                     "GET /v2/events?count=1&messageId=msg_1%2F%3F%26x%3D%0D%0A HTTP/1.1",
                     "GET /v2/dlq?count=20 HTTP/1.1",
                     "POST /v2/dlq/retry/1725323658779-0%2F.. HTTP/1.1",
                     "GET /v2/keys HTTP/1.1",
                 });
}

TEST_CASE("pause and resume go by POST where PATCH is no allowed method", "[qstash][client][http]") {
    const auto refused = answer(405, "Method Not Allowed\n", "Content-Type: text/plain\r\n");
    const canned_server server{{refused, answer(200), refused, refused}};
    auto client = connect(server);
    client.pause_schedule("id");
    CHECK_THROWS_WITH(client.resume_schedule("id"), containing("resume schedule: answered 405: Method Not Allowed"));
    std::vector<std::string> lines;
    for (const auto& request : server.requests()) lines.push_back(request_line(request));
    CHECK(
        lines == std::vector<std::string>{
                     "PATCH /v2/schedules/id/pause HTTP/1.1",
                     "POST /v2/schedules/id/pause HTTP/1.1",
                     "PATCH /v2/schedules/id/resume HTTP/1.1",
                     "POST /v2/schedules/id/resume HTTP/1.1",
                 });
}

TEST_CASE("a publish sends its deduplication id and reads that it was one", "[qstash][client][http]") {
    const canned_server server{{json_answer(202, R"({"messageId":"msg_1","deduplicated":true})")}};
    const auto answered = connect(server).publish(nightly().message, "run-1");
    CHECK(answered.message_id == "msg_1");
    CHECK(answered.deduplicated);
    CHECK_THAT(server.requests().at(0), containing("Upstash-Deduplication-Id: run-1\r\n"));
}

TEST_CASE("what cannot be sent is refused before a connection is made", "[qstash][client][http]") {
    const canned_server server{{}};
    auto client = connect(server);
    auto request = nightly();
    request.message.forward = {{"X-A", "1\r\nX-Evil: 1"}};
    CHECK_THROWS_AS(client.create_schedule(request), api_error);
    CHECK_THROWS_AS(client.publish(request.message), api_error);
    request = nightly();
    request.message.destination = "example.com/SECRET";
    CHECK_THROWS_WITH(
        client.create_schedule(request),
        "create schedule: not sent: the destination does not begin with http:// or https://");
    CHECK_THROWS_AS(client.publish(request.message), api_error);
    CHECK_THROWS_AS(client.publish(nightly().message, "a:b"), api_error);
    request = nightly();
    request.schedule_id.clear();
    CHECK_THROWS_AS(client.create_schedule(request), api_error);
    for (const std::string id : {"", "..", "a/b"}) {
        CHECK_THROWS_AS(client.get_schedule(id), api_error);
        CHECK_THROWS_AS(client.delete_schedule(id), api_error);
        CHECK_THROWS_AS(client.pause_schedule(id), api_error);
        CHECK_THROWS_AS(client.resume_schedule(id), api_error);
    }
    CHECK_THROWS_AS(client.retry_dlq(""), api_error);
    CHECK(server.requests().empty());
}

TEST_CASE("a redirect is not followed, so that the token stays here", "[qstash][client][http]") {
    const canned_server elsewhere{{json_answer(200, "[]")}};
    for (const int status : {301, 302, 307, 308}) {
        CAPTURE(status);
        const canned_server server{{answer(status, "", fmt::format("Location: {}/v2/schedules\r\n", elsewhere.url()))}};
        try {
            static_cast<void>(connect(server).list_schedules());
            FAIL("a redirect is no list");
        } catch (const api_error& e) {
            CHECK(e.status == status);
            CHECK_THAT(e.what(), containing(elsewhere.url()) && containing("not followed"));
        }
        CHECK(server.requests().size() == 1);
    }
    CHECK(elsewhere.requests().empty());
}

TEST_CASE("no proxy is taken from the environment", "[qstash][client][http]") {
    const canned_server proxy{{json_answer(200, "[]")}};
    const variable http{"http_proxy", proxy.url()};
    const variable all{"ALL_PROXY", proxy.url()};
    const canned_server server{{json_answer(200, "[]")}};
    CHECK(connect(server).list_schedules().empty());
    CHECK(server.requests().size() == 1);
    CHECK(proxy.requests().empty());
}

TEST_CASE("refusals arrive in their class, and the token in none of them", "[qstash][client][http]") {
    const auto told = "you sent Authorization: Bearer " + token;
    const canned_server server{{
        json_answer(401, R"({"error":"unable to authenticate: invalid token"})"),
        json_answer(404, R"({"error":"schedule not found"})"),
        answer(400, told),
        answer(500),
        answer(200, told),
        json_answer(412, R"({"error":")" + told + "\"}"),
        answer(200, std::string("[{\"scheduleId\":\"\xff\0\"}]", 21)),
        answer(500, std::string("\xff\0\x1b", 3)),
    }};
    auto client = connect(server);
    CHECK_THROWS_AS(client.list_schedules(), unauthorized);
    CHECK_THROWS_AS(client.get_schedule("a"), not_found);
    for (int i = 0; i < 6; ++i) {
        try {
            static_cast<void>(client.list_schedules());
            FAIL("it was no list");
        } catch (const api_error& e) {
            CAPTURE(std::string{e.what()});
            CHECK(std::string{e.what()}.find(token) == std::string::npos);
            CHECK(std::ranges::all_of(std::string{e.what()}, [](char c) { return c >= ' ' && c < '\x7f'; }));
        }
    }
    CHECK(server.requests().size() == 8);
}
