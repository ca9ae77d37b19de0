#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tidesync::qstash {

/// A key that QStash signs deliveries with. The whole text is the key, `sig_` included.
/// Nothing in this folder prints, logs or throws a value; its label stands for it.
struct signing_key {
    std::string label; ///< for logs, such as `current`, `next` or `eu-central-1/next`
    std::string value; ///< empty means "not configured": the key is skipped
};

/// A user of QStash's own development server. Everybody knows token and keys.
struct development_user {
    std::string_view name, token, current_key, next_key;
};

/// All of them; clients of QStash look for the first when they are told to develop.
/// Source: Upstash documentation, "Local Development".
[[nodiscard]] std::span<const development_user> development_users();

/// Whether the documentation of QStash prints this key, so that everybody holds it: those of the users above, and an
/// older pair from earlier versions of its command line.
[[nodiscard]] bool public_development_key(std::string_view key);

/// Who makes the keys, and so where a better one comes from.
enum class key_maker { console, owner };

/// Says why a key must not guard a listener that strangers can reach. For settings, once at start; what weighs a
/// single key cannot see that two are equal.
/// @returns the reason and what to do, without the key; nothing when the key may be used
[[nodiscard]] std::optional<std::string> weak_key(std::string_view key, key_maker = key_maker::console);

/// What to put in a setting of an owner's own keys.
inline constexpr std::string_view own_key_hint = "a key of your own: sig_ and `openssl rand -hex 16`";

/// Whether a text holds visible ASCII characters alone, as every key, token and id of QStash does. True for none at
/// all.
[[nodiscard]] bool is_visible(std::string_view text);

} // namespace tidesync::qstash
