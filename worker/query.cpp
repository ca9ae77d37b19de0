#include "worker/query.hpp"

#include "worker/printable.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::worker {

namespace {

constexpr std::size_t quoted_bytes_max = 40;

} // namespace

std::variant<query, bad_query> parse_query(std::string_view target, std::initializer_list<std::string_view> known) {
    query found;
    const auto mark = target.find('?');
    auto rest = mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
    while (!rest.empty()) {
        const auto part = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
        if (part.empty()) continue;
        const auto equals = std::min(part.find('='), part.size());
        const auto name = part.substr(0, equals);
        const auto hint = fmt::format("the parameters here are: {}", fmt::join(known, ", "));
        if (std::ranges::find(known, name) == known.end())
            return bad_query{fmt::format("there is no parameter `{}` here", printable(name, quoted_bytes_max)), hint};
        if (!found.emplace(name, part.substr(std::min(equals + 1, part.size()))).second)
            return bad_query{fmt::format("`{}` is given twice", name), "send it once"};
    }
    return found;
}

std::variant<int, bad_query> number_in(const query& from, std::string_view name, int least, int most, int otherwise) {
    const auto found = from.find(name);
    if (found == from.end()) return otherwise;
    const auto& text = found->second;
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < least || number > most)
        return bad_query{
            fmt::format("`{}` cannot be {}", name, printable(text, quoted_bytes_max)),
            fmt::format("expected a whole number from {} to {}", least, most)};
    return number;
}

} // namespace tidesync::worker
