#include "qstash/keys.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tidesync::qstash {
namespace {

// One captured delivery is enough to test guesses at leisure, so length is all that protects a key. Those of QStash
// hold 32 bytes; below 16 the guessing comes within reach and the key cannot be one of theirs.
constexpr std::size_t key_bytes_min = 16;

constexpr std::array users{
    development_user{
        "defaultUser", "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=",
        "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs"},
    development_user{
        "testUser1", "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM", "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua"},
    development_user{
        "testUser2", "eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        "sig_6jWGaWRxHsw4vMSPJprXadyvrybF", "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx"},
    development_user{
        "testUser3", "eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        "sig_5T8FcSsynBjn9mMLBsXhpacRovJf", "sig_7GFR4YaDshFcqsxWRZpRB161jguD"},
};

constexpr std::array<std::string_view, 2> older_keys{
    "sig_7RvLjqfZBvP5KEUimQCE1pvpLuou", "sig_7W3ZNbfKWk5NWwEs3U4ixuQ7fxwE"};

/// The reason alone, and what to do where the console has the key.
struct weakness {
    std::string reason;
    std::string_view at_console;
};

std::optional<weakness> weigh(std::string_view key) {
    if (key.empty()) return weakness{"is empty: anyone could sign with it", "copy the key from the QStash console"};
    if (!is_visible(key))
        return weakness{
            "holds white space, a line break or a character outside ASCII, which no QStash key does", "copy it again"};
    if (key.size() < key_bytes_min)
        return weakness{
            "is shorter than " + std::to_string(key_bytes_min) +
                " bytes: it could be guessed from a single captured delivery",
            "copy the whole key, `sig_` included"};
    if (public_development_key(key))
        return weakness{
            "is a public development key of QStash, which everybody knows", "copy your own from the QStash console"};
    return std::nullopt;
}

} // namespace

std::span<const development_user> development_users() { return users; }

bool public_development_key(std::string_view key) {
    return std::ranges::find(older_keys, key) != older_keys.end() ||
           std::ranges::any_of(users, [&](const auto& u) { return u.current_key == key || u.next_key == key; });
}

std::optional<std::string> weak_key(std::string_view key, key_maker maker) {
    const auto found = weigh(key);
    if (!found) return std::nullopt;
    if (maker == key_maker::console) return found->reason + "; " + std::string{found->at_console};
    return found->reason + "; expected " + std::string{own_key_hint};
}

bool is_visible(std::string_view text) {
    return std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c < 127; });
}

} // namespace tidesync::qstash
