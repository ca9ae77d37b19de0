#include "qstash/client.hpp"

#include "qstash/http_call.hpp"
#include "tests/catch.hpp"
#include "tests/support/canned_server.hpp"

#include <atomic>
#include <chrono>
#include <fmt/format.h>
#include <thread>

using namespace tidesync::qstash;
using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

using then = canned_answer::then;

const std::string token = "TOK.SECRET-0123456789=";

client_settings settings_for(const std::string& url) {
    client_settings settings;
    settings.url = url;
    settings.token = token;
    settings.connect_limit = 2s;
    settings.total_limit = 10s;
    return settings;
}

message_request message() {
    message_request request;
    request.destination = "https://example.com/job";
    return request;
}

schedule_request hourly() { return {"id", "0 * * * *", message()}; }

canned_answer html_502() {
    return answer(502, "<html><body>\n<h1>502 Bad Gateway</h1></body></html>", "Content-Type: text/html\r\n");
}

canned_answer limited(const std::string& prefix, std::chrono::seconds from_now) {
    const auto reset = std::chrono::system_clock::now() + from_now;
    return answer(
        429, R"({"error":"too many"})",
        fmt::format(
            "{0}RateLimit-Limit: 100\r\n{0}RateLimit-Remaining: 0\r\n{0}RateLimit-Reset: {1}\r\n", prefix,
            std::chrono::duration_cast<std::chrono::seconds>(reset.time_since_epoch()).count()));
}

class stopwatch {
public:
    [[nodiscard]] std::chrono::milliseconds elapsed() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start_);
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// @returns what the list of schedules failed with
std::string unreachable_text(const client_settings& settings) {
    try {
        static_cast<void>(client{settings}.list_schedules());
    } catch (const unreachable& e) {
        CHECK(e.status == 0);
        CHECK(std::string{e.what()}.find(token) == std::string::npos);
        return e.what();
    }
    return "it was answered";
}

} // namespace

