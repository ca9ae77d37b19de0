#include "qstash/client_request.hpp"

#include "tests/catch.hpp"

#include <algorithm>
#include <stdexcept>

using namespace tidesync::qstash;
using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

message_request plain() {
    message_request request;
    request.destination = "https://example.com/job";
    return request;
}

/// @returns the text of the refusal, empty when there was none
template <typename Action>
std::string refusal_of(Action action) {
    try {
        static_cast<void>(action());
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

} // namespace

TEST_CASE("the origin is found in whatever people write as the URL of QStash", "[qstash][client]") {
    struct row {
        std::string written, origin;
    };
    const std::vector<row> cases{
        {"https://qstash.upstash.io", "https://qstash.upstash.io"},
        {"https://qstash.upstash.io/", "https://qstash.upstash.io"},
        {"https://qstash.upstash.io//", "https://qstash.upstash.io"},
        {"https://qstash.upstash.io/v2", "https://qstash.upstash.io"},
        {"https://qstash.upstash.io/v2/", "https://qstash.upstash.io"},
        {"https://qstash.upstash.io/v2/publish", "https://qstash.upstash.io"},
        {"https://qstash.upstash.io/v2/publish/", "https://qstash.upstash.io"},
        {"HTTP://127.0.0.1:8080/", "HTTP://127.0.0.1:8080"},
        {"http://[::1]:8080", "http://[::1]:8080"},
        {"http://[::1]", "http://[::1]"},
    };
    for (const auto& [written, origin] : cases) {
        CAPTURE(written);
        CHECK(origin_of(written) == origin);
    }
}

TEST_CASE("a URL that is no origin is refused, and not shown", "[qstash][client]") {
    for (const std::string url :
         {"",
          "qstash.upstash.io",
          "ftp://qstash.upstash.io",
          "https://",
          "https:///v2",
          "https://host/other",
          "https://host/v2/schedules",
          "https://user:SECRET@host",
          "https://host?qstash_token=SECRET",
          "https://host#a",
          "https://ho st",
          "https://host\n",
          "https://host\\a",
          "https://:80",
          "https://host:",
          "https://host:0",
          "https://host:65536",
          "https://host:-1",
          "https://host:80a",
          "file:///etc/passwd"}) {
        CAPTURE(url);
        const auto refusal = refusal_of([&] { return origin_of(url); });
        CHECK_THAT(refusal, containing("no origin"));
        CHECK(refusal.find("SECRET") == std::string::npos);
    }
}

TEST_CASE("a client is not made without a usable URL and token", "[qstash][client]") {
    client_settings settings;
    settings.token = "TOK";
    CHECK_NOTHROW(client{settings});
    settings.url = "qstash.upstash.io";
    CHECK_THROWS_AS(client{settings}, std::invalid_argument);
    settings.url = "https://qstash.upstash.io";
    for (const std::string token : {"", " ", "TOK\n", "TO K", "TOK\r\nX-Evil: 1", "T\xc3\xb6K"}) {
        CAPTURE(token);
        settings.token = token;
        CHECK_THROWS_AS(client{settings}, std::invalid_argument);
        if (token.size() > 1) CHECK(refusal_of([&] { return client{settings}, 0; }).find(token) == std::string::npos);
    }
}

TEST_CASE("durations are written as Go does, always with a unit", "[qstash][client]") {
    struct row {
        std::chrono::seconds duration;
        std::string text;
    };
    const std::vector<row> cases{
        {0s, "0s"},
        {1s, "1s"},
        {59s, "59s"},
        {60s, "1m"},
        {61s, "1m1s"},
        {120s, "2m"},
        {1h, "1h"},
        {1h + 1s, "1h1s"},
        {24h, "1d"},
        {36h, "1d12h"},
        {24h + 60s, "1d1m"},
        {26h + 3min + 4s, "1d2h3m4s"},
        {365 * 24h, "365d"},
        {-5s, "0s"},
        {std::chrono::seconds::min(), "0s"},
        {std::chrono::seconds::max(), "106751991167300d15h30m7s"},
    };
    for (const auto& [duration, text] : cases) CHECK(duration_text(duration) == text);
}

TEST_CASE("an id goes into a path percent-encoded, and never as nothing", "[qstash][client]") {
    CHECK(encoded_id("1725323658779-0") == "1725323658779-0");
    CHECK(encoded_id("a/../b?c=d&e#f%") == "a%2F..%2Fb%3Fc%3Dd%26e%23f%25");
    CHECK(encoded_id("\xc3\xa9 ") == "%C3%A9%20");
    CHECK(encoded_id(std::string("\0\r\n", 3)) == "%00%0D%0A");
    for (const std::string& id : {std::string{}, std::string{"."}, std::string{".."}, std::string(257, 'a')})
        CHECK_THROWS_AS(encoded_id(id), std::invalid_argument);
}

TEST_CASE("a schedule id that a path cannot carry is refused", "[qstash][client]") {
    for (const std::string id : {"a", "my.id-1_x", "scd_5RLBWxdLydTNr99CiaTBCRb6UtrU", "...", ".a"})
        CHECK(checked_schedule_id(id) == id);
    CHECK_NOTHROW(checked_schedule_id(std::string(256, 'a')));
    for (const std::string& id :
         {std::string{}, std::string{"."}, std::string{".."}, std::string{"a b"}, std::string{"a/b"},
          std::string{"a:b"}, std::string{"a?b"}, std::string{"a\n"}, std::string{"\xc3\xa9"}, std::string(257, 'a')}) {
        CAPTURE(id);
        CHECK_THROWS_AS(checked_schedule_id(id), std::invalid_argument);
    }
}

TEST_CASE("a destination is refused when it could not stand raw in a request line", "[qstash][client]") {
    for (const std::string destination :
         {"https://example.com", "http://localhost:8080/a/../b//c?x=1&y=%20", "https://[::1]/",
          "HTTPS://EXAMPLE.COM/%7B"}) {
        CAPTURE(destination);
        CHECK(checked_destination(destination) == destination);
    }
    for (const std::string destination :
         {"", "example.com", "ftp://example.com", "https:/example.com", "https://", "https:///a", "https://?a",
          "https%3A%2F%2Fexample.com", "https://example.com/a b", "https://example.com/ HTTP/1.1\r\nX-Evil: 1",
          "https://example.com/\xc3\xa9", "https://example.com/#top", "my-url-group"}) {
        CAPTURE(destination);
        CHECK_THROWS_AS(checked_destination(destination), std::invalid_argument);
    }
}

TEST_CASE("what cannot stand in a header is refused by the name of the field, without its value", "[qstash][client]") {
    struct row {
        void (*spoil)(schedule_request&);
        std::string named;
    };
    const std::vector<row> cases{
        {[](schedule_request& r) { r.cron = "SECRET\r\nX: 1"; }, "Upstash-Cron"},
        {[](schedule_request& r) { r.cron = ""; }, "cron"},
        {[](schedule_request& r) { r.schedule_id = "SECRET id"; }, "schedule id"},
        {[](schedule_request& r) { r.message.content_type = "SECRET\n"; }, "Content-Type"},
        {[](schedule_request& r) { r.message.method = "SECRET\x7f"; }, "Upstash-Method"},
        {[](schedule_request& r) { r.message.forward = {{"X-A", std::string("SECRET\0", 7)}}; }, "Upstash-Forward-X-A"},
        {[](schedule_request& r) { r.message.forward = {{"X-SECRET: 1\r\nX", "1"}}; }, "header to forward"},
        {[](schedule_request& r) { r.message.forward = {{"", "SECRET"}}; }, "header to forward"},
        {[](schedule_request& r) { r.message.callback = "https://SECRET\r"; }, "Upstash-Callback"},
        {[](schedule_request& r) { r.message.failure_callback = "\tSECRET"; }, "Upstash-Failure-Callback"},
        {[](schedule_request& r) { r.message.retry_delay = "1\x1b"; }, "Upstash-Retry-Delay"},
        {[](schedule_request& r) { r.message.labels = {"a,SECRET"}; }, "label"},
        {[](schedule_request& r) { r.message.labels = {"a", ""}; }, "label"},
        {[](schedule_request& r) { r.message.retries = -1; }, "Upstash-Retries"},
        {[](schedule_request& r) { r.message.delay = -1s; }, "Upstash-Delay"},
        {[](schedule_request& r) { r.message.timeout = -1s; }, "Upstash-Timeout"},
    };
    for (const auto& [spoil, named] : cases) {
        CAPTURE(named);
        schedule_request request{"id", "0 4 * * *", plain()};
        CHECK_NOTHROW(headers_of(request));
        spoil(request);
        const auto refusal = refusal_of([&] { return headers_of(request); });
        CHECK_THAT(refusal, containing(named));
        CHECK(refusal.find("SECRET") == std::string::npos);
    }
}

TEST_CASE("a deduplication id with a colon is refused before QStash does", "[qstash][client]") {
    CHECK(deduplication_header("run-2024-01-01").second == "run-2024-01-01");
    for (const std::string& id :
         {std::string{}, std::string{"a:b"}, std::string{"a b"}, std::string{"a\r\n"}, std::string(257, 'a')})
        CHECK_THROWS_AS(deduplication_header(id), std::invalid_argument);
}

TEST_CASE("the message of a schedule is the one that its ticks make", "[qstash][client]") {
    schedule from;
    from.schedule_id = "id";
    from.destination = "https://example.com/job?x=1";
    from.method = "PUT";
    from.headers = {{"Content-Type", {"text/plain"}}, {"X-A", {"1", "2"}}};
    from.body = std::string("b\0dy", 4);
    from.retries = 0;
    from.retry_delay = "1000";
    from.delay = 30s;
    from.timeout = 2min;
    from.callback = "https://cb";
    from.failure_callback = "https://fcb";
    from.failure_callback_retries = 4;
    from.labels = {"l1", "l2"};
    const auto message = message_of(from);
    CHECK(message.destination == from.destination);
    CHECK(message.method == "PUT");
    CHECK(message.content_type == "text/plain");
    CHECK(message.forward == header_list{{"X-A", "1"}, {"X-A", "2"}});
    CHECK(message.body == from.body);
    CHECK(message.retries == 0);
    CHECK(message.retry_delay == "1000");
    CHECK(message.delay == 30s);
    CHECK(message.timeout == 120s);
    CHECK(message.callback == "https://cb");
    CHECK(message.failure_callback == "https://fcb");
    CHECK(message.failure_callback_retries == 4);
    CHECK(message.labels == std::vector<std::string>{"l1", "l2"});

    from.method.clear();
    from.headers.clear();
    CHECK(message_of(from).method == "POST");
    CHECK(message_of(from).content_type.empty()); // none was stored, so none is made up
}
