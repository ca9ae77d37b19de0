#pragma once

#include <optional>
#include <string>
#include <string_view>

/// Text as HTTP carries it: in escapes, in any case, and with bytes in it that nobody should pass on.
namespace tidesync::qstash::local {

/// Reads `%41` as `A`. A plus sign stays one.
/// @returns the bytes, which may be any; nothing for a percent sign without two hexadecimal digits behind it
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);

/// Only A to Z change, whatever the locale.
[[nodiscard]] std::string lower_case(std::string_view text);

[[nodiscard]] bool starts_with_any_case(std::string_view text, std::string_view lower_case_prefix);

/// Whether it can be stored as text, shown, and sent as a header without becoming two of them.
/// @returns false for a control character other than a tab, and for what is not UTF-8
[[nodiscard]] bool clean_text(std::string_view text);

/// Whether it can be the name of a header. Source: RFC 9110 section 5.6.2.
[[nodiscard]] bool header_name(std::string_view text);

} // namespace tidesync::qstash::local
