#pragma once

#include <optional>
#include <string>
#include <string_view>

/// The base64 alphabet that is safe in URLs. Source: RFC 4648 section 5; RFC 7515 section 2 for tokens without padding.
namespace tidesync::qstash::base64url {

/// Whether decoding accepts the `=` that fill the last group of four. The parts of a token never carry them; the
/// `body` claim does when QStash made it, and does not in the official test tokens.
enum class padding { refused, optional };

/// @returns the text for these bytes, without padding
[[nodiscard]] std::string encode(std::string_view bytes);

/// One text for each value: where a lenient decoder would read two different texts as the same bytes, this one refuses
/// the text that `encode` would not have written.
/// @returns the bytes; nothing when the text holds another character, a length that no bytes have, bits left over that
///          are not zero, or padding that is refused or of the wrong length
[[nodiscard]] std::optional<std::string> decode(std::string_view text, padding rule = padding::refused);

} // namespace tidesync::qstash::base64url
