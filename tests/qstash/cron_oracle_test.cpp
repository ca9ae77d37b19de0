// Compares every tick with one that a walk over all minutes finds. The walk knows nothing of bits, days or stretches:
// it asks the zone for the local time of each minute, and a predicate whether it matches.

#include "qstash/cron.hpp"

#include "tests/catch.hpp"

#include <algorithm>
#include <cctz/time_zone.h>
#include <functional>
#include <random>
#include <string>
#include <vector>

using namespace tidesync::qstash;
using namespace std::chrono;
using namespace std::chrono_literals;

namespace {

struct local_minute {
    int month, day, weekday, hour, minute;
};

struct rule {
    std::string text;
    std::function<bool(const local_minute&)> allows;
};

const std::vector<rule>& rules() {
    using m = const local_minute&;
    static const std::vector<rule> all{
        {"* * * * *", [](m) { return true; }},
        {"*/15 * * * *", [](m t) { return t.minute % 15 == 0; }},
        {"7/20 * * * *", [](m t) { return t.minute == 7 || t.minute == 27 || t.minute == 47; }},
        {"0 * * * *", [](m t) { return t.minute == 0; }},
        {"@hourly", [](m t) { return t.minute == 0; }},
        {"45 * * * *", [](m t) { return t.minute == 45; }},
        {"0 0 * * *", [](m t) { return t.hour == 0 && t.minute == 0; }},
        {"15 0 * * *", [](m t) { return t.hour == 0 && t.minute == 15; }},
        {"30 1 * * *", [](m t) { return t.hour == 1 && t.minute == 30; }},
        {"0 2 * * *", [](m t) { return t.hour == 2 && t.minute == 0; }},
        {"30 2 * * *", [](m t) { return t.hour == 2 && t.minute == 30; }},
        {"0 3 * * *", [](m t) { return t.hour == 3 && t.minute == 0; }},
        {"15 3 * * *", [](m t) { return t.hour == 3 && t.minute == 15; }},
        {"*/10 1-3 * * *", [](m t) { return t.minute % 10 == 0 && t.hour >= 1 && t.hour <= 3; }},
        {"59 23 * * *", [](m t) { return t.hour == 23 && t.minute == 59; }},
        {"30 */6 * * *", [](m t) { return t.hour % 6 == 0 && t.minute == 30; }},
        {"0 0 1 * *", [](m t) { return t.day == 1 && t.hour == 0 && t.minute == 0; }},
        {"*/30 2 * * sun", [](m t) { return t.weekday == 0 && t.hour == 2 && t.minute % 30 == 0; }},
        {"0 1 1-7 * sun",
         [](m t) { return (t.weekday == 0 || t.day <= 7) && t.hour == 1 && t.minute == 0; }}, // either: no star
        {"5 4 */3 * 1-5",
         [](m t) { return (t.day % 3 == 1 || (t.weekday >= 1 && t.weekday <= 5)) && t.hour == 4 && t.minute == 5; }},
        {"0 12 30,31 12 ?", [](m t) { return t.month == 12 && t.day >= 30 && t.hour == 12 && t.minute == 0; }},
        {"* 0 * mar,apr,oct,nov fri,sat,sun",
         [](m t) {
             const bool month = t.month == 3 || t.month == 4 || t.month == 10 || t.month == 11;
             return month && (t.weekday == 0 || t.weekday >= 5) && t.hour == 0;
         }},
    };
    return all;
}

struct window {
    std::string zone;
    year_month_day begin, end;
};

/// Each holds at least one change of the clocks, but for those that have none.
const std::vector<window> windows{
    {"UTC", 2024y / 2 / 20, 2024y / 3 / 10},
    {"Asia/Kolkata", 2023y / 12 / 20, 2024y / 1 / 5},
    {"America/New_York", 2012y / 3 / 1, 2012y / 3 / 20},
    {"America/New_York", 2012y / 10 / 25, 2012y / 11 / 10},
    {"Europe/Berlin", 2024y / 3 / 25, 2024y / 4 / 5},
    {"Europe/Berlin", 2024y / 10 / 20, 2024y / 11 / 3},
    {"Europe/Dublin", 2024y / 10 / 20, 2024y / 11 / 3},
    {"Australia/Lord_Howe", 2024y / 9 / 28, 2024y / 10 / 12}, // half an hour
    {"Australia/Lord_Howe", 2025y / 3 / 28, 2025y / 4 / 12},  //
    {"America/Sao_Paulo", 2018y / 10 / 28, 2018y / 11 / 12},  // no midnight
    {"America/Sao_Paulo", 2018y / 2 / 10, 2018y / 2 / 25},    // two 23:00
    {"Asia/Beirut", 2024y / 3 / 25, 2024y / 4 / 5},           // no midnight
    {"Asia/Beirut", 2024y / 10 / 20, 2024y / 11 / 3},         //
    {"America/Havana", 2024y / 10 / 28, 2024y / 11 / 10},     // two midnights
    {"Africa/Casablanca", 2024y / 3 / 5, 2024y / 4 / 20},     // back and forth within five weeks
    {"Antarctica/Troll", 2024y / 3 / 25, 2024y / 4 / 5},      // two hours
    {"Antarctica/Troll", 2024y / 10 / 20, 2024y / 11 / 3},    //
    {"Asia/Kathmandu", 1985y / 12 / 25, 1986y / 1 / 8},       // from 5:30 to 5:45
    {"Pacific/Apia", 2011y / 12 / 20, 2012y / 1 / 8},         // a day lost
    {"Pacific/Chatham", 2024y / 9 / 22, 2024y / 10 / 5},      // 12:45 and 13:45, at 02:45
    {"Asia/Pyongyang", 2018y / 4 / 28, 2018y / 5 / 12},       // half an hour, at 23:30
    {"America/St_Johns", 2006y / 10 / 22, 2006y / 11 / 5},    // at 00:01
};

/// The minutes of a window: only whole local ones, for offsets with seconds do not occur in them.
struct minute_walk {
    std::vector<sys_seconds> times;
    std::vector<local_minute> local;
};

minute_walk walk(const window& over) {
    cctz::time_zone zone;
    REQUIRE(cctz::load_time_zone(over.zone, &zone));
    minute_walk minutes;
    for (sys_seconds t = sys_days{over.begin}; t <= sys_days{over.end}; t += 1min) {
        const auto civil = zone.lookup(t).cs;
        const auto weekday = cctz::get_weekday(cctz::civil_day(civil)); // Monday is 0
        minutes.times.push_back(t);
        minutes.local.push_back(
            {civil.month(), civil.day(), (static_cast<int>(weekday) + 1) % 7, civil.hour(), civil.minute()});
    }
    return minutes;
}

std::vector<sys_seconds> ticks_by_walk(const minute_walk& minutes, const rule& by) {
    std::vector<sys_seconds> ticks;
    for (std::size_t i = 0; i < minutes.times.size(); ++i)
        if (by.allows(minutes.local[i])) ticks.push_back(minutes.times[i]);
    return ticks;
}

std::vector<sys_seconds> ticks_by_next(const cron& scheduled, sys_seconds begin, sys_seconds end) {
    std::vector<sys_seconds> ticks;
    for (auto tick = scheduled.next(begin - 1s); tick && *tick <= end; tick = scheduled.next(*tick)) {
        REQUIRE((ticks.empty() || *tick > ticks.back())); // or this never ends
        ticks.push_back(*tick);
    }
    return ticks;
}

std::optional<sys_seconds> last_by_walk(const std::vector<sys_seconds>& ticks, sys_seconds after, sys_seconds until) {
    const auto beyond = std::ranges::upper_bound(ticks, until);
    if (beyond == ticks.begin() || *(beyond - 1) <= after) return std::nullopt;
    return *(beyond - 1);
}

} // namespace

