#include "qstash/local/duration.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

namespace tidesync::qstash::local {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

constexpr seconds duration_max = 10 * 365 * days{1};
constexpr std::size_t quoted_bytes_max = 64;

/// The message goes into JSON and logs, and the text is whatever somebody sent.
std::string in_quotes(std::string_view text) {
    std::string quote = "\"";
    for (const char c : text.substr(0, quoted_bytes_max)) {
        if (c == '"' || c == '\\') quote += '\\';
        if (c >= ' ' && c <= '~')
            quote += c;
        else
            quote += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return quote + (text.size() > quoted_bytes_max ? "...\"" : "\"");
}

std::optional<seconds> find_unit(std::string_view name) {
    if (name == "d") return days{1};
    if (name == "h") return 1h;
    if (name == "m") return 1min;
    if (name == "s") return 1s;
    return std::nullopt;
}

} // namespace

seconds parse_duration(std::string_view text) {
    if (text == "0") return 0s;
    if (text.empty()) throw std::invalid_argument("time: invalid duration \"\"");
    seconds sum{0};
    for (auto rest = text; !rest.empty();) {
        std::uint64_t count = 0;
        const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
        if (error == std::errc::invalid_argument)
            throw std::invalid_argument("time: invalid duration " + in_quotes(text));
        rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));

        const auto name = rest.substr(0, rest.find_first_of("0123456789."));
        if (name.empty()) {
            const auto* what = rest.empty() ? "time: missing unit in duration " : "time: invalid duration ";
            throw std::invalid_argument(what + in_quotes(text));
        }
        const auto unit = find_unit(name);
        if (!unit)
            throw std::invalid_argument("time: unknown unit " + in_quotes(name) + " in duration " + in_quotes(text));
        rest.remove_prefix(name.size());

        const auto room = static_cast<std::uint64_t>((duration_max - sum) / *unit);
        if (error == std::errc::result_out_of_range || count > room)
            throw std::invalid_argument("time: duration " + in_quotes(text) + " is more than 10 years");
        sum += static_cast<seconds::rep>(count) * *unit;
    }
    return sum;
}

} // namespace tidesync::qstash::local
