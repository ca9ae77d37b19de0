#include "worker/failure_callback.hpp"

#include "qstash/base64url.hpp"
#include "qstash/keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

using json = nlohmann::json;

constexpr std::size_t id_bytes_max = 256;
constexpr std::size_t url_bytes_max = 2048;
constexpr std::size_t method_bytes_max = 16;
constexpr std::size_t response_bytes_max = 500;

constexpr std::array<std::string_view, 9> members{"body",       "dlqId",           "maxRetries", "method", "retried",
                                                  "scheduleId", "sourceMessageId", "status",     "url"};

/// Keeps the members above where they are plain values. The rest may be large or deep, and would only cost memory.
bool is_wanted(int depth, json::parse_event_t event, json& parsed) {
    using enum json::parse_event_t;
    if (event == key)
        return depth == 1 && std::ranges::find(members, parsed.get_ref<const std::string&>()) != members.end();
    return depth == 0 || (event != object_start && event != array_start);
}

/// @returns the bytes that a UTF-8 character at the start of `text` takes; 0 when there is none
std::size_t character_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const auto first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                               : (first & 0xf0U) == 0xe0        ? 3
                               : first >= 0xf0 && first <= 0xf4 ? 4
                                                                : 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0U) != 0x80) return 0;
    // The shortest form only, no surrogates, nothing beyond U+10FFFF. Source: RFC 3629 section 4.
    const auto second = byte(1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
        return 0;
    return length;
}

/// C0, DEL and C1, in UTF-8.
bool is_control(std::string_view character) {
    const auto first = static_cast<unsigned char>(character.front());
    return first < ' ' || first == 0x7f || (first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0);
}

/// What of the first bytes of a text can be shown anywhere.
std::string presentable(std::string_view text, std::size_t bytes_max) {
    text = text.substr(0, bytes_max);
    std::string shown;
    while (!text.empty()) {
        const auto length = character_length(text);
        if (length > 0 && !is_control(text.substr(0, length))) shown += text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return shown;
}

std::string text_of(const json& object, const char* name, std::size_t bytes_max) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_string()) return {};
    return presentable(found->get_ref<const std::string&>(), bytes_max);
}

/// A whole number, or its digits as text.
std::optional<int> number_of(const json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end()) return std::nullopt;
    if (found->is_string()) {
        const auto& text = found->get_ref<const std::string&>();
        int number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        return error == std::errc{} && end == text.data() + text.size() ? std::optional{number} : std::nullopt;
    }
    if (!found->is_number_integer()) return std::nullopt;
    if (found->is_number_unsigned() && found->get<std::uint64_t>() > std::numeric_limits<int>::max())
        return std::nullopt;
    const auto number = found->get<std::int64_t>();
    return number < std::numeric_limits<int>::min() ? std::nullopt : std::optional{static_cast<int>(number)};
}

/// The start of what base64 text stands for, of either alphabet, padded or not. Empty when it is something else.
std::string decoded_start(std::string_view base64, std::size_t bytes_max) {
    std::string text{base64.substr(0, (bytes_max + 2) / 3 * 4)};
    text.resize(text.find_last_not_of('=') + 1);
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return qstash::base64url::decode(text).value_or("");
}

} // namespace

std::optional<delivery_alarm> read_failure_callback(std::string_view body) {
    const auto object = json::parse(body, is_wanted, false);
    if (!object.is_object()) return std::nullopt;
    const auto id = object.find("sourceMessageId");
    if (id == object.end() || !id->is_string()) return std::nullopt;
    delivery_alarm alarm;
    alarm.source_message_id = id->get<std::string>();
    if (alarm.source_message_id.empty() || alarm.source_message_id.size() > id_bytes_max ||
        !qstash::is_visible(alarm.source_message_id))
        return std::nullopt;
    alarm.schedule_id = text_of(object, "scheduleId", id_bytes_max);
    alarm.url = text_of(object, "url", url_bytes_max);
    alarm.method = text_of(object, "method", method_bytes_max);
    alarm.status = number_of(object, "status");
    alarm.retried = number_of(object, "retried");
    alarm.max_retries = number_of(object, "maxRetries");
    alarm.dlq_id = text_of(object, "dlqId", id_bytes_max);
    if (const auto response = object.find("body"); response != object.end() && response->is_string())
        alarm.response =
            presentable(decoded_start(response->get_ref<const std::string&>(), response_bytes_max), response_bytes_max);
    return alarm;
}

} // namespace tidesync::worker
