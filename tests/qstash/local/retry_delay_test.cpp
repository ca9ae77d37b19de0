#include "qstash/local/retry_delay.hpp"

#include "tests/catch.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace tidesync::qstash::local;

namespace {

constexpr std::int64_t a_day = 86'400'000;

std::int64_t delay_ms(const std::string& text, int retried = 0) {
    return retry_delay_expression::parse(text).evaluate(retried).count();
}

std::string why_not(const std::string& text) {
    try {
        static_cast<void>(retry_delay_expression::parse(text));
        return "";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

std::string repeated(const std::string& part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
}

} // namespace

TEST_CASE("a retry delay grows with the retries as its expression says", "[qstash][local][retry]") {
    struct row {
        std::string text;
        std::vector<std::int64_t> delays_ms; // for retried 0, 1, 2, …
    };
    const std::vector<row> cases{
        {"1000", {1000, 1000, 1000}},
        {"1000 * (1 + retried)", {1000, 2000, 3000}},
        {"pow(2, retried) * 1000", {1000, 2000, 4000, 8000}},
        {"max(1000, pow(2, retried) * 100)", {1000, 1000, 1000, 1000, 1600}},
        {"min(86400, exp(2.5 * (1 + retried))) * 1000", {12182, 148413, 1808042, 22026465, a_day}},
        {"retried", {0, 1, 2}},
        {"10 - retried - 1", {9, 8, 7}},
    };
    for (const auto& [text, delays_ms] : cases)
        for (std::size_t retried = 0; retried < delays_ms.size(); ++retried) {
            CAPTURE(text, retried);
            CHECK(delay_ms(text, static_cast<int>(retried)) == delays_ms[retried]);
        }
}

TEST_CASE("operators bind and functions compute as in school", "[qstash][local][retry]") {
    const std::vector<std::pair<std::string, std::int64_t>> cases{
        {"2 + 3 * 4", 14},
        {"(2 + 3) * 4", 20},
        {"100 / 10 / 5", 2},
        {"100 / (10 / 5)", 50},
        {"2 * 3 - 4 / 2", 4},
        {"--5", 5},
        {"3 - -2", 5},
        {"-2 * -3", 6},
        {"-(2 - 7)", 5},
        {"10 + -2 * 3", 4},
        {" \t7\t+ 1 ", 8},
        {"7+1", 8},
        {"0.5 * 10", 5},
        {".5 * 10", 5},
        {"1e3", 1000},
        {"1.5E+2", 150},
        {"pow(2, 10)", 1024},
        {"sqrt(16)", 4},
        {"abs(3 - 10)", 7},
        {"exp(0)", 1},
        {"floor(2.7)", 2},
        {"ceil(2.2)", 3},
        {"round(2.5)", 3},
        {"round(2.4)", 2},
        {"min(3, 4)", 3},
        {"max(3, 4)", 4},
        {"max ( 3 , min( 9, 5 ) )", 5},
        {"2.9", 2}, // a fraction of a millisecond is dropped
    };
    for (const auto& [text, result_ms] : cases) {
        CAPTURE(text);
        CHECK(delay_ms(text) == result_ms);
    }
}

TEST_CASE("a retry delay stays between nothing and a day", "[qstash][local][retry]") {
    const std::vector<std::pair<std::string, std::int64_t>> cases{
        {"-1", 0},
        {"-1 / 0", 0},
        {"0 - pow(10, 300)", 0},
        {"86400000", a_day},
        {"86399999.9", 86'399'999},
        {"86400001", a_day},
        {"pow(10, 300) * pow(10, 300)", a_day},
        {"1 / 0", a_day},
        {"0 / 0", a_day},
        {"sqrt(-1)", a_day},
        {"min(5, sqrt(-1))", a_day}, // no number stays no number, on either side
        {"min(sqrt(-1), 5)", a_day},
        {"max(5, sqrt(-1))", a_day},
        {"exp(1000) - exp(1000)", a_day},
    };
    for (const auto& [text, result_ms] : cases) {
        CAPTURE(text);
        CHECK(delay_ms(text) == result_ms);
    }
    CHECK(delay_ms("exp(retried)", 2'147'483'647) == a_day);
    CHECK(delay_ms("retried", -5) == 0);
}

TEST_CASE("a text that is no retry delay is refused with the place", "[qstash][local][retry]") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "retry delay: expected a number, retried, a function or ( at character 1"},
        {"  ", "retry delay: expected a number, retried, a function or ( at character 3"},
        {"1 +", "retry delay: expected a number, retried, a function or ( at character 4"},
        {"* 2", "retry delay: expected a number, retried, a function or ( at character 1"},
        {"+2", "retry delay: expected a number, retried, a function or ( at character 1"},
        {"()", "retry delay: expected a number, retried, a function or ( at character 2"},
        {"1 2", "retry delay: expected an operator or the end at character 3"},
        {"1)", "retry delay: expected an operator or the end at character 2"},
        {"(1", "retry delay: expected ) at character 3"},
        {"5 % 2", "retry delay: expected an operator or the end at character 3"},
        {"2 ^ 2", "retry delay: expected an operator or the end at character 3"},
        {"2 ** 2", "retry delay: expected a number, retried, a function or ( at character 4"},
        {"1000ms", "retry delay: expected an operator or the end at character 5"},
        {"1,000", "retry delay: expected an operator or the end at character 2"},
        {"tries", "retry delay: expected a number, retried, a function or ( at character 1"},
        {"Retried", "retry delay: expected a number, retried, a function or ( at character 1"},
        {"retriedx", "retry delay: expected a number, retried, a function or ( at character 1"},
        {"log(2)", "retry delay: expected a number, retried, a function or ( at character 1"},
        {"inf", "retry delay: expected a number, retried, a function or ( at character 1"},
        {"nan", "retry delay: expected a number, retried, a function or ( at character 1"},
        {"0x10", "retry delay: expected an operator or the end at character 2"},
        {".", "retry delay: expected a number that a double can hold at character 1"},
        {"1e999", "retry delay: expected a number that a double can hold at character 1"},
        {"pow", "retry delay: expected ( at character 4"},
        {"pow()", "retry delay: expected a number, retried, a function or ( at character 5"},
        {"pow(2)", "retry delay: expected , at character 6"},
        {"pow(2, 3, 4)", "retry delay: expected ) at character 9"},
        {"sqrt(2, 3)", "retry delay: expected ) at character 7"},
        {"retried(1)", "retry delay: expected an operator or the end at character 8"},
        {"1\n+ 1", "retry delay: expected an operator or the end at character 2"},
        {"1 + \xff", "retry delay: expected a number, retried, a function or ( at character 5"},
    };
    for (const auto& [text, why] : cases) {
        CAPTURE(text);
        CHECK(why_not(text) == why);
    }
}

TEST_CASE("length and depth of a retry delay are bounded", "[qstash][local][retry]") {
    const auto nested = [](int levels) { return repeated("(", levels) + "7" + repeated(")", levels); };
    CHECK(delay_ms(nested(63)) == 7);
    CHECK(why_not(nested(64)) == "retry delay nests deeper than 64 levels");
    CHECK(why_not(repeated("-", 64) + "7") == "retry delay nests deeper than 64 levels");
    CHECK(why_not(repeated("abs(", 64)) == "retry delay nests deeper than 64 levels");
    CHECK(why_not(repeated("(", 1024)) == "retry delay nests deeper than 64 levels");
    CHECK(delay_ms("1" + repeated("+(1)", 255)) == 256); // wide, not deep
    CHECK(delay_ms(repeated(" ", 1023) + "7") == 7);
    CHECK(why_not(repeated(" ", 1024) + "7") == "retry delay has more than 1024 bytes");
}
