#include "qstash/local/retry.hpp"

#include "tests/catch.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace tidesync::qstash::local;
using namespace std::chrono;
using namespace std::chrono_literals;

namespace {

/// Sun, 06 Nov 1994 08:49:37 GMT
constexpr tidesync::qstash::local::time_point now = sys_days{1994y / November / 6} + 8h + 49min + 37s;

struct attempt {
    int status = 500;
    header_fields headers = {};
    int retried = 0;
    int retries = 3;
    std::string retry_delay = {};
};

/// "delivered", "failed", or the delay in milliseconds.
std::string step_after(const attempt& made) {
    delivery_options options;
    options.retries = made.retries;
    options.retry_delay = made.retry_delay;
    attempt_result result;
    result.status = made.status;
    result.headers = made.headers;
    const auto step = decide(result, options, made.retried, now);
    if (std::holds_alternative<delivered>(step)) return "delivered";
    if (std::holds_alternative<failed>(step)) return "failed";
    return std::to_string(std::get<retry_later>(step).delay.count());
}

} // namespace

TEST_CASE("any answer from 200 to 299 is success and every other is not", "[qstash][local][retry]") {
    for (const int status : {200, 201, 202, 204, 226, 299}) CHECK(step_after({.status = status}) == "delivered");
    for (const int status : {0, 100, 199, 300, 301, 304, 307, 400, 401, 404, 410, 413, 429, 489, 500, 503, 599})
        CHECK(step_after({.status = status}) == "12000");
    CHECK(step_after({.status = 200, .headers = {{"retry-after", "5"}}, .retried = 3}) == "delivered");
}

TEST_CASE("a delivery is tried once and then as often as there are retries", "[qstash][local][retry]") {
    CHECK(step_after({.retried = 0, .retries = 0}) == "failed");
    CHECK(step_after({.retried = 2, .retries = 3}) == "1808000");
    CHECK(step_after({.retried = 3, .retries = 3}) == "failed");
    CHECK(step_after({.retried = 4, .retries = 3}) == "failed"); // retries were lowered meanwhile
    CHECK(step_after({.headers = {{"retry-after", "0"}}, .retried = 3, .retries = 3}) == "failed"); // adds no attempt
}

TEST_CASE("without other orders the delay grows from 12 seconds to a day", "[qstash][local][retry]") {
    const std::vector<std::pair<int, std::string>> cases{{0, "12000"},     {1, "148000"},          {2, "1808000"},
                                                         {3, "22026000"},  {4, "86400000"},        {5, "86400000"},
                                                         {99, "86400000"}, {1'000'000, "86400000"}};
    for (const auto& [retried, delay_ms] : cases) {
        CAPTURE(retried);
        CHECK(step_after({.retried = retried, .retries = 2'000'000}) == delay_ms);
    }
}

TEST_CASE("the expression of the message replaces the back-off", "[qstash][local][retry]") {
    CHECK(step_after({.retried = 0, .retry_delay = "1000 * (1 + retried)"}) == "1000");
    CHECK(step_after({.retried = 2, .retry_delay = "1000 * (1 + retried)"}) == "3000");
    CHECK(step_after({.retried = 0, .retry_delay = "0"}) == "0");
    CHECK(step_after({.retried = 1, .retry_delay = "unreadable"}) == "148000");
}

TEST_CASE("489 together with its header ends the retries at once", "[qstash][local][retry]") {
    const header_fields told{{"upstash-nonretryable-error", "true"}};
    CHECK(step_after({.status = 489, .headers = told}) == "failed");
    CHECK(step_after({.status = 489, .headers = {{"retry-after", "5"}, told[0]}}) == "failed");
    CHECK(step_after({.status = 489}) == "12000");
    CHECK(step_after({.status = 400, .headers = told}) == "12000");
    CHECK(step_after({.status = 489, .headers = {{"upstash-nonretryable-error", "false"}}}) == "12000");
    CHECK(step_after({.status = 489, .headers = {{"upstash-nonretryable-error", ""}}}) == "12000");
    CHECK(step_after({.status = 200, .headers = told}) == "delivered");
}

TEST_CASE("the destination's answer names the next delay", "[qstash][local][retry]") {
    for (const std::string name :
         {"retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"}) {
        CAPTURE(name);
        const std::vector<std::pair<std::string, std::string>> cases{
            {"0", "0"},
            {"5", "5000"},
            {"86400", "86400000"},
            {"24h", "86400000"},
            {"6m5s", "365000"},
            {"1.5s", "1500"},
            {"300ms", "300"},
            {"Sun, 06 Nov 1994 08:50:07 GMT", "30000"},
            {"Sun, 06 Nov 1994 08:00:00 GMT", "0"},
            {"Mon, 07 Nov 1994 08:49:37 GMT", "86400000"},
            // More than a day, or not readable: as if nothing was said.
            {"86401", "1000"},
            {"24h1ms", "1000"},
            {"1735689600", "1000"},
            {"99999999999999999999", "1000"},
            {"Mon, 07 Nov 1994 08:49:38 GMT", "1000"},
            {"-5", "1000"},
            {"", "1000"},
            {"later", "1000"},
        };
        for (const auto& [value, delay_ms] : cases) {
            CAPTURE(value);
            CHECK(step_after({.headers = {{name, value}}, .retry_delay = "1000"}) == delay_ms);
        }
    }
    for (const int status : {0, 302, 404, 429, 500, 503})
        CHECK(step_after({.status = status, .headers = {{"retry-after", "7"}}}) == "7000");
    CHECK(step_after({.headers = {{"retry-after", "86401"}}}) == "12000");
}

TEST_CASE("of the headers that name a delay the first readable one counts", "[qstash][local][retry]") {
    // In the order of rank, not of the answer.
    header_fields all{
        {"x-ratelimit-reset-tokens", "4"},
        {"x-ratelimit-reset-requests", "3"},
        {"x-ratelimit-reset", "2"},
        {"retry-after", "1"}};
    for (const std::string delay_ms : {"1000", "2000", "3000", "4000"}) {
        CHECK(step_after({.headers = all, .retry_delay = "9000"}) == delay_ms);
        all.pop_back();
    }
    CHECK(step_after({.headers = all, .retry_delay = "9000"}) == "9000");

    // One that cannot be read is passed over; one that asks for too much has spoken.
    CHECK(step_after({.headers = {{"retry-after", "soon"}, {"x-ratelimit-reset", "2"}}}) == "2000");
    CHECK(step_after({.headers = {{"retry-after", "86401"}, {"x-ratelimit-reset", "2"}}}) == "12000");
    CHECK(step_after({.headers = {{"retry-after", "1"}, {"retry-after", "2"}}}) == "1000");
}