TEST_CASE("repeated next finds the ticks that a walk over every minute finds", "[qstash][cron]") {
    for (const auto& over : windows) {
        const auto minutes = walk(over);
        for (const auto& by : rules()) {
            const auto text = "CRON_TZ=" + over.zone + " " + by.text;
            CAPTURE(text, over.begin.year(), over.begin.month());
            const auto expected = ticks_by_walk(minutes, by);
            const auto found = ticks_by_next(cron::parse(text), minutes.times.front(), minutes.times.back());
            const bool same = found == expected; // not for Catch to print
            if (!same) {
                const auto [one, other] = std::ranges::mismatch(found, expected);
                if (one != found.end()) UNSCOPED_INFO("found " << one->time_since_epoch().count());
                if (other != expected.end()) UNSCOPED_INFO("expected " << other->time_since_epoch().count());
            }
            CHECK(same);
        }
    }
}

TEST_CASE("last finds the tick that a walk over every minute finds", "[qstash][cron]") {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    for (const auto& over : windows) {
        const auto minutes = walk(over);
        const auto begin = minutes.times.front() - 1s, end = minutes.times.back();
        std::uniform_int_distribution<std::int64_t> second(0, (end - begin).count());
        for (const auto& by : rules()) {
            const auto text = "CRON_TZ=" + over.zone + " " + by.text;
            const auto scheduled = cron::parse(text);
            const auto ticks = ticks_by_walk(minutes, by);
            const auto any_time = [&] {
                // Half of them at a tick or a second beside it.
                if (ticks.empty() || second(random) % 2 == 0) return begin + seconds{second(random)};
                const auto& tick = ticks[static_cast<std::size_t>(second(random)) % ticks.size()];
                return std::clamp(tick + seconds{second(random) % 3 - 1}, begin, end);
            };
            for (int i = 0; i < 10; ++i) {
                const auto after = any_time(), until = any_time();
                CAPTURE(text, after.time_since_epoch().count(), until.time_since_epoch().count());
                const bool same = scheduled.last(after, until) == last_by_walk(ticks, after, until);
                CHECK(same);
            }
        }
    }
}
