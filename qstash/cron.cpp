#include "qstash/cron.hpp"

#include "qstash/cron_fields.hpp"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace tidesync::qstash {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

constexpr std::size_t text_bytes_max = 256;
constexpr std::size_t zone_name_bytes_max = 64;
constexpr years search_max{5};

/// Ticks are looked for between these: the zone data has no transitions far beyond, and no sum here can overflow.
constexpr sys_seconds ticks_begin = sys_days{1970y / January / 1};
constexpr sys_seconds ticks_end = sys_days{2400y / January / 1};

// --- Time zone

bool zone_name_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("/_+-").find(c) != std::string_view::npos;
}

/// The name becomes a path below the folder of zone files. cctz remembers whatever it was ever asked for, so it is
/// asked only for files that are there, and by one spelling of each: made-up names cannot fill the memory.
bool zone_file_exists(const std::string& name) {
    if (name.empty() || name.size() > zone_name_bytes_max || !std::ranges::all_of(name, zone_name_character))
        return false;
    if (name.starts_with('/') || name.ends_with('/') || name.find("//") != std::string::npos) return false;
    const char* folder = std::getenv("TZDIR"); // cctz looks there as well
    const auto path = std::filesystem::path(folder && *folder ? folder : "/usr/share/zoneinfo") / name;
    std::error_code unreadable;
    return std::filesystem::is_regular_file(path, unreadable);
}

cctz::time_zone load_zone(const std::string& name) {
    if (name == "UTC") return cctz::utc_time_zone(); // needs no file
    cctz::time_zone zone;
    if (!zone_file_exists(name) || !cctz::load_time_zone(name, &zone))
        throw std::invalid_argument(fmt::format("provided bad location {0}: unknown time zone {0}", name));
    return zone;
}

/// Takes `CRON_TZ=Area/City ` from the front of `text`.
cctz::time_zone take_zone(std::string_view& text) {
    if (!text.starts_with("CRON_TZ=") && !text.starts_with("TZ=")) return cctz::utc_time_zone();
    text.remove_prefix(text.find('=') + 1);
    const auto name = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(' ', name.size())));
    return load_zone(std::string(name));
}

/// A stretch of time in which the clocks of a zone run straight: between two transitions, one hour each way.
struct straight {
    seconds offset;  // local time minus UTC
    sys_seconds end; // where the next stretch begins
};

straight straight_from(const cctz::time_zone& zone, sys_seconds begin) {
    const seconds offset{zone.lookup(begin).offset};
    cctz::time_zone::civil_transition next;
    if (!zone.next_transition(begin, &next)) return {offset, ticks_end};
    return {offset, sys_seconds{seconds{next.from - cctz::civil_second(1970, 1, 1)}} - offset};
}

// --- Search on clocks that run straight

bool has(std::uint64_t bits, unsigned value) { return (bits >> value & 1) != 0; }
std::uint64_t from_on(std::uint64_t bits, unsigned value) { return bits >> value << value; }

bool day_matches(const cron_fields& allowed, local_days day, year_month_day date) {
    const bool by_date = has(allowed.days, unsigned{date.day()});
    const bool by_weekday = has(allowed.weekdays, weekday{day}.c_encoding());
    return allowed.either_day ? by_date || by_weekday : by_date && by_weekday;
}

/// @returns the first allowed time of day from `earliest` on
std::optional<minutes> first_time(const cron_fields& allowed, minutes earliest) {
    const auto hour = static_cast<unsigned>(earliest / 1h);
    if (has(allowed.hours, hour)) {
        const auto left = from_on(allowed.minutes, static_cast<unsigned>(earliest % 1h / 1min));
        if (left != 0) return hours{hour} + minutes{std::countr_zero(left)};
    }
    const auto left = from_on(allowed.hours, hour + 1);
    if (left == 0) return std::nullopt;
    return hours{std::countr_zero(left)} + minutes{std::countr_zero(allowed.minutes)};
}

/// @returns the first allowed minute of those that begin in [from, to)
std::optional<local_seconds> first_match(const cron_fields& allowed, local_seconds from, local_seconds to) {
    const auto first_minute = ceil<minutes>(from);
    auto day = floor<days>(first_minute);
    auto earliest = first_minute - day;
    while (day < to) {
        const year_month_day date{day};
        if (!has(allowed.months, unsigned{date.month()})) {
            day = local_days{date.year() / date.month() / 1 + months{1}};
        } else {
            const auto time = day_matches(allowed, day, date) ? first_time(allowed, earliest) : std::nullopt;
            if (time) return day + *time < to ? std::optional<local_seconds>(day + *time) : std::nullopt;
            day += days{1};
        }
        earliest = 0min;
    }
    return std::nullopt;
}

} // namespace

struct cron::fields {
    cron_fields allowed;
    cctz::time_zone zone;

    /// The first tick in (after, until]. Goes from one change of the clocks to the next, so that a local time which a
    /// change skips or repeats needs no thought: it stands in no stretch, or in two. That also holds for changes of
    /// half an hour or of a day, where robfig/cron, which steps by whole hours, can miss ticks.
    [[nodiscard]] std::optional<sys_seconds> first(sys_seconds after, sys_seconds until) const {
        after = std::max(after, ticks_begin - 1s);
        until = std::min(until, ticks_end - 1s);
        while (after < until) {
            const auto from = after + 1s;
            const auto clocks = straight_from(zone, from);
            const auto to_local = [&](sys_seconds t) { return local_seconds{t.time_since_epoch() + clocks.offset}; };
            const auto match = first_match(allowed, to_local(from), to_local(std::min(clocks.end, until + 1s)));
            if (match) return sys_seconds{match->time_since_epoch() - clocks.offset};
            after = clocks.end - 1s;
        }
        return std::nullopt;
    }
};

cron::cron(std::shared_ptr<const fields> read)
    : fields_(std::move(read)) {}

cron cron::parse(std::string_view text) {
    if (text.empty()) throw std::invalid_argument("empty spec string");
    if (text.size() > text_bytes_max)
        throw std::invalid_argument(fmt::format("a cron expression has at most {} bytes", text_bytes_max));
    // Messages repeat parts of the text, and go into JSON and logs.
    std::string plain(text);
    std::ranges::replace(plain, '\t', ' ');
    if (!std::ranges::all_of(plain, [](char c) { return c >= ' ' && c <= '~'; }))
        throw std::invalid_argument("a cron expression is plain ASCII without control characters");

    std::string_view rest = plain;
    const auto zone = take_zone(rest);
    return cron{std::make_shared<const fields>(fields{parse_cron_fields(rest), zone})};
}

std::optional<sys_seconds> cron::next(sys_seconds after) const {
    after = std::clamp(after, ticks_begin - 1s, ticks_end); // so that the sum fits
    return fields_->first(after, after + search_max);
}

std::optional<sys_seconds> cron::last(sys_seconds after, sys_seconds until) const {
    auto tick = fields_->first(after, until);
    if (!tick) return std::nullopt;
    // Halves what may hold a later tick until nothing is left: some thirty searches for any distance.
    for (auto silent_after = std::min(until, ticks_end); *tick < silent_after;) {
        const auto middle = *tick + (silent_after - *tick) / 2;
        if (const auto later = fields_->first(middle, silent_after))
            tick = later;
        else
            silent_after = middle;
    }
    return tick;
}

} // namespace tidesync::qstash
