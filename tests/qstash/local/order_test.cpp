#include "qstash/local/order.hpp"

#include "qstash/local/wire_text.hpp"
#include "tests/catch.hpp"
#include "tests/qstash/local/hostile.hpp"

#include <algorithm>

using namespace tidesync::qstash::local;
using namespace std::chrono_literals;
using tidesync::tests::containing;

namespace {

/// A publish that a test changes one thing about.
struct published {
    header_fields headers{};
    std::string target = "/v2/publish/https://example.com/job?x=1";
    std::string body = "{}";
};

std::variant<message_order, refusal> read(const published& what) {
    const request arrived{"POST", what.target, what.headers, what.body, {}};
    auto asked = read_call(arrived);
    if (auto* no = std::get_if<refusal>(&asked)) return std::move(*no);
    return read_order(std::get<call>(asked), arrived);
}

message_order accepted(const published& what) {
    auto found = read(what);
    if (const auto* no = std::get_if<refusal>(&found)) FAIL("refused: " << no->text);
    return std::get<message_order>(std::move(found));
}

/// The status and text of a refusal, `taken` where there is none.
std::string refused(const published& what) {
    const auto found = read(what);
    const auto* no = std::get_if<refusal>(&found);
    return no ? std::to_string(no->status) + ' ' + no->text : "taken";
}

std::string refused(const std::string& name, const std::string& value) { return refused({.headers = {{name, value}}}); }

header_fields sorted(header_fields headers) {
    std::ranges::sort(headers);
    return headers;
}

/// What the official JavaScript client sends for a schedule, but for its queue and flow control.
header_fields wire_sample() {
    return {
        {"authorization", "Bearer TOK"},
        {"content-type", "application/json"},
        {"upstash-cron", "CRON_TZ=Europe/Berlin 0 4 * * *"},
        {"upstash-schedule-id", "my.id-1_x"},
        {"upstash-method", "GET"},
        {"upstash-delay", "30s"},
        {"upstash-timeout", "2m"},
        {"upstash-retries", "1"},
        {"upstash-callback", "https://cb"},
        {"upstash-forward-x-a", "1"},
        {"upstash-label", "l1"},
        {"upstash-telemetry-sdk", "upstash-qstash-js@2.12.0"},
        {"upstash-telemetry-runtime", "node@v20.20.2"}};
}

} // namespace

// --- The whole

TEST_CASE("a schedule of the official client is read in full", "[qstash][local][order]") {
    const auto order = accepted({.headers = wire_sample(), .target = "/v2/schedules/https://example.com/job?x=1"});
    CHECK(order.options.destination == "https://example.com/job?x=1");
    CHECK(order.options.method == "GET");
    CHECK(order.options.headers == header_fields{{"X-A", "1"}, {"Content-Type", "application/json"}});
    CHECK(order.options.retries == 1);
    CHECK(order.options.retry_delay.empty());
    CHECK(order.options.timeout == 120s);
    CHECK(order.options.callback.url == "https://cb");
    CHECK(order.options.callback.method == "POST");
    CHECK(order.options.callback.headers.empty());
    CHECK_FALSE(order.options.callback.retries);
    CHECK(order.options.failure_callback.url.empty());
    CHECK(order.options.labels == std::vector<std::string>{"l1"});
    CHECK(order.body == "{}");
    CHECK(order.delay == 30s);
    CHECK_FALSE(order.not_before);
    CHECK(order.deduplication_id.empty());
    CHECK(order.cron == "CRON_TZ=Europe/Berlin 0 4 * * *");
    CHECK(order.schedule_id == "my.id-1_x");
}

TEST_CASE("without settings the defaults of QStash hold", "[qstash][local][order]") {
    const auto order = accepted({});
    CHECK(order.options.method == "POST");
    CHECK(order.options.headers.empty());
    CHECK(order.options.retries == 3);
    CHECK_FALSE(order.options.timeout);
    CHECK(order.options.labels.empty());
    CHECK(order.delay == 0s);
    CHECK(order.cron.empty());
    CHECK(order.schedule_id.empty());
}

