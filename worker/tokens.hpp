#pragma once

#include "worker/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

/// Bearer tokens as texts: `tsy_<id>_<secret>`, an id of ten letters to look it up by and 256 random bits in base64url.
namespace tidesync::worker {

/// What a token may do. Each includes those before it; a token has one.
enum class scope {
    read,    ///< look at runs, jobs and schedules
    trigger, ///< and start, cancel and retry runs
    admin,   ///< and pause jobs, change schedules, read the audit
};

/// As documents and the command line write it, equal to the enumerator.
[[nodiscard]] std::string_view to_string(scope) noexcept;
[[nodiscard]] std::optional<scope> scope_of(std::string_view);

/// A token as it is made, and for once whole.
struct new_token {
    std::string id;
    secret text;
    std::string sha256; ///< of the text; all that is kept
};

/// @throws std::runtime_error when the system has no random bytes
[[nodiscard]] new_token make_token();

/// @returns the id in a text that has the form of a token; nothing for another text
[[nodiscard]] std::optional<std::string_view> token_id_of(std::string_view text);

/// What a token may be called: a letter or digit, then up to 62 of those and `. _ @ -`.
[[nodiscard]] bool is_token_name(std::string_view);
inline constexpr std::string_view token_name_form = "1 to 63 letters, digits or . _ @ -, the first a letter or digit";

} // namespace tidesync::worker
