#include "qstash/cron.hpp"

#include "tests/catch.hpp"

#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace tidesync::qstash;
using namespace std::chrono;
using namespace std::chrono_literals;

namespace {

/// `2012-03-11T01:00-05:00`, with seconds or without, UTC where there is no offset.
sys_seconds at(const std::string& text) {
    int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, used = 0;
    REQUIRE(std::sscanf(text.c_str(), "%d-%d-%dT%d:%d%n", &y, &mo, &d, &h, &mi, &used) == 5);
    auto rest = text.substr(static_cast<std::size_t>(used));
    if (rest.starts_with(':')) {
        REQUIRE(std::sscanf(rest.c_str(), ":%d%n", &s, &used) == 1);
        rest.erase(0, static_cast<std::size_t>(used));
    }
    const auto local = sys_days{year{y} / mo / d} + hours{h} + minutes{mi} + seconds{s};
    if (rest.empty()) return local;
    int offset_hours = 0, offset_minutes = 0;
    REQUIRE(std::sscanf(rest.c_str() + 1, "%d:%d", &offset_hours, &offset_minutes) == 2);
    const auto offset = hours{offset_hours} + minutes{offset_minutes};
    return rest[0] == '-' ? local + offset : local - offset;
}

/// For messages of failed checks.
std::string shown(std::optional<sys_seconds> time) {
    if (!time) return "never";
    const auto day = floor<days>(*time);
    const year_month_day date{day};
    const hh_mm_ss clock{*time - day};
    char text[64];
    std::snprintf(
        text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", int{date.year()}, unsigned{date.month()},
        unsigned{date.day()}, static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()));
    return text;
}

std::string next(const std::string& text, const std::string& from) { return shown(cron::parse(text).next(at(from))); }

