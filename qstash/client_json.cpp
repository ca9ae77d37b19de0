#include "qstash/client_json.hpp"

#include "qstash/base64url.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace tidesync::qstash {
namespace {

using nlohmann::json;

constexpr std::size_t levels_max = 32; // real answers have five

/// The parser needs memory for every level, about a hundred bytes for a bracket that costs the server one.
bool too_deep(std::string_view text) {
    std::size_t levels = 0;
    bool in_text = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_text) {
            if (c == '\\') ++i;
            if (c == '"') in_text = false;
            continue;
        }
        if (c == '"') in_text = true;
        if ((c == '[' || c == '{') && ++levels > levels_max) return true;
        if ((c == ']' || c == '}') && levels > 0) --levels;
    }
    return false;
}

/// Numbers come as numbers, as text, and from JavaScript also as 1.7e12.
std::optional<std::int64_t> number_of(const json& value) {
    if (value.is_string()) return whole_number(value.get_ref<const std::string&>());
    if (value.is_number_float()) {
        constexpr double exact_max = 9'007'199'254'740'992; // 2^53
        const auto number = value.get<double>();
        if (!(std::abs(number) <= exact_max)) return std::nullopt;
        return static_cast<std::int64_t>(number);
    }
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return std::nullopt;
    if (value.is_number_integer()) return value.get<std::int64_t>();
    return std::nullopt;
}

std::optional<std::int64_t> number_of(const json& object, const char* name, std::int64_t min, std::int64_t max) {
    const auto number = number_of(member(object, name));
    return number && *number >= min && *number <= max ? number : std::nullopt;
}

/// `X-My-Header` for any spelling of it, as Go writes header names.
std::string canonical(std::string name) {
    bool word_begins = true;
    for (char& c : name) {
        if (word_begins && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        if (!word_begins && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        word_begins = c == '-';
    }
    return name;
}

/// @returns nothing when this is no base64, of either alphabet
std::optional<std::string> from_base64(std::string text) {
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return base64url::decode(text, base64url::padding::optional);
}

} // namespace

json parsed(std::string_view text) {
    if (text.find('\0') != std::string_view::npos || too_deep(text)) return json(json::value_t::discarded);
    return json::parse(text.begin(), text.end(), nullptr, false);
}

const json& member(const json& object, const char* name) {
    static const json none;
    if (!object.is_object()) return none;
    const auto found = object.find(name);
    return found == object.end() ? none : *found;
}

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : std::string{}; }

std::string text_of(const json& object, const char* name) { return text_of(member(object, name)); }

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<int> small_number_of(const json& object, const char* name) {
    const auto number = number_of(object, name, 0, std::numeric_limits<int>::max());
    return number ? std::optional{static_cast<int>(*number)} : std::nullopt;
}

std::optional<std::chrono::seconds> seconds_of(const json& object, const char* name) {
    const auto number = number_of(object, name, 0, time_ms_max);
    return number ? std::optional{std::chrono::seconds{*number}} : std::nullopt;
}

std::optional<milliseconds_since_epoch> time_of(const json& object, const char* name) {
    const auto number = number_of(object, name, 1, time_ms_max);
    return number ? std::optional{milliseconds_since_epoch{std::chrono::milliseconds{*number}}} : std::nullopt;
}

bool flag_of(const json& object, const char* name) {
    const auto& value = member(object, name);
    return (value.is_boolean() && value.get<bool>()) || text_of(value) == "true";
}

std::vector<std::string> texts_of(const json& value) {
    std::vector<std::string> texts;
    if (value.is_string()) texts.push_back(value.get<std::string>());
    if (!value.is_array()) return texts;
    for (const auto& item : value)
        if (item.is_string()) texts.push_back(item.get<std::string>());
    return texts;
}

std::map<std::string, std::vector<std::string>> headers_of(const json& value) {
    std::map<std::string, std::vector<std::string>> headers;
    if (!value.is_object()) return headers;
    for (const auto& [name, content] : value.items()) {
        auto& values = headers[canonical(name)];
        for (auto& text : texts_of(content)) values.push_back(std::move(text));
    }
    return headers;
}

std::optional<std::string> body_of(const json& object, const char* plain, const char* encoded) {
    const auto& base64 = member(object, encoded);
    return base64.is_string() ? from_base64(base64.get<std::string>()) : text_of(object, plain);
}

} // namespace tidesync::qstash
