#include "qstash/local/retry_after.hpp"

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

} // namespace

TEST_CASE("a wait is told in seconds, by a date, or as Go writes durations", "[qstash][local][retry]") {
    const std::vector<std::pair<std::string, milliseconds>> cases{
        {"0", 0ms},
        {"120", 120s},
        {"86400", 24h},
        {"86401", 86401s},
        {"007", 7s},
        {" 5\t", 5s},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0ms},
        {"Sun, 06 Nov 1994 08:50:00 GMT", 23s},
        {"Mon, 07 Nov 1994 08:49:37 GMT", 24h},
        {"Fri, 01 Jan 1971 00:00:00 GMT", 0ms}, // passed
        {"Mon, 06 Nov 1994 08:49:38 GMT", 1s},  // was a Sunday
        {"Sun, 06 Nov 1994 08:49:60 GMT", 23s}, // leap second
        {"6m5s", 6min + 5s},
        {"1.5s", 1500ms},
        {"300ms", 300ms},
        {"1h", 1h},
        {"1h2m3.25s", 1h + 2min + 3250ms},
        {"0.3s", 300ms},
        {".5s", 500ms},
        {"5.s", 5s},
        {"0.5h", 30min},
        {"0.123456789h", 444'442ms}, // the seventh digit and on are dropped
        {"0s", 0ms},
        {"1ms1us", 2ms}, // never too early
        {"1ns", 1ms},
        {"999\u00b5s", 1ms},
        {"2000\u03bcs", 2ms},
        {"10s1h", 1h + 10s},
    };
    for (const auto& [value, wait] : cases) {
        CAPTURE(value);
        CHECK(read_retry_after(value, now) == wait);
    }
    CHECK(read_retry_after("Sun, 06 Nov 1994 08:49:38 GMT", now + 1ms) == 999ms);
}

TEST_CASE("a very long wait stays a very long wait", "[qstash][local][retry]") {
    for (const std::string value :
         {"99999999999", "99999999999999999999999", "99999999h", "2562047h47m16.854775807s", "9999999999999999999999h",
          "20000h20000h20000h", "Fri, 31 Dec 9999 23:59:59 GMT"}) {
        CAPTURE(value);
        const auto wait = read_retry_after(value, now);
        REQUIRE(wait);
        CHECK(*wait > 365 * 24h);
    }
}

TEST_CASE("a value that tells no wait is not read", "[qstash][local][retry]") {
    for (const std::string value :
         {"",
          " ",
          "soon",
          "-1",
          "+1",
          "1.5",
          "1 2",
          "0x10",
          "-5s",
          "5d",
          "5S",
          ".s",
          "1.2.3s",
          "5s 3m",
          "5s3",
          "1e3s",
          "6 Nov 1994",
          "Sun, 6 Nov 1994 08:49:37 GMT",
          "Sun, 06 Nov 1994 08:49:37 UTC",
          "Sun, 06 Nov 1994 08:49:37 +00",
          "Sun, 06-Nov-1994 08:49:37 GMT",
          "Sunday, 06-Nov-94 08:49:37 GMT",
          "Sun Nov  6 08:49:37 1994",
          "Son, 06 Nov 1994 08:49:37 GMT",
          "Sun, 06 nov 1994 08:49:37 GMT",
          "Sun, 06 Nox 1994 08:49:37 GMT",
          "Sun, 00 Nov 1994 08:49:37 GMT",
          "Sun, 31 Nov 1994 08:49:37 GMT",
          "Wed, 29 Feb 1995 08:49:37 GMT",
          "Sun, 06 Nov 1994 24:00:00 GMT",
          "Sun, 06 Nov 1994 08:60:00 GMT",
          "Sun, 06 Nov 1994 08:49:61 GMT",
          "Sun, -6 Nov 1994 08:49:37 GMT",
          "Sun, 06 Nov 1994 08:49:37 GMT and then"}) {
        CAPTURE(value);
        CHECK(read_retry_after(value, now) == std::nullopt);
    }
    CHECK(read_retry_after(std::string(64, '0'), now) == 0ms);
    CHECK(read_retry_after(std::string(65, '0'), now) == std::nullopt);
}