std::string why_not(const std::string& text) {
    try {
        static_cast<void>(cron::parse(text));
        return "";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

struct row {
    std::string text, from, next; // `next` is "" for never
};

void check(const std::vector<row>& rows) {
    for (const auto& [text, from, expected] : rows) {
        CAPTURE(text, from);
        CHECK(next(text, from) == (expected.empty() ? "never" : shown(at(expected))));
    }
}

} // namespace

// --- What a text means

TEST_CASE("the next tick is the first that the five fields allow", "[qstash][cron]") {
    check({
        {"* * * * *", "2012-07-09T14:45", "2012-07-09T14:46"},
        {"* * * * *", "2012-07-09T14:45:01", "2012-07-09T14:46"},
        {"* * * * *", "2012-07-09T14:45:59", "2012-07-09T14:46"},
        {"0/15 * * * *", "2012-07-09T14:59:59", "2012-07-09T15:00"},
        {"0/15 * * * *", "2012-07-09T15:00", "2012-07-09T15:15"},
        {"20-35/15 * * * *", "2012-07-09T15:20", "2012-07-09T15:35"},
        {"20-35/15 * * * *", "2012-07-09T23:45", "2012-07-10T00:20"},
        {"59 23 31 12 *", "2012-12-31T23:58:59", "2012-12-31T23:59"},
        {"59 23 31 12 *", "2012-12-31T23:59", "2013-12-31T23:59"},
        {"0 0 31 * *", "2012-08-31T00:00", "2012-10-31T00:00"},
        {"0 0 */5 Oct Mon", "2012-07-09T23:35", "2012-10-01T00:00"},
        {"0 0 */5 Apr,Aug,Oct Mon", "2012-07-09T23:35", "2012-08-01T00:00"},
        {"0 0 * Feb Mon", "2012-07-09T23:35", "2013-02-04T00:00"},
        {"0 0 29 Feb ?", "2012-07-09T23:35", "2016-02-29T00:00"},
        {"0 0 30 Feb ?", "2012-07-09T23:35", ""},
        {"0 0 31 4,6,9,11 *", "2012-07-09T23:35", ""},
    });
}

TEST_CASE("a search ends after five years", "[qstash][cron]") {
    check({
        {"0 0 29 2 *", "2016-02-29T00:00", "2020-02-29T00:00"},
        {"0 0 29 2 *", "2096-02-29T00:00", ""}, // 2100 is no leap year
        {"0 0 29 2 *", "2099-02-26T00:00", ""},
        {"0 0 29 2 *", "2099-03-01T00:00", "2104-02-29T00:00"},
    });
    const auto daily = cron::parse("0 0 * * *");
    CHECK(shown(daily.next(sys_seconds::min())) == "1970-01-01T00:00:00");
    CHECK(shown(daily.next(at("2399-12-30T00:00"))) == "2399-12-31T00:00:00");
    CHECK(shown(daily.next(at("2399-12-31T00:00"))) == "never");
    CHECK(shown(daily.next(sys_seconds::max())) == "never");
}

TEST_CASE("a day must match both day fields where one has a star, else either", "[qstash][cron]") {
    struct membership {
        std::string text, day;
        bool runs;
    };
    // 15 June 2012 was a Friday, 15 July a Sunday, 9 July a Monday.
    const std::vector<membership> cases{
        {"* * 1,15 * Sun", "2012-06-15", true},    {"* * 1,15 * Sun", "2012-07-15", true},
        {"* * 1,15 * Sun", "2012-07-08", true},    {"* * 1,15 * Sun", "2012-07-09", false},
        {"* * */10 * Sun", "2012-07-15", true},    {"* * */10 * Sun", "2012-07-11", true},
        {"* * */10 * Sun", "2012-07-12", false},   {"* * * * Mon", "2012-07-15", false},
        {"* * * * Mon", "2012-07-09", true},       {"* * 1,15 * *", "2012-07-09", false},
        {"* * 1,15 * *", "2012-07-15", true},      {"* * 1,15 * ?", "2012-07-09", false},
        {"* * 1,15 * */1", "2012-07-09", false},   {"* * 1,15 * */2", "2012-07-10", true}, // Tuesday, in */2
        {"* * 1,15 * */2", "2012-07-09", false},   {"* * */1 * Mon", "2012-07-10", false},
        {"* * 1-31 * Mon", "2012-07-10", true}, // all days, but no star
        {"* * 1,15 * 0-6", "2012-07-10", true},    {"* * 1,15 * */2,*", "2012-07-10", false},
        {"* * 1,15 * *,mon", "2012-07-10", false},
    };
    for (const auto& [text, day, runs] : cases) {
        CAPTURE(text, day);
        const auto midnight = at(day + "T00:00");
        CHECK((cron::parse(text).next(midnight - 1s) == midnight) == runs);
    }
}

TEST_CASE("names, macros and odd but known spellings mean what they mean at QStash", "[qstash][cron]") {
    const std::vector<std::pair<std::string, std::string>> same{
        {"0 0 1 jan *", "0 0 1 1 *"},
        {"0 0 1 JAN,dEc *", "0 0 1 1,12 *"},
        {"0 0 * mar-may sun-TUE", "0 0 * 3-5 0-2"},
        {"0 0 * * fri/1", "0 0 * * 5,6"},
        {"0 0 ? * ?", "0 0 * * *"},
        {"0 ?/6 * * *", "0 0,6,12,18 * * *"},
        {"50/4 * * * *", "50,54,58 * * * *"},
        {"5-9/400 * * * *", "5 * * * *"},
        {"*/4294967295 * * * *", "0 * * * *"},
        {"5/4294967295 * * * *", "5 * * * *"},
        {"05 007 * * *", "5 7 * * *"},
        {",1,,2, * * * *", "1,2 * * * *"},
        {"  0\t0  * * *  ", "0 0 * * *"},
        {"@yearly", "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"},
        {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"},
        {"@daily", "0 0 * * *"},
        {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
        {"TZ=Asia/Kolkata @daily", "CRON_TZ=Asia/Kolkata 0 0 * * *"},
        {"CRON_TZ=UTC   0 0 * * *", "0 0 * * *"},
        {"CRON_TZ=Etc/UTC 0 0 * * *", "0 0 * * *"},
    };
    for (const auto& [one, other] : same) {
        CAPTURE(one, other);
        const auto first = cron::parse(one), second = cron::parse(other);
        auto from = at("2012-07-09T14:59:59");
        for (int i = 0; i < 50; ++i) {
            const auto tick = first.next(from);
            REQUIRE(tick);
            REQUIRE(shown(tick) == shown(second.next(from)));
            from = *tick;
        }
    }
}

TEST_CASE("a text that is no cron expression is refused with what is wrong", "[qstash][cron]") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "empty spec string"},
        {"   ", "expected exactly 5 fields, found 0: []"},
        {"xyz", "expected exactly 5 fields, found 1: [xyz]"},
        {"a b c d", "expected exactly 5 fields, found 4: [a b c d]"},
        {"* * * *", "expected exactly 5 fields, found 4: [* * * *]"},
        {"0 0 0 * * *", "expected exactly 5 fields, found 6: [0 0 0 * * *]"},
        {"60 0 * * *", "end of range (60) above maximum (59): 60"},
        {"0 60 * * *", "end of range (60) above maximum (23): 60"},
        {"0 24 * * *", "end of range (24) above maximum (23): 24"},
        {"0 0 32 * *", "end of range (32) above maximum (31): 32"},
        {"0 0 0 * *", "beginning of range (0) below minimum (1): 0"},
        {"0 0 * 13 *", "end of range (13) above maximum (12): 13"},
        {"0 0 * 0 *", "beginning of range (0) below minimum (1): 0"},
        {"0 0 * * 7", "end of range (7) above maximum (6): 7"},
        {"0 0 * * 5-7", "end of range (7) above maximum (6): 5-7"},
        {"0 0 * * XYZ", "failed to parse int from XYZ: invalid syntax"},
        {"0 0 * january *", "failed to parse int from january: invalid syntax"},
        {"0 0 mon * *", "failed to parse int from mon: invalid syntax"},
        {"0 0 L * *", "failed to parse int from L: invalid syntax"},
        {"0 0 15W * *", "failed to parse int from 15W: invalid syntax"},
        {"0 0 * * 5#2", "failed to parse int from 5#2: invalid syntax"},
        {"-1 * * * *", "failed to parse int from : invalid syntax"},
        {"+1 * * * *", "failed to parse int from +1: invalid syntax"},
        {"1- * * * *", "failed to parse int from : invalid syntax"},
        {"*-5 * * * *", "failed to parse int from *: invalid syntax"},
        {"*/-5 * * * *", "failed to parse int from -5: invalid syntax"},
        {"*/ * * * *", "failed to parse int from : invalid syntax"},
        {"99999999999 * * * *", "failed to parse int from 99999999999: value out of range"},
        {"15/0 * * * *", "step of range should be a positive number: 15/0"},
        {"*/0 * * * *", "step of range should be a positive number: */0"},
        {"30-10 * * * *", "beginning of range (30) beyond end of range (10): 30-10"},
        {"70/5 * * * *", "beginning of range (70) beyond end of range (59): 70/5"},
        {"0 22-2 * * *", "beginning of range (22) beyond end of range (2): 22-2"},
        {"1-2-3 * * * *", "too many hyphens: 1-2-3"},
        {"1/2/3 * * * *", "too many slashes: 1/2/3"},
        {", * * * *", "empty list: ,"},
        {"@every 1h", "unrecognized descriptor: @every 1h"},
        {"@reboot", "unrecognized descriptor: @reboot"},
        {"@Daily", "unrecognized descriptor: @Daily"},
        {"TZ=UTC @daily now", "unrecognized descriptor: @daily now"},
        {"CRON_TZ=UTC", "expected exactly 5 fields, found 0: []"},
        {"CRON_TZ=UTC * * * *", "expected exactly 5 fields, found 4: [* * * *]"},
        {"cron_tz=UTC * * * * *", "expected exactly 5 fields, found 6: [cron_tz=UTC * * * * *]"},
        {"* * * * \n*", "a cron expression is plain ASCII without control characters"},
        {"* * * * \xc3\xa9", "a cron expression is plain ASCII without control characters"},
        {"* * * * *" + std::string(248, ' '), "a cron expression has at most 256 bytes"},
    };
    for (const auto& [text, why] : cases) {
        CAPTURE(text);
        CHECK(why_not(text) == why);
    }
    CHECK(why_not("* * * * *" + std::string(247, ' ')).empty());
}