TEST_CASE("what this server does not do is refused by name", "[qstash][local][order]") {
    for (const auto& [name, told] : std::vector<std::pair<std::string, std::string>>{
             {"upstash-queue-name", "Upstash-Queue-Name"},
             {"upstash-flow-control-key", "Upstash-Flow-Control-Key"},
             {"upstash-flow-control-value", "Upstash-Flow-Control-Value"},
             {"upstash-redact-fields", "Upstash-Redact-Fields"},
             {"upstash-callback-delay", "Upstash-Callback-Delay"},
             {"upstash-failure-callback-delay", "Upstash-Failure-Callback-Delay"},
             {"upstash-callback-flow-control-key", "Upstash-Callback-Flow-Control-Key"},
             {"upstash-failure-callback-queue-name", "Upstash-Failure-Callback-Queue-Name"}}) {
        CAPTURE(name);
        auto headers = wire_sample();
        headers.emplace_back(name, "k");
        CHECK(refused({.headers = headers}) == "501 " + told + " is not supported by this server");
        CHECK(
            refused({.target = "/v2/publish/https://h/?" + name + "=1"}) ==
            "501 " + told + " is not supported by this server");
        CHECK(refused(name, " ") == "taken"); // not given
    }
    for (const auto* name :
         {"upstash-telemetry-sdk", "upstash-something-new", "upstash-forward-flow-control-key",
          "upstash-workflow-runid", "upstash-callback-something"})
        CHECK(refused(name, "1") == "taken");
}

TEST_CASE("settings may stand in the query", "[qstash][local][order]") {
    const auto order = accepted(
        {.headers = {{"upstash-forward-x-a", "header"}},
         .target = "/v2/publish/https://h/a?upstash-retries=3&x=1&upstash-delay=100s&upstash-forward-x-b=b+c&"
                   "upstash-forward-x-a=parameter&upstash-label=l%2C+m&qstash_token=T&y=%2B"});
    CHECK(order.options.destination == "https://h/a?x=1&y=%2B");
    CHECK(order.options.retries == 3);
    CHECK(order.delay == 100s);
    CHECK(order.options.headers == header_fields{{"X-A", "header"}, {"X-B", "b c"}});
    CHECK(order.options.labels == std::vector<std::string>{"l", "m"});
    CHECK_THAT(
        refused({.target = "/v2/publish/https://h/?upstash-forward-x-a=1%0d%0aHost:%20evil"}), containing("400 "));
}

TEST_CASE("a destination is repaired, and refused in the words of QStash", "[qstash][local][order]") {
    CHECK(accepted({.target = "/v2/publish/https:/h/a"}).options.destination == "https://h/a");
    CHECK(accepted({.target = "/v2/publish/https%3A%2F%2Fh%2Fa"}).options.destination == "https://h/a");
    const std::string no_scheme = "400 invalid destination url: endpoint has invalid scheme, add http:// or https://";
    CHECK(refused({.target = "/v2/publish/"}) == no_scheme);
    CHECK(refused({.target = "/v2/publish/my-group"}) == no_scheme);
    CHECK(refused("upstash-callback", "my-group") == "400 Upstash-Callback: " + no_scheme.substr(4));
    CHECK(refused("upstash-failure-callback", "ftp://h") == "400 Upstash-Failure-Callback: " + no_scheme.substr(4));
}

// --- Single settings