TEST_CASE("a call that is safe to repeat is tried again after what passes", "[qstash][client][http]") {
    struct row {
        std::string what;
        canned_answer first;
    };
    const std::vector<row> cases{
        {"closed without an answer", {}},
        {"closed within the status line", {"HTTP/1.1 20"}},
        {"closed within a header", {"HTTP/1.1 200 OK\r\nContent-Le"}},
        {"closed between headers", {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"}},
        {"closed before the empty line", {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"}},
        {"closed after an interim answer", {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"}},
        {"closed within a chunk", {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n[]"}},
        {"closed within the body", {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{\"sch"}},
        {"502 with HTML", html_502()},
        {"503", answer(503)},
        {"504", json_answer(504, R"({"error":"timeout"})")},
        {"429 that says nothing more", answer(429)},
        {"429 whose end has come", limited("Burst-", -5s)},
    };
    for (const auto& [what, first] : cases) {
        CAPTURE(what);
        const canned_server server{{first, json_answer(200, "[]")}};
        CHECK(client{settings_for(server.url())}.list_schedules().empty());
        const auto requests = server.requests();
        REQUIRE(requests.size() == 2);
        CHECK(requests[0] == requests[1]);
    }
}

TEST_CASE("after the last try the call fails with what came last, and pauses grow", "[qstash][client][http]") {
    const canned_server server{{answer(503), html_502(), html_502(), json_answer(200, "[]")}};
    const stopwatch watch;
    CHECK_THROWS_WITH(
        client{settings_for(server.url())}.list_schedules(),
        "list schedules: answered 502: <html><body> <h1>502 Bad Gateway</h1></body></html>");
    CHECK(server.requests().size() == 3);
    CHECK(watch.elapsed() >= 600ms); // 200 and 400, with jitter on top
    CHECK(watch.elapsed() < 5s);
}

TEST_CASE("what would fail the same way again is asked only once", "[qstash][client][http]") {
    for (const int status : {302, 400, 401, 403, 404, 405, 412, 500, 501}) {
        CAPTURE(status);
        const canned_server server{{answer(status), json_answer(200, "[]")}};
        CHECK_THROWS_AS(client{settings_for(server.url())}.list_schedules(), api_error);
        CHECK(server.requests().size() == 1);
    }
}

TEST_CASE("each call is repeated only where a second one changes nothing", "[qstash][client][http]") {
    struct row {
        std::string what;
        void (*make)(client&);
        std::size_t requests;
    };
    const std::vector<row> cases{
        {"create", [](client& c) { c.create_schedule(hourly()); }, 2},
        {"list", [](client& c) { static_cast<void>(c.list_schedules()); }, 2},
        {"get", [](client& c) { static_cast<void>(c.get_schedule("id")); }, 2},
        {"delete", [](client& c) { c.delete_schedule("id"); }, 2},
        {"pause", [](client& c) { c.pause_schedule("id"); }, 2},
        {"resume", [](client& c) { c.resume_schedule("id"); }, 2},
        {"publish with an id", [](client& c) { c.publish(message(), "run-1"); }, 2},
        {"publish without one", [](client& c) { c.publish(message()); }, 1},
        {"logs", [](client& c) { static_cast<void>(c.list_logs("")); }, 2},
        {"DLQ", [](client& c) { static_cast<void>(c.list_dlq()); }, 2},
        {"retry of a DLQ entry", [](client& c) { c.retry_dlq("1-0"); }, 1},
        {"keys", [](client& c) { static_cast<void>(c.get_keys()); }, 2},
    };
    for (const auto& [what, make, requests] : cases) {
        CAPTURE(what);
        const canned_server closing{{}};
        auto settings = settings_for(closing.url());
        settings.tries_max = 2;
        client one{settings};
        CHECK_THROWS_AS(make(one), unreachable);
        CHECK(closing.requests().size() == requests);
        const canned_server refusing{{answer(503), answer(503), answer(503), answer(503)}};
        settings.url = refusing.url();
        client other{settings};
        CHECK_THROWS_AS(make(other), api_error);
        CHECK(refusing.requests().size() == requests);
    }
}

TEST_CASE("a publish with a deduplication id is sent again with the same one", "[qstash][client][http]") {
    const canned_server server{{{}, json_answer(202, R"({"messageId":"msg_1","deduplicated":true})")}};
    CHECK(client{settings_for(server.url())}.publish(message(), "run-1").deduplicated);
    const auto requests = server.requests();
    REQUIRE(requests.size() == 2);
    CHECK(requests[0] == requests[1]);
    CHECK_THAT(requests[1], containing("Upstash-Deduplication-Id: run-1\r\n"));
}

TEST_CASE("a schedule that is gone after a delete of ours in doubt is deleted", "[qstash][client][http]") {
    const auto gone = json_answer(404, R"({"error":"schedule not found"})");
    for (const auto& lost : {canned_answer{}, html_502()}) {
        const canned_server server{{lost, gone}};
        CHECK_NOTHROW(client{settings_for(server.url())}.delete_schedule("id"));
        CHECK(server.requests().size() == 2);
    }
    const canned_server never_there{{gone}};
    CHECK_THROWS_AS(client{settings_for(never_there.url())}.delete_schedule("id"), not_found);
    const canned_server first_busy{{answer(429), gone}}; // a 429 deletes nothing
    CHECK_THROWS_AS(client{settings_for(first_busy.url())}.delete_schedule("id"), not_found);
}

TEST_CASE("calls of one caller end together, however many there are", "[qstash][client][http]") {
    const canned_server server{{json_answer(200, "[]"), {.bytes = "", .afterwards = canned_answer::then::stall}}};
    auto settings = settings_for(server.url());
    const auto start = std::chrono::steady_clock::now();
    settings.until = start + 500ms;
    client calls{settings};
    CHECK(calls.list_schedules().empty());
    CHECK_THROWS_AS(calls.list_schedules(), unreachable);
    for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(calls.pause_schedule("a"), unreachable);
    CHECK(std::chrono::steady_clock::now() - start < 3s);
    CHECK(server.requests().size() == 2); // what has no time left is not sent
}

TEST_CASE("a burst limit is waited for where the call has the time", "[qstash][client][http]") {
    const canned_server server{{limited("Burst-", 2s), json_answer(200, "[]")}};
    const stopwatch watch;
    CHECK(client{settings_for(server.url())}.list_schedules().empty());
    CHECK(watch.elapsed() >= 1s); // the header has whole seconds, so that up to one of the two is cut off
    CHECK(watch.elapsed() < 6s);
    CHECK(server.requests().size() == 2);
}

TEST_CASE("a limit that ends later than the call is told at once", "[qstash][client][http]") {
    const canned_server server{{limited("", 3h), limited("Burst-", 1min)}};
    const stopwatch watch;
    client client{settings_for(server.url())};
    try {
        static_cast<void>(client.list_schedules());
        FAIL("it was no list");
    } catch (const rate_limited& e) {
        CHECK(e.limit == rate_limited::kind::daily);
        REQUIRE(e.reset);
        CHECK(*e.reset > std::chrono::system_clock::now() + 2h);
        CHECK_THAT(e.what(), containing("daily"));
    }
    try {
        static_cast<void>(client.list_schedules());
        FAIL("it was no list");
    } catch (const rate_limited& e) {
        CHECK(e.limit == rate_limited::kind::burst);
        CHECK(e.reset);
    }
    CHECK(watch.elapsed() < 5s);
    CHECK(server.requests().size() == 2);
}

TEST_CASE("a refused connection is tried again and then told", "[qstash][client][http]") {
    const auto url = fmt::format("http://127.0.0.1:{}", unused_port());
    const stopwatch watch;
    CHECK_THAT(
        unreachable_text(settings_for(url)),
        containing("list schedules: no answer from " + url + ": ") && containing("(3 tries)"));
    CHECK(watch.elapsed() >= 600ms);
    CHECK(watch.elapsed() < 8s);
}

TEST_CASE("a server that falls silent holds nobody longer than the limit", "[qstash][client][http]") {
    for (const std::string begun :
         {"", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[{", "HTTP/1.1 100 C\r\n\r\n"}) {
        CAPTURE(begun);
        const canned_server server{{{begun, then::stall}}};
        auto settings = settings_for(server.url());
        settings.total_limit = 1s;
        const stopwatch watch;
        CHECK_THAT(unreachable_text(settings), containing("no answer from") && containing("timed out"));
        CHECK(watch.elapsed() >= 900ms);
        CHECK(watch.elapsed() < 4s);
        CHECK(server.requests().size() == 1); // the limit is of the whole call, so no time is left for another try
    }
}

TEST_CASE("all tries together keep to the limit of the call", "[qstash][client][http]") {
    const canned_server server{std::vector<canned_answer>(100, answer(503))};
    auto settings = settings_for(server.url());
    settings.total_limit = 2s;
    settings.tries_max = 100;
    const stopwatch watch;
    CHECK_THROWS_AS(client{settings}.list_schedules(), api_error);
    CHECK(watch.elapsed() < 4s);
    CHECK(server.requests().size() >= 2);
    CHECK(server.requests().size() <= 4); // 200, 400 and 800 ms of pauses fit
}

TEST_CASE("the last try gets only what the others have left", "[qstash][client][http]") {
    const canned_server server{{answer(503), answer(503), answer(503), {"", then::stall}}};
    auto settings = settings_for(server.url());
    settings.total_limit = 3s;
    settings.tries_max = 4;
    const stopwatch watch;
    CHECK_THAT(unreachable_text(settings), containing("timed out") && containing("(4 tries)"));
    CHECK(watch.elapsed() >= 2900ms);
    CHECK(watch.elapsed() < 4200ms); // with a limit of its own it would end after 1400 ms of pauses and 3 s
}

TEST_CASE("an answer without end is cut off", "[qstash][client][http]") {
    const std::string many(100'000, 'x');
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    struct row {
        std::string what;
        canned_answer endless;
        std::string said;
    };
    const std::vector<row> cases{
        {"body of a length", {ok + "Content-Length: 99999999999\r\n\r\n", then::repeat, many}, "16 MiB"},
        {"body until the end", {ok + "\r\n", then::repeat, many}, "16 MiB"},
        {"body in chunks",
         {ok + "Transfer-Encoding: chunked\r\n\r\n", then::repeat, "186a0\r\n" + many + "\r\n"},
         "16 MiB"},
        {"many headers", {ok, then::repeat, "X: 1\r\n"}, "too many headers"},
        {"large headers", {ok, then::repeat, "X: " + many.substr(0, 9'000) + "\r\n"}, "too many headers"},
        {"one header", {ok + "X: ", then::repeat, many}, ""},
        {"status line", {"HTTP/1.1 200 ", then::repeat, many}, ""},
        {"interim answers", {"", then::repeat, "HTTP/1.1 100 Continue\r\n\r\n"}, "too many headers"},
    };
    for (const auto& [what, endless, said] : cases) {
        CAPTURE(what);
        const canned_server server{{endless}};
        const stopwatch watch;
        CHECK_THAT(unreachable_text(settings_for(server.url())), containing("no answer from") && containing(said));
        CHECK(watch.elapsed() < 8s);
        CHECK(server.requests().size() == 1);
    }
}

TEST_CASE("an answer may have a hundred headers, but not any number", "[qstash][client][http]") {
    const auto with_headers = [](int count) {
        std::string lines;
        for (int i = 0; i < count; ++i) lines += fmt::format("X-{}: 1\r\n", i);
        return answer(200, "[]", lines);
    };
    const canned_server server{{with_headers(100), with_headers(200)}};
    CHECK(client{settings_for(server.url())}.list_schedules().empty());
    CHECK_THAT(unreachable_text(settings_for(server.url())), containing("too many headers"));
    CHECK(server.requests().size() == 2);
}

TEST_CASE("what is no HTTP is no answer", "[qstash][client][http]") {
    for (const std::string bytes : {"SSH-2.0-OpenSSH_9.2\r\n", "[]\r\n\r\n", "HTTP/9.9 banana\r\n\r\n"}) {
        CAPTURE(bytes);
        const canned_server server{{{bytes}, {bytes}, {bytes}}};
        CHECK_THAT(unreachable_text(settings_for(server.url())), containing("no answer from"));
    }
}

TEST_CASE("a plain server behind https is told without the token having left", "[qstash][client][http]") {
    const canned_server server{{{"HTTP/1.1 200 OK\r\n\r\n"}}};
    auto settings = settings_for(fmt::format("https://127.0.0.1:{}", server.port()));
    settings.tries_max = 1;
    settings.connect_limit = 1s;
    CHECK_THAT(unreachable_text(settings), containing("no answer from"));
    for (const auto& request : server.requests()) CHECK(request.find(token) == std::string::npos);
}

TEST_CASE("only http and https are spoken", "[qstash][client][http]") {
    for (const std::string url : {"file:///etc/hostname", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "no url at all"}) {
        CAPTURE(url);
        http_request request;
        request.url = url;
        request.connect_limit = request.total_limit = 2s;
        const auto result = http_call(request);
        REQUIRE(std::holds_alternative<http_failure>(result));
        CHECK(std::get<http_failure>(result).what != http_failure::kind::time_limit);
        CHECK_FALSE(std::get<http_failure>(result).text.empty());
    }
}

TEST_CASE("headers of an answer are those of the last one, with names in lower case", "[qstash][client][http]") {
    const canned_server server{
        {{"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
          "HTTP/1.1 200 OK\r\nX-MiXed:  a : b \r\nX-Empty:\r\nx-mixed: 2\r\nContent-Length: 2\r\n\r\nhi"}}};
    http_request request;
    request.url = server.url() + "/";
    const auto result = http_call(request);
    REQUIRE(std::holds_alternative<http_answer>(result));
    const auto& got = std::get<http_answer>(result);
    CHECK(got.status == 200);
    CHECK(got.body == "hi");
    CHECK(got.header("x-mixed") == "a : b");
    CHECK(got.header("x-early").empty());
    CHECK(got.headers == http_fields{{"x-mixed", "a : b"}, {"x-empty", ""}, {"x-mixed", "2"}, {"content-length", "2"}});
}

TEST_CASE("one client may be used from several threads", "[qstash][client][http]") {
    const canned_server server{std::vector<canned_answer>(40, json_answer(200, "[]"))};
    client client{settings_for(server.url())};
    std::atomic<int> answered = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([&] {
                for (int n = 0; n < 5; ++n) answered += client.list_schedules().empty() ? 1 : 0;
            });
    }
    CHECK(answered == 40);
}