TEST_CASE("a time zone is refused unless it names a file of zone data", "[qstash][cron]") {
    for (const std::string zone :
         {"X", "Mars/Olympus", "", "/etc/localtime", "/usr/share/zoneinfo/UTC", "../zoneinfo/Europe/Berlin",
          "Europe/../UTC", "Europe", "Europe/", "Europe//Berlin", "./UTC", "Local", "libc:localtime",
          "file:Europe/Berlin", "Fixed/UTC+01:00:00", "zone.tab", "leapseconds", "Europe/Berlin\\",
          "Europe%2fBerlin"}) {
        CAPTURE(zone);
        CHECK(
            why_not("CRON_TZ=" + zone + " * * * * *") ==
            "provided bad location " + zone + ": unknown time zone " + zone);
    }
    CHECK(why_not("TZ=X * * * * *").starts_with("provided bad location X: "));
    for (const std::string zone :
         {"Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince"})
        CHECK(why_not("CRON_TZ=" + zone + " * * * * *").empty());
}

// --- Daylight saving

TEST_CASE("a local time that is skipped does not happen, one that is repeated happens twice", "[qstash][cron]") {
    const std::string new_york = "CRON_TZ=America/New_York ";
    check({
        {new_york + "0 * * * ?", "2012-03-11T00:00-05:00", "2012-03-11T01:00-05:00"},
        {new_york + "0 * * * ?", "2012-03-11T01:00-05:00", "2012-03-11T03:00-04:00"},
        {new_york + "0 * * * ?", "2012-03-11T03:00-04:00", "2012-03-11T04:00-04:00"},
        {new_york + "0 2 * * ?", "2012-03-11T00:00-05:00", "2012-03-12T02:00-04:00"},
        {new_york + "30 2 11 Mar ?", "2012-03-11T00:00-05:00", "2013-03-11T02:30-04:00"},
        {new_york + "0 * * * ?", "2012-11-04T00:00-04:00", "2012-11-04T01:00-04:00"},
        {new_york + "0 * * * ?", "2012-11-04T01:00-04:00", "2012-11-04T01:00-05:00"},
        {new_york + "0 * * * ?", "2012-11-04T01:00-05:00", "2012-11-04T02:00-05:00"},
        {new_york + "0 1 * * ?", "2012-11-04T00:00-04:00", "2012-11-04T01:00-04:00"},
        {new_york + "0 1 * * ?", "2012-11-04T01:00-04:00", "2012-11-04T01:00-05:00"},
        {new_york + "0 1 * * ?", "2012-11-04T01:00-05:00", "2012-11-05T01:00-05:00"},
        {new_york + "0 2 * * ?", "2012-11-04T00:00-04:00", "2012-11-04T02:00-05:00"},
        {new_york + "*/15 * * * *", "2012-11-04T01:45-04:00", "2012-11-04T01:00-05:00"},
        {new_york + "*/15 * * * *", "2012-11-04T01:30-05:00", "2012-11-04T01:45-05:00"},
        {new_york + "*/15 1 * * *", "2012-11-04T01:45-05:00", "2012-11-05T01:00-05:00"},
        {new_york + "59 1 * * *", "2012-11-04T01:59-04:00", "2012-11-04T01:59-05:00"},
        {"TZ=America/New_York 0 2 * * ?", "2012-03-11T00:00-05:00", "2012-03-12T02:00-04:00"},
    });
}