TEST_CASE("values are read or refused with the name of their header", "[qstash][local][order]") {
    struct row {
        std::string name, value, answer;
    };
    const std::vector<row> cases{
        {"upstash-retries", "0", "taken"},
        {"upstash-retries", "100", "taken"},
        {"upstash-retries", " 7 ", "taken"},
        {"upstash-retries", "", "taken"},
        {"upstash-retries", "101", "400 quota maxRetries exceeded"},
        {"upstash-retries", "99999999999999999999999", "400 quota maxRetries exceeded"},
        {"upstash-retries", "-1", "400 Upstash-Retries: expected a whole number, 0 or more"},
        {"upstash-retries", "+1", "400 Upstash-Retries: expected a whole number, 0 or more"},
        {"upstash-retries", "1.5", "400 Upstash-Retries: expected a whole number, 0 or more"},
        {"upstash-retries", "three", "400 Upstash-Retries: expected a whole number, 0 or more"},
        {"upstash-method", "get", "taken"},
        {"upstash-method", "DELETE", "taken"},
        {"upstash-method", "HEAD", "400 Upstash-Method: expected GET, POST, PUT, PATCH or DELETE"},
        {"upstash-method", "GET /", "400 Upstash-Method: expected GET, POST, PUT, PATCH or DELETE"},
        {"upstash-delay", "365d", "taken"},
        {"upstash-delay", "365d1s", "400 quota maxDelay exceeded"},
        {"upstash-not-before", "1893456000", "taken"},
        {"upstash-not-before", "253402300799", "taken"},
        {"upstash-not-before", "253402300800", "400 quota maxDelay exceeded"},
        {"upstash-not-before", "9223372036854775808", "400 quota maxDelay exceeded"},
        {"upstash-not-before", "-1", "400 Upstash-Not-Before: expected a whole number, 0 or more"},
        {"upstash-not-before", "2030-01-01", "400 Upstash-Not-Before: expected a whole number, 0 or more"},
        {"upstash-timeout", "0s",
         "400 Upstash-Timeout: expected more than 0s; without it the limit of the server holds"},
        {"upstash-schedule-id", "A.z_0-9", "taken"},
        {"upstash-schedule-id", "a/b", "400 Upstash-Schedule-Id: expected letters, digits, '.', '_' and '-' only"},
        {"upstash-schedule-id", "a b", "400 Upstash-Schedule-Id: expected letters, digits, '.', '_' and '-' only"},
        {"upstash-schedule-id", "\xc3\xa9", "400 Upstash-Schedule-Id: expected letters, digits, '.', '_' and '-' only"},
        {"upstash-schedule-id", std::string(256, 'a'), "taken"},
        {"upstash-schedule-id", std::string(257, 'a'), "400 Upstash-Schedule-Id: longer than 256 bytes"},
        {"upstash-deduplication-id", "a b/\xc3\xa9", "taken"},
        {"upstash-deduplication-id", "a:b", "400 DeduplicationId cannot contain ':'"},
        {"upstash-deduplication-id", std::string(256, 'a'), "taken"},
        {"upstash-deduplication-id", std::string(257, 'a'), "400 Upstash-Deduplication-Id: longer than 256 bytes"},
        {"upstash-content-based-deduplication", "maybe",
         "400 Upstash-Content-Based-Deduplication: expected true or false"},
        {"upstash-header-forward", "yes", "400 Upstash-Header-Forward: expected true or false"},
        {"upstash-label", std::string(128, 'a'), "taken"},
        {"upstash-label", std::string(129, 'a'), "400 Upstash-Label: a label is longer than 128 bytes"},
        {"upstash-label", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,,", "taken"},
        {"upstash-label", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "400 Upstash-Label: more than 16 labels"},
        {"upstash-cron", "not looked at", "taken"},
    };
    for (const auto& [name, value, answer] : cases) {
        CAPTURE(name, value);
        CHECK(refused(name, value) == answer);
    }
}

TEST_CASE("a duration or an expression that cannot be read is told with its header", "[qstash][local][order]") {
    CHECK_THAT(refused("upstash-delay", "10"), Catch::Matchers::StartsWith("400 Upstash-Delay: time: missing unit"));
    CHECK_THAT(
        refused("upstash-timeout", "10"), Catch::Matchers::StartsWith("400 Upstash-Timeout: time: missing unit"));
    for (const std::string prefix : {"upstash-callback", "upstash-failure-callback"}) {
        CHECK_THAT(
            refused({.headers = {{prefix, "https://cb"}, {prefix + "-timeout", "10"}}}),
            containing("-Callback-Timeout: time: missing unit"));
        CHECK_THAT(
            refused({.headers = {{prefix, "https://cb"}, {prefix + "-retry-delay", "$"}}}),
            containing("-Callback-Retry-Delay: "));
    }
    CHECK_THAT(refused("upstash-retry-delay", "$"), Catch::Matchers::StartsWith("400 Upstash-Retry-Delay: "));
    CHECK(
        accepted({.headers = {{"upstash-retry-delay", " pow(2, retried) * 1000 "}}}).options.retry_delay ==
        "pow(2, retried) * 1000");
}

TEST_CASE("values arrive in the order", "[qstash][local][order]") {
    CHECK(accepted({.headers = {{"upstash-method", "patch"}}}).options.method == "PATCH");
    CHECK(accepted({.headers = {{"upstash-retries", "0"}}}).options.retries == 0);
    CHECK(accepted({.headers = {{"upstash-delay", "1d10h30m"}}}).delay == 34h + 30min);
    CHECK(accepted({.headers = {{"upstash-deduplication-id", " abc "}}}).deduplication_id == "abc");
    CHECK(
        accepted({.headers = {{"upstash-label", " a, b c ,,d\t"}}}).options.labels ==
        std::vector<std::string>{"a", "b c", "d"});
    const auto both = accepted({.headers = {{"upstash-not-before", "1700000000"}, {"upstash-delay", "5s"}}});
    CHECK(both.not_before == time_point{1'700'000'000s});
    CHECK(both.delay == 5s); // which of them counts is said by the first
    CHECK(accepted({.body = std::string("\0\xff\r\n", 4)}).body == std::string("\0\xff\r\n", 4));
}

TEST_CASE("both callbacks have settings of their own", "[qstash][local][order]") {
    const auto order = accepted(
        {.headers = {
             {"upstash-callback", "https://cb/?a=1"},
             {"upstash-callback-method", "put"},
             {"upstash-callback-timeout", "1m"},
             {"upstash-callback-retries", "0"},
             {"upstash-callback-retry-delay", "1000"},
             {"upstash-callback-forward-x-a", "1"},
             {"upstash-callback-forward-content-type", "text/plain"},
             {"upstash-failure-callback", "https:/fcb"},
             {"upstash-failure-callback-method", "GET"},
             {"upstash-failure-callback-timeout", "2m"},
             {"upstash-failure-callback-retries", "9"},
             {"upstash-failure-callback-retry-delay", "2000"},
             {"upstash-failure-callback-forward-x-a", "2"}}});
    const auto& callback = order.options.callback;
    CHECK(callback.url == "https://cb/?a=1");
    CHECK(callback.method == "PUT");
    CHECK(callback.timeout == 60s);
    CHECK(callback.retries == 0);
    CHECK(callback.retry_delay == "1000");
    CHECK(callback.headers == header_fields{{"X-A", "1"}, {"Content-Type", "text/plain"}});
    const auto& failure = order.options.failure_callback;
    CHECK(failure.url == "https://fcb");
    CHECK(failure.method == "GET");
    CHECK(failure.timeout == 120s);
    CHECK(failure.retries == 9);
    CHECK(failure.retry_delay == "2000");
    CHECK(failure.headers == header_fields{{"X-A", "2"}});
    CHECK(order.options.headers.empty());
    CHECK(order.options.retries == 3);
    CHECK_FALSE(order.options.timeout);
    CHECK(
        refused({.headers = {{"upstash-callback", "https://cb"}, {"upstash-callback-retries", "101"}}}) ==
        "400 quota maxRetries exceeded");
    CHECK_THAT(
        refused({.headers = {{"upstash-callback", "https://cb"}, {"upstash-callback-forward-host", "h"}}}),
        containing("Upstash-Callback-Forward-Host: delivery sets"));
}

// --- Forwarded headers

TEST_CASE("prefixed headers are forwarded, and the content type", "[qstash][local][order]") {
    const auto headers_of = [](header_fields given) { return accepted({.headers = std::move(given)}).options.headers; };
    CHECK(
        headers_of(
            {{"content-type", "text/plain"},
             {"cookie", "a=b"},
             {"x-b", "2"},
             {"authorization", "Bearer T"},
             {"upstash-forward-x-a", "1"},
             {"upstash-forward-x-a", "2"},
             {"upstash-forward-authorization", "Bearer other"},
             {"upstash-forward-empty", ""}}) == header_fields{
                                                    {"X-A", "1"},
                                                    {"X-A", "2"},
                                                    {"Authorization", "Bearer other"},
                                                    {"Empty", ""},
                                                    {"Content-Type", "text/plain"}});
    CHECK(
        headers_of({{"content-type", "text/plain"}, {"upstash-forward-content-type", "text/csv"}}) ==
        header_fields{{"Content-Type", "text/csv"}});
    CHECK(headers_of({{"content-type", "a/b"}, {"content-type", "c/d"}}) == header_fields{{"Content-Type", "a/b"}});
    CHECK(headers_of({{"upstash-header-forward", "false"}, {"x-b", "2"}}).empty());
}

TEST_CASE("on request every header is forwarded that is not about the connection or for us", "[qstash][local][order]") {
    const header_fields incoming{
        {"upstash-header-forward", "True"},
        {"content-type", "application/json"},
        {"x-github-event", "push"},
        {"x-many", "1"},
        {"x-many", "2"},
        {"cookie", "a=b"},
        {"authorization", "Bearer TOK"},
        {"upstash-forward-x-replaced", "new"},
        {"x-replaced", "old"},
        {"upstash-label", "l"},
        {"upstash-signature", "forged"},
        {"host", "scheduler.example"},
        {"content-length", "2"},
        {"transfer-encoding", "chunked"},
        {"connection", "keep-alive, X-Hop , ,x-other-hop"},
        {"connection", "x-third-hop"},
        {"x-hop", "1"},
        {"x-other-hop", "1"},
        {"x-third-hop", "1"},
        {"keep-alive", "timeout=5"},
        {"te", "trailers"},
        {"trailer", "x"},
        {"upgrade", "h2c"},
        {"http2-settings", "x"},
        {"expect", "100-continue"},
        {"proxy-authorization", "Basic x"},
        {"proxy-connection", "close"},
        {"accept-encoding", "br"},
        {"user-agent", "GitHub-Hookshot"}};
    header_fields expected{
        {"Content-Type", "application/json"},
        {"X-Github-Event", "push"},
        {"X-Many", "1"},
        {"X-Many", "2"},
        {"Cookie", "a=b"},
        {"X-Replaced", "new"}};
    CHECK(sorted(accepted({.headers = incoming}).options.headers) == sorted(expected));

    // Authenticated by its URL, so that the header is not ours.
    published webhook{.headers = incoming, .target = "/v2/publish/https://h/?qstash_token=Q"};
    expected.emplace_back("Authorization", "Bearer TOK");
    CHECK(sorted(accepted(webhook).options.headers) == sorted(expected));
    webhook.target = "/v2/publish/https://h/?qstash_token=TOK";
    expected.pop_back();
    CHECK(sorted(accepted(webhook).options.headers) == sorted(expected));
}

TEST_CASE("a header that delivery sets itself cannot be forwarded", "[qstash][local][order]") {
    for (const std::string name :
         {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect",
          "keep-alive", "proxy-authorization", "user-agent", "upstash-signature", "upstash-message-id",
          "upstash-retried", "upstash-schedule-id", "upstash-anything", "tidesync-catch-up-of", "tidesync-anything"}) {
        CAPTURE(name);
        const auto told = canonical_header_name("upstash-forward-" + name) + ": delivery sets this header itself";
        CHECK(refused("upstash-forward-" + name, "1") == "400 " + told);
        CHECK(refused({.target = "/v2/publish/https://h/?upstash-forward-" + name + "=1"}) == "400 " + told);
    }
}

TEST_CASE("forwarded headers are bounded and clean", "[qstash][local][order]") {
    header_fields many;
    for (int i = 0; i < 64; ++i) many.emplace_back("upstash-forward-x-" + std::to_string(i), "1");
    CHECK(accepted({.headers = many}).options.headers.size() == 64);
    many.emplace_back("content-type", "text/plain");
    CHECK(refused({.headers = many}) == "400 Content-Type: more than 64 headers to forward");

    CHECK_THAT(refused("upstash-forward-", "1"), containing("name"));
    CHECK_THAT(refused("upstash-forward-x y", "1"), containing("name"));
    CHECK_THAT(refused("upstash-forward-" + std::string(257, 'x'), "1"), containing("256 bytes"));
    CHECK_THAT(refused("content-type", std::string(8193, 'x')), containing("Content-Type: longer"));
    CHECK(
        refused("content-type", "text/plain\r\nx: y") ==
        "400 Content-Type: control character or bytes that are not UTF-8");
    CHECK(
        refused({.headers = {{"upstash-header-forward", "true"}, {"x-latin", "\xe9"}}}) ==
        "400 X-Latin: control character or bytes that are not UTF-8");
    CHECK(refused({.headers = {{"x-latin", "\xe9"}}}) == "taken"); // goes nowhere
    CHECK(refused("upstash-forward-x-a", "na\xc3\xafve") == "taken");
    CHECK(
        refused("upstash-forward-x-a", "\xed\xa0\x80") ==
        "400 upstash-forward-x-a: control character or bytes that are not UTF-8");
    // A call that was put together by hand is read as carefully.
    const request by_hand{"POST", "", {{"upstash-forward-x-a", "1\n"}}, "", ""};
    call asked;
    asked.destination = "https://h/";
    const auto found = read_order(asked, by_hand);
    REQUIRE(std::holds_alternative<refusal>(found));
    CHECK(std::get<refusal>(found).text == "Upstash-Forward-X-A: control character or bytes that are not UTF-8");
}

// --- Deduplication by content

TEST_CASE("messages with one content have one id", "[qstash][local][order]") {
    const auto id_of = [](published what) {
        what.headers.emplace_back("upstash-content-based-deduplication", "true");
        return accepted(what).deduplication_id;
    };
    const auto id = id_of({.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}}});
    // Made outside this repository: printf '27:https://example.com/job?x=12:{}12:Content-Type3:a/b3:X-A1:1' | sha256sum
    CHECK(id == "46fd336ceb345416c7ff64a8fd6857643fdb0da382e9ffcbfdae38c3e27f732c");

    struct row {
        std::string told;
        published what;
        bool same;
    };
    const std::vector<row> cases{
        {"other order, other settings, other token",
         {.headers =
              {{"upstash-forward-x-a", "1"},
               {"content-type", "a/b"},
               {"upstash-retries", "1"},
               {"upstash-label", "l"},
               {"authorization", "Bearer T"},
               {"user-agent", "x"}}},
         true},
        {"settings in the query",
         {.headers = {{"content-type", "a/b"}},
          .target = "/v2/publish/https://example.com/job?x=1&upstash-forward-x-a=1&qstash_token=T"},
         true},
        {"another body", {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}}, .body = "{ }"}, false},
        {"another destination",
         {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}},
          .target = "/v2/publish/https://example.com/job?x=2"},
         false},
        {"another content type", {.headers = {{"content-type", "a/c"}, {"upstash-forward-x-a", "1"}}}, false},
        {"no content type", {.headers = {{"upstash-forward-x-a", "1"}}}, false},
        {"another value", {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "2"}}}, false},
        {"another name", {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-b", "1"}}}, false},
        {"once more",
         {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}, {"upstash-forward-x-a", "1"}}},
         false},
        {"cut elsewhere: destination and body",
         {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}},
          .target = "/v2/publish/https://example.com/job?x=1{",
          .body = "}"},
         false},
        {"cut elsewhere: name and value", {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a1", ""}}}, false},
        {"no headers but a body like them", {.body = "{}12:Content-Type3:a/b3:X-A1:1"}, false},
    };
    for (const auto& [told, what, same] : cases) {
        CAPTURE(told);
        CHECK((id_of(what) == id) == same);
    }
    CHECK(id_of({.headers = {{"upstash-deduplication-id", "mine"}}}) == "mine"); // said, not guessed
    CHECK(accepted({.headers = {{"upstash-content-based-deduplication", "false"}}}).deduplication_id.empty());
}

