#include "qstash/client_request.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <stdexcept>

namespace tidesync::qstash {
namespace {

using std::chrono::seconds;

constexpr std::size_t id_characters_max = 256;
constexpr int port_max = 65'535;

bool control(char character) { return static_cast<unsigned char>(character) < ' ' || character == '\x7f'; }
bool visible_ascii(char character) { return character > ' ' && character < '\x7f'; }

bool digit(char character) { return character >= '0' && character <= '9'; }

bool letter_or_digit(char character) {
    return digit(character) || (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z');
}

char lower(char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
}

bool same_name(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

/// Source: RFC 9110 section 5.6.2.
bool header_name(std::string_view name) {
    const auto allowed = [](char c) {
        return letter_or_digit(c) || std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
    };
    return !name.empty() && std::ranges::all_of(name, allowed);
}

/// @returns how long `http://` or `https://` is at the beginning of the URL; 0 when there is neither
std::size_t scheme_length(std::string_view url) {
    for (const std::string_view scheme : {"http://", "https://"})
        if (same_name(url.substr(0, scheme.size()), scheme)) return scheme.size();
    return 0;
}

std::string_view without_end(std::string_view text, std::string_view end) {
    while (text.ends_with('/')) text.remove_suffix(1);
    if (text.ends_with(end)) text.remove_suffix(end.size());
    while (text.ends_with('/')) text.remove_suffix(1);
    return text;
}

/// `host`, `host:1234` or `[::1]:1234`. A user and password in front are no part of an origin.
bool host_and_port(std::string_view text) {
    if (!std::ranges::all_of(text, visible_ascii) || text.find_first_of("/?#@\\") != std::string_view::npos)
        return false;
    const auto colon = text.rfind(':');
    const bool has_port = colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos;
    if (!has_port) return !text.empty();
    const auto port = text.substr(colon + 1);
    int number = 0;
    const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), number);
    const bool whole = failed == std::errc{} && end == port.data() + port.size() && digit(port.front());
    return colon > 0 && whole && number > 0 && number <= port_max;
}

void add(http_fields& fields, std::string name, std::string value) {
    if (std::ranges::any_of(value, control))
        throw std::invalid_argument{fmt::format("the value for {} holds a control character", name)};
    fields.emplace_back(std::move(name), std::move(value));
}

void add_if_given(http_fields& fields, std::string name, const std::string& value) {
    if (!value.empty()) add(fields, std::move(name), value);
}

void add_if_given(http_fields& fields, std::string name, std::optional<seconds> value) {
    if (!value) return;
    if (*value < seconds{0}) throw std::invalid_argument{fmt::format("the value for {} is below zero", name)};
    add(fields, std::move(name), duration_text(*value));
}

void add_if_given(http_fields& fields, std::string name, std::optional<int> value) {
    if (!value) return;
    if (*value < 0) throw std::invalid_argument{fmt::format("the value for {} is below zero", name)};
    add(fields, std::move(name), std::to_string(*value));
}

std::string joined(const std::vector<std::string>& labels) {
    std::string text;
    for (const auto& label : labels) {
        if (label.empty() || label.find(',') != std::string::npos)
            throw std::invalid_argument{"a label is empty or holds a comma, which would make it two"};
        text += (text.empty() ? "" : ",") + label;
    }
    return text;
}

void add_message(http_fields& fields, const message_request& message) {
    add_if_given(fields, "Upstash-Method", message.method);
    add_if_given(fields, "Upstash-Delay", message.delay);
    add_if_given(fields, "Upstash-Timeout", message.timeout);
    add_if_given(fields, "Upstash-Retries", message.retries);
    add_if_given(fields, "Upstash-Retry-Delay", message.retry_delay);
    add_if_given(fields, "Upstash-Callback", message.callback);
    add_if_given(fields, "Upstash-Failure-Callback", message.failure_callback);
    add_if_given(fields, "Upstash-Failure-Callback-Retries", message.failure_callback_retries);
    for (const auto& [name, value] : message.forward) {
        if (!header_name(name)) throw std::invalid_argument{"a header to forward has a name that is none"};
        add(fields, "Upstash-Forward-" + name, value);
    }
    add_if_given(fields, "Upstash-Label", joined(message.labels));
}

} // namespace

std::string origin_of(std::string_view url) {
    const auto scheme = scheme_length(url);
    const auto rest = without_end(without_end(url.substr(scheme), "/v2/publish"), "/v2");
    if (scheme == 0 || !host_and_port(rest))
        throw std::invalid_argument{"the URL of QStash is no origin such as https://qstash.upstash.io"};
    return std::string{url.substr(0, scheme)}.append(rest);
}

http_fields headers_of(const message_request& message) {
    http_fields fields;
    add_if_given(fields, "Content-Type", message.content_type);
    add_message(fields, message);
    return fields;
}

http_fields headers_of(const schedule_request& request) {
    if (request.cron.empty()) throw std::invalid_argument{"the cron expression is empty"};
    http_fields fields;
    add_if_given(fields, "Content-Type", request.message.content_type);
    add(fields, "Upstash-Cron", request.cron);
    add(fields, "Upstash-Schedule-Id", checked_schedule_id(request.schedule_id));
    add_message(fields, request.message);
    return fields;
}

http_fields::value_type deduplication_header(const std::string& deduplication_id) {
    const auto allowed = [](char c) { return visible_ascii(c) && c != ':'; };
    if (deduplication_id.empty() || deduplication_id.size() > id_characters_max ||
        !std::ranges::all_of(deduplication_id, allowed))
        throw std::invalid_argument{"a deduplication id is 1 to 256 visible ASCII characters without a colon"};
    return {"Upstash-Deduplication-Id", deduplication_id};
}

std::string checked_destination(const std::string& destination) {
    const auto scheme = scheme_length(destination);
    if (scheme == 0) throw std::invalid_argument{"the destination does not begin with http:// or https://"};
    if (destination.size() == scheme || std::string_view{"/?#:"}.find(destination[scheme]) != std::string_view::npos)
        throw std::invalid_argument{"the destination has no host"};
    if (!std::ranges::all_of(destination, visible_ascii))
        throw std::invalid_argument{
            "the destination holds a space, a control character or a letter beyond ASCII: percent-encode them"};
    if (destination.find('#') != std::string::npos)
        throw std::invalid_argument{"the destination has a fragment, which no server would ever see"};
    return destination;
}

std::string checked_schedule_id(const std::string& schedule_id) {
    const auto allowed = [](char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; };
    const bool is_id =
        !schedule_id.empty() && schedule_id.size() <= id_characters_max && std::ranges::all_of(schedule_id, allowed);
    // The two dots are good characters, but as a whole segment of a path they mean another path.
    if (!is_id || schedule_id == "." || schedule_id == "..")
        throw std::invalid_argument{"a schedule id is 1 to 256 characters of A-Z a-z 0-9 . _ -"};
    return schedule_id;
}

std::string encoded_id(std::string_view id) {
    // An empty one would ask for the whole collection, and a delete would go there.
    if (id.empty() || id.size() > id_characters_max || id == "." || id == "..")
        throw std::invalid_argument{"an id has 1 to 256 characters"};
    std::string text;
    for (const char c : id) {
        if (letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~')
            text += c;
        else
            text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return text;
}

void check_token(std::string_view token) {
    if (token.empty()) throw std::invalid_argument{"the token of QStash is empty"};
    if (!std::ranges::all_of(token, visible_ascii))
        throw std::invalid_argument{"the token of QStash holds a space, a line break or another character that no "
                                    "token has"};
}

message_request message_of(const schedule& from) {
    message_request message;
    message.destination = from.destination;
    message.method = from.method.empty() ? "POST" : from.method;
    message.content_type.clear();
    for (const auto& [name, values] : from.headers) {
        if (same_name(name, "content-type") && !values.empty())
            message.content_type = values.front();
        else
            for (const auto& value : values) message.forward.emplace_back(name, value);
    }
    message.body = from.body;
    message.retries = from.retries;
    message.timeout = from.timeout;
    message.delay = from.delay;
    message.retry_delay = from.retry_delay;
    message.callback = from.callback;
    message.failure_callback = from.failure_callback;
    message.failure_callback_retries = from.failure_callback_retries;
    message.labels = from.labels;
    return message;
}

std::string duration_text(seconds duration) {
    struct unit {
        seconds length;
        char letter;
    };
    constexpr unit units[]{{seconds{86'400}, 'd'}, {seconds{3'600}, 'h'}, {seconds{60}, 'm'}, {seconds{1}, 's'}};
    std::string text;
    for (const auto& [length, letter] : units) {
        if (duration >= length) text += fmt::format("{}{}", duration / length, letter);
        if (duration > seconds{0}) duration %= length;
    }
    return text.empty() ? "0s" : text;
}

} // namespace tidesync::qstash