TEST_CASE("a change at midnight, of half an hour, or of a whole day is followed as well", "[qstash][cron]") {
    const std::string sao_paulo = "CRON_TZ=America/Sao_Paulo ", lord_howe = "CRON_TZ=Australia/Lord_Howe ";
    check({
        {sao_paulo + "0 9 10 * ?", "2018-10-17T05:00-04:00", "2018-11-10T06:00-05:00"},
        // On 4 November 2018 the day began at 01:00.
        {sao_paulo + "0 0 * * *", "2018-11-03T00:00-03:00", "2018-11-05T00:00-02:00"},
        {sao_paulo + "0 0 4 11 *", "2018-11-03T00:00-03:00", "2019-11-04T00:00-03:00"},
        {sao_paulo + "0 1 4 11 *", "2018-11-03T00:00-03:00", "2018-11-04T01:00-02:00"},
        {sao_paulo + "30 23 * * *", "2018-11-03T00:00-03:00", "2018-11-03T23:30-03:00"},
        // On 18 February 2018 the clocks went from 00:00 to 23:00 of the day before.
        {sao_paulo + "30 23 17 2 *", "2018-02-17T00:00-02:00", "2018-02-17T23:30-02:00"},
        {sao_paulo + "30 23 17 2 *", "2018-02-17T23:30-02:00", "2018-02-17T23:30-03:00"},
        {sao_paulo + "0 0 18 2 *", "2018-02-17T00:00-02:00", "2018-02-18T00:00-03:00"},
        // 02:00 to 02:30 on 6 October 2024, 02:00 to 01:30 on 6 April 2025.
        {lord_howe + "0 2 * * *", "2024-10-05T03:00+10:30", "2024-10-07T02:00+11:00"},
        {lord_howe + "29 2 * * *", "2024-10-05T03:00+10:30", "2024-10-07T02:29+11:00"},
        {lord_howe + "30 2 * * *", "2024-10-05T03:00+10:30", "2024-10-06T02:30+11:00"},
        {lord_howe + "15 3 * * *", "2024-10-06T00:00+10:30", "2024-10-06T03:15+11:00"},
        {lord_howe + "0 * * * *", "2024-10-06T01:00+10:30", "2024-10-06T03:00+11:00"},
        {lord_howe + "*/15 * * * *", "2024-10-06T01:45+10:30", "2024-10-06T02:30+11:00"},
        {lord_howe + "45 1 * * *", "2025-04-06T01:45+11:00", "2025-04-06T01:45+10:30"},
        {lord_howe + "15 1 * * *", "2025-04-06T01:15+11:00", "2025-04-07T01:15+10:30"},
        {lord_howe + "*/15 * * * *", "2025-04-06T01:45+11:00", "2025-04-06T01:30+10:30"},
        {"CRON_TZ=Asia/Kolkata 0 9 * * *", "2024-01-01T00:00", "2024-01-01T03:30"},
        {"CRON_TZ=Asia/Kathmandu 0 9 * * *", "2024-01-01T00:00", "2024-01-01T03:15"},
        {"CRON_TZ=Europe/Dublin 30 1 * * *", "2024-03-30T12:00", "2024-04-01T00:30"},
        {"CRON_TZ=Pacific/Apia 0 12 30 12 *", "2011-12-01T00:00", "2012-12-29T22:00"}, // no 30 December in 2011
        {"CRON_TZ=Pacific/Apia 0 12 31 12 *", "2011-12-01T00:00", "2011-12-30T22:00"},
        {"CRON_TZ=Africa/Monrovia 0 0 * * *", "1971-12-31T00:00", "1971-12-31T00:44:30"}, // 44:30 behind
    });
}

