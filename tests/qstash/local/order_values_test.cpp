#include "qstash/local/order.hpp"

#include "tests/qstash/local/published.hpp"

using namespace tidesync::qstash::local;
using namespace tidesync::qstash::testing;
using namespace std::chrono_literals;
using tidesync::tests::containing;

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
