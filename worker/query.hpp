#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <variant>

namespace tidesync::worker {

/// The parameters of a request target, as they arrived: what the routes take needs no decoding.
using query = std::map<std::string, std::string, std::less<>>;

/// Why a query cannot be used, and what was expected.
struct bad_query {
    std::string message;
    std::string hint;
};

/// @param known  the parameters that the route has; another one, or one twice, is refused
[[nodiscard]] std::variant<query, bad_query>
parse_query(std::string_view target, std::initializer_list<std::string_view> known);

/// @returns the number; `otherwise` where there is no such parameter
[[nodiscard]] std::variant<int, bad_query>
number_in(const query&, std::string_view name, int least, int most, int otherwise);

} // namespace tidesync::worker