// --- Last tick

TEST_CASE("the last tick of a stretch of time is found, its end included, its beginning not", "[qstash][cron]") {
    const auto noon = cron::parse("0 12 * * *");
    const auto tick = at("2024-05-01T12:00");
    CHECK(noon.last(tick - 1s, tick) == tick);
    CHECK(noon.last(tick - 365 * 24h, tick) == tick);
    CHECK(noon.last(tick - 365 * 24h, tick - 1s) == tick - 24h);
    CHECK(noon.last(tick, tick + 24h - 1s) == std::nullopt);
    CHECK(noon.last(tick, tick) == std::nullopt);
    CHECK(noon.last(tick + 1s, tick) == std::nullopt);
    CHECK(noon.last(sys_seconds::min(), tick) == tick);
    CHECK(noon.last(tick, sys_seconds::max()) == at("2399-12-31T12:00"));
    CHECK(noon.last(sys_seconds::max(), sys_seconds::min()) == std::nullopt);
    CHECK(noon.last(sys_seconds::min(), sys_seconds::min()) == std::nullopt);

    const auto leap_day = cron::parse("* * 29 2 *");
    CHECK(shown(leap_day.last(at("1970-01-01T00:00"), at("2103-12-31T00:00"))) == "2096-02-29T23:59:00");
    CHECK(cron::parse("0 0 30 2 *").last(sys_seconds::min(), sys_seconds::max()) == std::nullopt);
}

TEST_CASE("a search takes little work, however far it must look", "[qstash][cron]") {
    const auto begin = steady_clock::now();
    const auto from = at("2024-03-01T00:00");
    for (const std::string text : {"0 0 29 2 ?", "0 0 30 2 ?", "0 0 31 2,4,6,9,11 *", "* * * * *", "59 23 31 12 *"}) {
        const auto scheduled = cron::parse("CRON_TZ=Europe/Berlin " + text);
        for (int i = 0; i < 200; ++i) static_cast<void>(scheduled.next(from + i * 1min));
        for (int i = 0; i < 20; ++i) static_cast<void>(scheduled.last(sys_seconds::min(), from + i * 1min));
    }
    // Far below a second with sanitizers and all; a walk over minutes takes minutes.
    CHECK(steady_clock::now() - begin < 10s);
}

TEST_CASE("threads may read and search at the same time", "[qstash][cron]") {
    const auto shared = cron::parse("CRON_TZ=Europe/Paris 30 2 * * *");
    const auto from = at("2024-03-30T12:00");
    const auto expected = at("2024-04-01T00:30");
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 50; ++i) {
                const auto own = cron::parse("CRON_TZ=Europe/Paris 30 2 * * *");
                if (shared.next(from) == expected && own.next(from) == expected) ++right;
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(right == 200);
}
