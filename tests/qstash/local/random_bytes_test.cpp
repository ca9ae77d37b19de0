// What others send is read here first: whatever the bytes, a reader answers or throws std::invalid_argument.

#include "qstash/cron.hpp"
#include "qstash/local/duration.hpp"
#include "qstash/local/retry_after.hpp"
#include "qstash/local/retry_delay.hpp"

#include "tests/catch.hpp"

#include <algorithm>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tidesync::qstash;
using namespace tidesync::qstash::local;
using namespace std::chrono_literals;

namespace {

/// Texts from pure noise to nearly right.
class text_source {
public:
    text_source(std::uint32_t seed, std::vector<std::string> words)
        : random_(seed)
        , words_(std::move(words)) {}

    std::string next() {
        std::string text;
        if (below(4) == 0) {
            for (auto bytes = below(80); bytes > 0; --bytes) text += static_cast<char>(below(256));
            return text;
        }
        if (below(8) == 0) return words_[below(words_.size())];
        for (auto words = below(14); words > 0; --words) text += words_[below(words_.size())];
        for (auto damages = below(3); damages > 0 && !text.empty(); --damages)
            text[below(text.size())] = static_cast<char>(below(2) == 0 ? below(256) : ' ' + below(95));
        if (below(200) == 0) text.append(below(3000), text.empty() ? '(' : text.front());
        return text;
    }

private:
    std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }

    std::mt19937 random_;
    std::vector<std::string> words_;
};

bool plain(const std::string& message) {
    return !message.empty() && message.size() < 1000 &&
           std::ranges::all_of(message, [](char c) { return c >= ' ' && c <= '~'; });
}

/// @returns how many of the texts were readable
int feed(const std::vector<std::string>& words, const std::function<void(const std::string&)>& read) {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    text_source texts(seed, words);
    int readable = 0;
    for (int i = 0; i < 4000; ++i) {
        const auto text = texts.next();
        CAPTURE(text);
        try {
            read(text);
            ++readable;
        } catch (const std::invalid_argument& error) {
            if (!plain(error.what())) FAIL_CHECK(error.what()); // goes into JSON and logs
        } // anything else fails the test
    }
    return readable;
}

} // namespace

TEST_CASE("no bytes break the reader of cron expressions", "[qstash][cron][random]") {
    const std::vector<std::string> words{
        "0",
        "*",
        "*",
        " ",
        "?",
        "*/5",
        "1-5",
        "30 4 ",
        "@daily",
        "mon",
        "feb",
        "* * * ",
        "* * ",
        ",",
        "/",
        "-",
        "99",
        "TZ=",
        "CRON_TZ=",
        "UTC ",
        "Europe/Berlin ",
        "../",
        "\t",
        "4294967297",
        "18446744073709551617"};
    const auto now = std::chrono::sys_seconds{1'735'689'600s};
    const int readable = feed(words, [&](const std::string& text) {
        const auto scheduled = cron::parse(text);
        const auto tick = scheduled.next(now);
        if (tick) REQUIRE(scheduled.last(now, *tick) == tick);
    });
    CHECK(readable > 0);
}

TEST_CASE("no bytes break the reader of retry delays", "[qstash][local][random]") {
    const std::vector<std::string> words{"1",    "2.5",  "1e3", "1e308", "retried", "+",      "-",     "*",
                                         "/",    "(",    "(",   ")",     ")",       "pow(2,", "sqrt(", "min(retried,",
                                         "max(", "exp(", ",",   " ",     "0"};
    const int readable = feed(words, [](const std::string& text) {
        const auto expression = retry_delay_expression::parse(text);
        for (const int retried : {0, 1, 100, 2'147'483'647, -1}) {
            const auto delay = expression.evaluate(retried);
            REQUIRE((delay >= 0ms && delay <= 24h));
        }
    });
    CHECK(readable > 0);
}

TEST_CASE("no bytes break the readers of durations", "[qstash][local][random]") {
    const std::vector<std::string> words{"1",  "30", "s",           "m",     "h",   "d", "0",
                                         "ms", ".",  "99999999999", "3650d", "10s", " "};
    const int readable = feed(words, [](const std::string& text) {
        const auto length = parse_duration(text);
        REQUIRE((length >= 0s && length <= 3650 * 24h));
    });
    CHECK(readable > 0);

    auto more = words;
    for (const char* word :
         {"Sun, ", "06 ", "Nov ", "1994 ", "08:49:37 ", "GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "us"})
        more.emplace_back(word);
    const int readable_waits = feed(more, [](const std::string& text) {
        const auto wait = read_retry_after(text, time_point{784'111'777'000ms});
        if (!wait) throw std::invalid_argument("not readable");
        REQUIRE(*wait >= 0ms);
    });
    CHECK(readable_waits > 0);
}
