#include "jobs/stores/postgres/connection.hpp"

#include "jobs/stores/postgres/failure.hpp"

#include <fmt/format.h>

namespace tidesync::postgres {

namespace {

std::string between(char quote, std::string_view text) {
    std::string result(1, quote);
    for (const char c : text) {
        if (c == quote) result += quote;
        result += c;
    }
    return result + quote;
}

} // namespace

pqxx::connection connect(const address& where, std::string_view side) {
    return named(
        side, fmt::format("connecting to {}", where.describe()), [&] { return pqxx::connection{where.conninfo()}; });
}

std::string quote_name(std::string_view name) { return between('"', name); }

std::string quote_literal(std::string_view text) {
    // With backslashes doubled in an E'' string it reads the same whatever standard_conforming_strings says.
    if (text.find('\\') == std::string_view::npos) return between('\'', text);
    std::string escaped;
    for (const char c : text) {
        if (c == '\\') escaped += '\\';
        escaped += c;
    }
    return " E" + between('\'', escaped);
}

} // namespace tidesync::postgres
