#include "qstash/local/duration.hpp"

#include "tests/catch.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace tidesync::qstash::local;
using namespace std::chrono_literals;

namespace {

std::string why_not(const std::string& text) {
    try {
        static_cast<void>(parse_duration(text));
        return "";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("a duration is the sum of its parts", "[qstash][local][duration]") {
    const std::vector<std::pair<std::string, std::chrono::seconds>> cases{
        {"10s", 10s},
        {"5m", 5min},
        {"2h", 2h},
        {"1d", 24h},
        {"1d2h30m10s", 26h + 30min + 10s},
        {"1d1h30m", 25h + 30min},
        {"10s1d", 24h + 10s},
        {"1h1h", 2h},
        {"0s", 0s},
        {"0", 0s},
        {"007s", 7s},
        {"315360000s", 3650 * 24h},
        {"3650d", 3650 * 24h},
        {"3649d24h", 3650 * 24h},
    };
    for (const auto& [text, length] : cases) {
        CAPTURE(text);
        CHECK(parse_duration(text) == length);
    }
}

TEST_CASE("a text that is no duration is refused with what is wrong", "[qstash][local][duration]") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", R"(time: invalid duration "")"},
        {"x", R"(time: invalid duration "x")"},
        {"s", R"(time: invalid duration "s")"},
        {"10", R"(time: missing unit in duration "10")"},
        {"00", R"(time: missing unit in duration "00")"},
        {"1h30", R"(time: missing unit in duration "1h30")"},
        {"-5s", R"(time: invalid duration "-5s")"},
        {"+5s", R"(time: invalid duration "+5s")"},
        {" 5s", R"(time: invalid duration " 5s")"},
        {"1.5h", R"(time: invalid duration "1.5h")"},
        {"5ms", R"(time: unknown unit "ms" in duration "5ms")"},
        {"5w", R"(time: unknown unit "w" in duration "5w")"},
        {"5S", R"(time: unknown unit "S" in duration "5S")"},
        {"5s ", R"(time: unknown unit "s " in duration "5s ")"},
        {"5s,1m", R"(time: unknown unit "s," in duration "5s,1m")"},
        {"315360001s", R"(time: duration "315360001s" is more than 10 years)"},
        {"3650d1s", R"(time: duration "3650d1s" is more than 10 years)"},
        {"99999999999999999999999d", R"(time: duration "99999999999999999999999d" is more than 10 years)"},
        {"18446744073709551615d", R"(time: duration "18446744073709551615d" is more than 10 years)"},
    };
    for (const auto& [text, why] : cases) {
        CAPTURE(text);
        CHECK(why_not(text) == why);
    }
}

TEST_CASE("what was wrong with a duration is told in short, plain ASCII", "[qstash][local][duration]") {
    CHECK(why_not("1\xff\n\"\\") == R"(time: unknown unit "\xff\x0a\"\\" in duration "1\xff\x0a\"\\")");
    CHECK(why_not(std::string(100'000, 'x')) == "time: invalid duration \"" + std::string(64, 'x') + "...\"");
    CHECK(why_not("1" + std::string(100'000, '\0')).size() < 700);
}
