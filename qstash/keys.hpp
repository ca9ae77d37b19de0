#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidesync::qstash {

/// A key that QStash signs deliveries with. The whole text is the key, `sig_` included.
/// Nothing in this folder prints, logs or throws a value; its label stands for it.
struct signing_key {
    std::string label; ///< for logs, such as `current`, `next` or `eu-central-1/next`
    std::string value; ///< empty means "not configured": the key is skipped
};

/// Whether the documentation of QStash prints this key, so that everybody holds it.
/// Source: Upstash documentation, "Local Development"; an older pair from earlier versions of its command line.
[[nodiscard]] bool public_development_key(std::string_view key);

/// Says why a key must not guard a listener that strangers can reach. For settings, once at start; what weighs a
/// single key cannot see that two are equal.
/// @returns the reason and what to do, without the key; nothing when the key may be used
[[nodiscard]] std::optional<std::string> weak_key(std::string_view key);

} // namespace tidesync::qstash