// --- Chance

TEST_CASE("hostile headers are read or refused", "[qstash][local][order]") {
    const std::vector<std::string> names{
        "upstash-",
        "forward-",
        "callback",
        "failure-callback",
        "-forward-",
        "-retries",
        "retries",
        "delay",
        "timeout",
        "label",
        "method",
        "not-before",
        "header-forward",
        "content-type",
        "connection",
        "x",
        "-",
        " ",
        ":",
        "\n",
        "\xff",
        "content-based-deduplication",
        "deduplication-id",
        "host",
        ""};
    const std::vector<std::string> values{"true",     "1",          "10s",      "99999999999999999999",
                                          "-",        ",",          " ",        "\t",
                                          "https://", "localhost",  "h",        ":",
                                          "\r\n",     "\xff",       "\xc3\xa9", std::string(1, '\0'),
                                          "GET",      "keep-alive", "%",        std::string(3000, 'a')};
    tidesync::qstash::testing::dice dice;
    CAPTURE(dice.seed);
    int orders = 0;
    for (int round = 0; round < 10'000; ++round) {
        published what{.headers = {{"upstash-header-forward", round % 2 == 0 ? "true" : ""}}};
        for (auto left = dice.below(4); left > 0; --left)
            what.headers.emplace_back((round % 3 == 0 ? "upstash-" : "") + dice.text(names, 3), dice.text(values, 3));
        const auto found = read(what);
        if (const auto* no = std::get_if<refusal>(&found)) {
            if ((no->status != 400 && no->status != 501) || !clean_text(no->text)) FAIL("round " << round << no->text);
            continue;
        }
        ++orders;
        const auto& order = std::get<message_order>(found);
        for (const auto* headers :
             {&order.options.headers, &order.options.callback.headers, &order.options.failure_callback.headers})
            for (const auto& [name, value] : *headers)
                if (!header_name(name) || !clean_text(value) || name == "Host") FAIL("round " << round);
    }
    CHECK(orders > 500);
}
