#include "qstash/local/retry_after.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace tidesync::qstash::local {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

constexpr std::size_t value_bytes_max = 64;
constexpr nanoseconds wait_max = years{2}; // more than a year: what is longer, is cut to this

constexpr std::array<std::string_view, 7> weekday_names{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 12> month_names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

bool digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
    const auto begin = std::min(text.find_first_not_of(" \t"), text.size());
    text.remove_prefix(begin);
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

/// Digits alone: no sign, no blank. What does not fit is the largest there is.
std::optional<std::uint64_t> read_digits(std::string_view text) {
    if (text.empty() || !std::ranges::all_of(text, digit)) return std::nullopt;
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} ? number : UINT64_MAX;
}

/// @returns count * unit, cut to `wait_max`
nanoseconds times(std::uint64_t count, nanoseconds unit) {
    return count > static_cast<std::uint64_t>(wait_max / unit) ? wait_max : static_cast<std::int64_t>(count) * unit;
}

// --- Date

/// `Sun, 06 Nov 1994 08:49:37 GMT`. By hand, because the library's readers ask the locale for the names.
std::optional<sys_seconds> read_date(std::string_view text) {
    constexpr std::string_view form = "ddd, 00 mmm 0000 00:00:00 GMT";
    if (text.size() != form.size()) return std::nullopt;
    for (std::size_t i = 0; i < form.size(); ++i) {
        const bool name = form[i] == 'd' || form[i] == 'm';
        if (form[i] == '0' ? !digit(text[i]) : !name && text[i] != form[i]) return std::nullopt;
    }
    const auto number = [&](std::size_t begin, std::size_t size) {
        return static_cast<unsigned>(*read_digits(text.substr(begin, size)));
    };
    const auto month_name = std::ranges::find(month_names, text.substr(8, 3));
    if (std::ranges::find(weekday_names, text.substr(0, 3)) == weekday_names.end() || month_name == month_names.end())
        return std::nullopt; // whether it is the right weekday, is no reason to come at another time
    const month named_month{static_cast<unsigned>(month_name - month_names.begin()) + 1};
    const year_month_day date{year{static_cast<int>(number(12, 4))}, named_month, day{number(5, 2)}};
    const auto hour = number(17, 2), minute = number(20, 2), second = number(23, 2);
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt; // 60: a leap second
    return sys_days{date} + hours{hour} + minutes{minute} + seconds{second};
}

// --- Duration

struct unit {
    std::string_view name;
    nanoseconds length;
};
constexpr std::array<unit, 8> units{
    {{"ns", 1ns}, {"us", 1us}, {"\u00b5s", 1us}, {"\u03bcs", 1us}, {"ms", 1ms}, {"s", 1s}, {"m", 1min}, {"h", 1h}}};

/// Takes `1.5s` from the front of `text`.
std::optional<nanoseconds> take_part(std::string_view& text) {
    const auto take_while = [&text](auto belongs) {
        const auto end = std::ranges::find_if_not(text, belongs);
        const auto taken = text.substr(0, static_cast<std::size_t>(end - text.begin()));
        text.remove_prefix(taken.size());
        return taken;
    };
    const auto whole = take_while(digit);
    std::string_view fraction;
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        fraction = take_while(digit);
    }
    const auto name = take_while([](char c) { return !digit(c) && c != '.'; });
    const auto known = std::ranges::find(units, name, &unit::name);
    if ((whole.empty() && fraction.empty()) || known == units.end()) return std::nullopt;

    // Six digits: of an hour they are milliseconds, and the product of more would not fit.
    std::int64_t digits = 0, scale = 1;
    for (const char c : fraction.substr(0, 6)) {
        digits = digits * 10 + (c - '0');
        scale *= 10;
    }
    return times(read_digits(whole).value_or(0), known->length) + known->length * digits / scale;
}

std::optional<nanoseconds> read_go_duration(std::string_view text) {
    if (text.empty()) return std::nullopt;
    nanoseconds sum{0};
    while (!text.empty()) {
        const auto part = take_part(text);
        if (!part) return std::nullopt;
        sum = std::min(sum + *part, wait_max);
    }
    return sum;
}

} // namespace

std::optional<milliseconds> read_retry_after(std::string_view value, time_point now) {
    const auto text = trimmed(value);
    if (text.size() > value_bytes_max) return std::nullopt;
    if (const auto whole = read_digits(text)) return ceil<milliseconds>(times(*whole, 1s));
    if (const auto date = read_date(text)) return std::max<milliseconds>(*date - now, 0ms);
    const auto duration = read_go_duration(text);
    if (!duration) return std::nullopt;
    return ceil<milliseconds>(*duration);
}

} // namespace tidesync::qstash::local
