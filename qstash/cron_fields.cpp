#include "qstash/cron_fields.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace tidesync::qstash {
namespace {

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_names{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct bounds {
    unsigned min, max;
    std::span<const std::string_view> names = {}; // of the values from `min` on
};
constexpr bounds minute_bounds{0, 59}, hour_bounds{0, 23}, day_bounds{1, 31};
constexpr bounds month_bounds{1, 12, month_names}, weekday_bounds{0, 6, weekday_names};

struct field {
    std::uint64_t bits = 0;
    bool star = false; // asks for nothing: `*`, `?`, `*/1`
};

struct macro {
    std::string_view name, meaning;
};
constexpr std::array<macro, 7> macros{{
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
    {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
}};

/// Empty pieces count, as in Go's strings.Split: "a-" is two.
std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> pieces;
    for (auto end = text.find(separator); end != std::string_view::npos; end = text.find(separator)) {
        pieces.push_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    pieces.push_back(text);
    return pieces;
}

std::vector<std::string_view> words_of(std::string_view text) {
    auto words = split(text, ' ');
    std::erase(words, std::string_view());
    return words;
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    for (auto& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return lower;
}

unsigned read_number(std::string_view text) {
    unsigned number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::result_out_of_range)
        throw std::invalid_argument(fmt::format("failed to parse int from {}: value out of range", text));
    if (error != std::errc{} || stop != text.data() + text.size())
        throw std::invalid_argument(fmt::format("failed to parse int from {}: invalid syntax", text));
    return number;
}

unsigned read_value(std::string_view text, const bounds& allowed) {
    const auto name = std::ranges::find(allowed.names, lower_case(text));
    if (name == allowed.names.end()) return read_number(text);
    return allowed.min + static_cast<unsigned>(name - allowed.names.begin());
}

struct range {
    unsigned first, last;
    bool star = false, open = false; // open: one value, which a step makes the start of a range
};

range read_range(std::string_view text, std::string_view whole, const bounds& allowed) {
    if (text == "*" || text == "?") return {.first = allowed.min, .last = allowed.max, .star = true};
    const auto ends = split(text, '-');
    if (ends.size() > 2) throw std::invalid_argument(fmt::format("too many hyphens: {}", whole));
    const auto first = read_value(ends.front(), allowed);
    return {.first = first, .last = read_value(ends.back(), allowed), .open = ends.size() == 1};
}

/// `*`, `a`, `a-b`, each with `/step` or without.
field read_range_and_step(std::string_view text, const bounds& allowed) {
    const auto halves = split(text, '/');
    if (halves.size() > 2) throw std::invalid_argument(fmt::format("too many slashes: {}", text));
    auto [first, last, star, open] = read_range(halves.front(), text, allowed);
    unsigned step = 1;
    if (halves.size() == 2) {
        step = read_number(halves.back());
        if (open) last = allowed.max;
    }

    if (first < allowed.min)
        throw std::invalid_argument(
            fmt::format("beginning of range ({}) below minimum ({}): {}", first, allowed.min, text));
    if (last > allowed.max)
        throw std::invalid_argument(fmt::format("end of range ({}) above maximum ({}): {}", last, allowed.max, text));
    if (first > last)
        throw std::invalid_argument(
            fmt::format("beginning of range ({}) beyond end of range ({}): {}", first, last, text));
    if (step == 0) throw std::invalid_argument(fmt::format("step of range should be a positive number: {}", text));

    field read{.star = star && step == 1};
    for (std::uint64_t value = first; value <= last; value += step) read.bits |= std::uint64_t{1} << value;
    return read;
}

field read_field(std::string_view text, const bounds& allowed) {
    field read;
    for (const auto piece : split(text, ',')) {
        if (piece.empty()) continue; // QStash takes `1,,2`
        const auto [bits, star] = read_range_and_step(piece, allowed);
        read.bits |= bits;
        read.star = read.star || star;
    }
    if (read.bits == 0) throw std::invalid_argument(fmt::format("empty list: {}", text));
    return read;
}

} // namespace

cron_fields parse_cron_fields(std::string_view text) {
    if (text.starts_with('@')) {
        const auto known = std::ranges::find(macros, text, &macro::name);
        if (known == macros.end()) throw std::invalid_argument(fmt::format("unrecognized descriptor: {}", text));
        text = known->meaning;
    }
    const auto words = words_of(text);
    if (words.size() != 5)
        throw std::invalid_argument(
            fmt::format("expected exactly 5 fields, found {}: [{}]", words.size(), fmt::join(words, " ")));
    const auto minutes = read_field(words[0], minute_bounds);
    const auto hours = read_field(words[1], hour_bounds);
    const auto days = read_field(words[2], day_bounds);
    const auto months = read_field(words[3], month_bounds);
    const auto weekdays = read_field(words[4], weekday_bounds);
    return {minutes.bits, hours.bits, days.bits, months.bits, weekdays.bits, !days.star && !weekdays.star};
}

} // namespace tidesync::qstash
