#include "worker/printable.hpp"

#include <algorithm>

namespace tidesync::worker {

namespace {

unsigned byte(std::string_view text, std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
}

/// @returns the bytes of the UTF-8 character at the start; 0 when there is none
std::size_t character_length(std::string_view text) {
    const auto first = byte(text, 0);
    const auto second = byte(text, 1);
    if (first < 0x80) return 1;
    // The shortest form only, no surrogates, nothing beyond U+10FFFF. Source: RFC 3629 section 4.
    const bool strange = first < 0xc2 || first > 0xf4 || (first == 0xe0 && second < 0xa0) ||
                         (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
                         (first == 0xf4 && second > 0x8f);
    if (strange) return 0;
    const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(text, i) & 0xc0U) != 0x80U) return 0;
    return length;
}

bool steers(std::string_view character) {
    const auto first = byte(character, 0);
    return first < ' ' || first == 0x7f || (first == 0xc2 && byte(character, 1) < 0xa0);
}

} // namespace

std::string printable(std::string_view text, std::size_t bytes_max) {
    std::string shown;
    while (!text.empty()) {
        const auto length = character_length(text);
        const auto character = text.substr(0, std::max<std::size_t>(length, 1));
        const auto kept = length == 0 || steers(character) ? std::string_view{"?"} : character;
        if (shown.size() + kept.size() > bytes_max) break;
        shown += kept;
        text.remove_prefix(character.size());
    }
    return shown;
}

} // namespace tidesync::worker
