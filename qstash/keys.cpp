#include "qstash/keys.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tidesync::qstash {
namespace {

// One captured delivery is enough to test guesses at leisure, so length is all that protects a key. Those of QStash
// hold 32 bytes; below 16 the guessing comes within reach and the key cannot be one of theirs.
constexpr std::size_t key_bytes_min = 16;

constexpr std::array<std::string_view, 10> public_keys{
    "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs", // defaultUser
    "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM", "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua", // testUser1
    "sig_6jWGaWRxHsw4vMSPJprXadyvrybF", "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx", // testUser2
    "sig_5T8FcSsynBjn9mMLBsXhpacRovJf", "sig_7GFR4YaDshFcqsxWRZpRB161jguD", // testUser3
    "sig_7RvLjqfZBvP5KEUimQCE1pvpLuou", "sig_7W3ZNbfKWk5NWwEs3U4ixuQ7fxwE", // printed by older versions
};

bool visible_ascii(char character) { return character > ' ' && character < '\x7f'; }

} // namespace

bool public_development_key(std::string_view key) { return std::ranges::find(public_keys, key) != public_keys.end(); }

std::optional<std::string> weak_key(std::string_view key) {
    if (key.empty()) return "is empty: anyone could sign with it; copy the key from the QStash console";
    if (!std::ranges::all_of(key, visible_ascii))
        return "holds white space, a line break or a character outside ASCII, which no QStash key does; copy it again";
    if (key.size() < key_bytes_min)
        return "is shorter than " + std::to_string(key_bytes_min) +
               " bytes: it could be guessed from a single captured delivery; copy the whole key, `sig_` included";
    if (public_development_key(key))
        return "is a public development key of QStash, which everybody knows; copy your own from the QStash console";
    return std::nullopt;
}

} // namespace tidesync::qstash
