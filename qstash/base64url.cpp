#include "qstash/base64url.hpp"

#include <array>
#include <cstdint>

namespace tidesync::qstash::base64url {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t not_in_alphabet = 0xff;

constexpr std::array<std::uint8_t, 256> values = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(not_in_alphabet);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return table;
}();

/// Drops what fills the last group of four; any `=` that is left is refused later, as a character of no alphabet.
std::optional<std::string_view> without_padding(std::string_view text) {
    if (!text.ends_with('=')) return text;
    if (text.size() % 4 != 0) return std::nullopt;
    text.remove_suffix(1);
    if (text.ends_with('=')) text.remove_suffix(1);
    return text;
}

} // namespace

std::string encode(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() * 4 + 2) / 3);
    std::uint32_t pending = 0; // only its lowest `bits` bits still wait to be written
    unsigned bits = 0;
    for (const char byte : bytes) {
        pending = (pending << 8) | static_cast<unsigned char>(byte);
        for (bits += 8; bits >= 6;) text.push_back(alphabet[(pending >> (bits -= 6)) & 0x3f]);
    }
    if (bits > 0) text.push_back(alphabet[(pending << (6 - bits)) & 0x3f]);
    return text;
}

std::optional<std::string> decode(std::string_view text, padding rule) {
    if (rule == padding::optional) {
        const auto bare = without_padding(text);
        if (!bare) return std::nullopt;
        text = *bare;
    }
    if (text.size() % 4 == 1) return std::nullopt; // six bits alone make no byte

    std::string bytes;
    bytes.reserve(text.size() * 3 / 4);
    std::uint32_t pending = 0;
    unsigned bits = 0;
    for (const char character : text) {
        const auto value = values[static_cast<unsigned char>(character)];
        if (value == not_in_alphabet) return std::nullopt;
        pending = (pending << 6) | value;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes.push_back(static_cast<char>(static_cast<unsigned char>(pending >> bits)));
    }
    const auto left_over = pending & ((1U << bits) - 1);
    if (left_over != 0) return std::nullopt;
    return bytes;
}

} // namespace tidesync::qstash::base64url
