#include "qstash/local/wire_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace tidesync::qstash::local {
namespace {

char lower(char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
}

int hex_digit(char character) {
    const char digit = lower(character);
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

bool unwanted_control(char character) {
    return (static_cast<unsigned char>(character) < ' ' && character != '\t') || character == '\x7f';
}

bool utf8(std::string_view text) try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
} catch (const nlohmann::json::type_error&) {
    return false;
}

bool name_character(char character) {
    const char letter = lower(character);
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(letter) != std::string_view::npos;
}

} // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            bytes += text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return bytes;
}

std::string lower_case(std::string_view text) {
    std::string lowered(text);
    std::ranges::transform(lowered, lowered.begin(), lower);
    return lowered;
}

bool starts_with_any_case(std::string_view text, std::string_view lower_case_prefix) {
    return text.size() >= lower_case_prefix.size() &&
           std::ranges::equal(text.substr(0, lower_case_prefix.size()), lower_case_prefix, {}, lower);
}

bool clean_text(std::string_view text) { return std::ranges::none_of(text, unwanted_control) && utf8(text); }

bool header_name(std::string_view text) { return !text.empty() && std::ranges::all_of(text, name_character); }

} // namespace tidesync::qstash::local
