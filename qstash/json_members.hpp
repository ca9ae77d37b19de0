#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace tidesync::qstash {

/// A JSON value that is neither text nor a whole number from 0 to 2^64-1. Its content is of no use to a token.
using other_value = std::monostate;

using json_value = std::variant<other_value, std::string, std::uint64_t>;
using json_members = std::map<std::string, json_value, std::less<>>;

/// Reads the members of one JSON object, for a reader that must agree with the writer about every one of them: a name
/// that stands twice is refused at every level, since parsers differ in which of the two counts.
/// Numbers with sign, fraction or exponent are `other_value`, even where they equal a whole number.
/// @returns the members; nothing when the text is no JSON object, is no UTF-8, repeats a name, holds a NUL byte, or
///          nests deeper than four levels
[[nodiscard]] std::optional<json_members> read_members(std::string_view text);

} // namespace tidesync::qstash
