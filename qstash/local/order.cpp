#include "qstash/local/order.hpp"

#include "qstash/digest.hpp"
#include "qstash/local/destination.hpp"
#include "qstash/local/duration.hpp"
#include "qstash/local/refused.hpp"
#include "qstash/local/retry.hpp"
#include "qstash/local/wire_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

namespace tidesync::qstash::local {
namespace {

constexpr int retries_max = 100;
constexpr std::chrono::seconds delay_max = std::chrono::hours{365 * 24};
constexpr std::int64_t unix_seconds_max = 253'402'300'799; // the end of the year 9999
constexpr std::size_t forwarded_max = 64;
constexpr std::size_t forwarded_name_bytes_max = 256;
constexpr std::size_t forwarded_value_bytes_max = 8192;
constexpr std::size_t labels_max = 16;
constexpr std::size_t label_bytes_max = 128;
constexpr std::size_t id_bytes_max = 256;

[[noreturn]] void refuse(std::string_view name, std::string_view why) {
    throw refused{400, canonical_header_name(name) + ": " + std::string(why)};
}

/// Runs a reader that says by std::invalid_argument what is wrong with a value, and says whose value it was.
template <typename Reader>
auto named(std::string_view name, Reader read) {
    try {
        return read();
    } catch (const std::invalid_argument& e) {
        refuse(name, e.what());
    }
}

// --- One value

std::string_view without_blanks(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    text.remove_suffix(text.size() - (text.find_last_not_of(" \t") + 1)); // npos + 1 is 0
    return text;
}

/// @returns the elements of `a, b,,c`, empty ones left out
std::vector<std::string_view> list(std::string_view text) {
    std::vector<std::string_view> elements;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        if (const auto element = without_blanks(text.substr(0, comma)); !element.empty()) elements.push_back(element);
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return elements;
}

/// @returns the setting; empty when there is none
std::string_view text(const call& from, std::string_view name) {
    const auto found = from.settings.find(name);
    return found == from.settings.end() ? std::string_view{} : without_blanks(found->second);
}

bool flag(const call& from, std::string_view name) {
    const auto value = lower_case(text(from, name));
    if (value == "true" || value == "1") return true;
    if (value.empty() || value == "false" || value == "0") return false;
    refuse(name, "expected true or false");
}

/// @returns nothing where there is none; a number too large for it counts as the largest
std::optional<std::int64_t> number(const call& from, std::string_view name) {
    const auto value = text(from, name);
    if (value.empty()) return std::nullopt;
    const bool digits = std::ranges::all_of(value, [](char character) { return character >= '0' && character <= '9'; });
    if (!digits) refuse(name, "expected a whole number, 0 or more");
    std::int64_t read = 0;
    const auto error = std::from_chars(value.data(), value.data() + value.size(), read).ec;
    return error == std::errc{} ? read : INT64_MAX;
}

std::optional<int> retries(const call& from, std::string_view name) {
    const auto read = number(from, name);
    if (!read) return std::nullopt;
    if (*read > retries_max) throw refused{400, "quota maxRetries exceeded"};
    return static_cast<int>(*read);
}

std::optional<std::chrono::seconds> duration(const call& from, std::string_view name) {
    const auto value = text(from, name);
    if (value.empty()) return std::nullopt;
    return named(name, [&] { return parse_duration(value); });
}

std::optional<std::chrono::seconds> timeout(const call& from, std::string_view name) {
    const auto read = duration(from, name);
    if (read && *read <= std::chrono::seconds{0})
        refuse(name, "expected more than 0s; without it the limit of the server holds");
    return read;
}

std::string method(const call& from, std::string_view name) {
    constexpr std::array<std::string_view, 5> known{"GET", "POST", "PUT", "PATCH", "DELETE"};
    const auto value = text(from, name);
    if (value.empty()) return "POST";
    const auto same = [&](std::string_view m) { return lower_case(m) == lower_case(value); };
    const auto found = std::ranges::find_if(known, same);
    if (found == known.end()) refuse(name, "expected GET, POST, PUT, PATCH or DELETE");
    return std::string(*found);
}

std::string retry_delay(const call& from, std::string_view name) {
    const auto value = text(from, name);
    if (!value.empty()) named(name, [&] { return retry_delay_expression::parse(value); });
    return std::string(value);
}

std::vector<std::string> labels(const call& from) {
    constexpr std::string_view name = "upstash-label";
    const auto given = list(text(from, name));
    if (given.size() > labels_max) refuse(name, "more than 16 labels");
    for (const auto label : given)
        if (label.size() > label_bytes_max) refuse(name, "a label is longer than 128 bytes");
    return {given.begin(), given.end()};
}

std::string schedule_id(const call& from) {
    constexpr std::string_view name = "upstash-schedule-id";
    const auto value = text(from, name);
    const auto allowed = [](char character) {
        return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
               (character >= '0' && character <= '9') || character == '.' || character == '_' || character == '-';
    };
    if (!std::ranges::all_of(value, allowed)) refuse(name, "expected letters, digits, '.', '_' and '-' only");
    if (value.size() > id_bytes_max) refuse(name, "longer than 256 bytes");
    return std::string(value);
}

std::optional<time_point> not_before(const call& from) {
    const auto read = number(from, "upstash-not-before");
    if (!read) return std::nullopt;
    if (*read > unix_seconds_max) throw refused{400, "quota maxDelay exceeded"};
    return std::chrono::sys_seconds{std::chrono::seconds{*read}};
}

// --- Forwarded headers

/// Delivery makes these itself, or they are about one connection alone.
bool set_by_delivery(std::string_view name) {
    constexpr std::array<std::string_view, 11> names{
        "host",    "content-length", "transfer-encoding", "connection",    "keep-alive", "te", "trailer",
        "upgrade", "expect",         "user-agent",        "http2-settings"};
    return name.starts_with("upstash-") || name.starts_with("tidesync-") || name.starts_with("proxy-") ||
           std::ranges::find(names, name) != names.end();
}

/// Appends one header.
/// @param setting  under which it came, for messages
void forward(std::string_view name, std::string_view value, std::string_view setting, header_fields& into) {
    if (name.size() > forwarded_name_bytes_max)
        throw refused{400, "a forwarded header's name is longer than 256 bytes"};
    if (!header_name(name)) throw refused{400, "a forwarded header has a name that no header can have"};
    if (set_by_delivery(name)) refuse(setting, "delivery sets this header itself");
    if (value.size() > forwarded_value_bytes_max) refuse(setting, "longer than 8192 bytes");
    if (!clean_text(value)) refuse(setting, "control character or bytes that are not UTF-8");
    if (into.size() == forwarded_max) refuse(setting, "more than 64 headers to forward");
    into.emplace_back(canonical_header_name(name), value);
}

/// Reads `<prefix>X-A: 1` as `X-A: 1`. Headers may repeat, so they are read from the request; parameters stand in the
/// call, where a header has gone before a parameter of its name.
header_fields forwarded(const call& from, const request& arrived, std::string_view prefix) {
    header_fields read;
    std::set<std::string_view> sent;
    for (const auto& [name, value] : arrived.headers) {
        if (!name.starts_with(prefix)) continue;
        forward(std::string_view(name).substr(prefix.size()), value, name, read);
        sent.insert(name);
    }
    for (auto field = from.settings.lower_bound(prefix);
         field != from.settings.end() && field->first.starts_with(prefix); ++field)
        if (!sent.contains(field->first))
            forward(std::string_view(field->first).substr(prefix.size()), field->second, field->first, read);
    return read;
}

/// `Connection` names headers that are about this connection alone. Source: RFC 9110 section 7.6.1.
std::set<std::string> connection_headers(const request& arrived) {
    std::set<std::string> names;
    for (const auto& [name, value] : arrived.headers)
        if (name == "connection")
            for (const auto of_connection : list(value)) names.insert(lower_case(of_connection));
    return names;
}

header_fields destination_headers(const call& from, const request& arrived) {
    auto headers = forwarded(from, arrived, "upstash-forward-");
    std::set<std::string> explicitly;
    for (const auto& header : headers) explicitly.insert(lower_case(header.first));

    const bool everything = flag(from, "upstash-header-forward");
    const auto of_connection = connection_headers(arrived);
    const auto ours = [&](const auto& field) { // the caller's business with us, not with the destination
        return field.first == "authorization" && !from.token.empty() && bearer_token(field.second) == from.token;
    };
    bool content_type = false;
    for (const auto& field : arrived.headers) {
        const auto& name = field.first;
        if (explicitly.contains(name) || (name != "content-type" && !everything)) continue;
        if (name == "content-type" && std::exchange(content_type, true)) continue; // a body has one type
        // The destination's answer is not for whoever said which encodings he can read.
        if (set_by_delivery(name) || of_connection.contains(name) || name == "accept-encoding" || ours(field)) continue;
        forward(name, field.second, name, headers);
    }
    return headers;
}

// --- The whole

/// Whether QStash knows this setting and we do not. To skip it would deliver too early, too often, or too much.
bool missing_here(std::string_view name) {
    name.remove_prefix(std::string_view("upstash-").size());
    bool of_callback = false;
    for (const std::string_view prefix : {"failure-callback-", "callback-"}) {
        if (!name.starts_with(prefix)) continue;
        name.remove_prefix(prefix.size());
        of_callback = true;
        break;
    }
    return name == "queue-name" || name.starts_with("flow-control-") || name == "redact-fields" ||
           (of_callback && name == "delay");
}

void check_supported(const call& from) {
    for (const auto& [name, value] : from.settings)
        if (missing_here(name) && !text(from, name).empty())
            throw refused{501, canonical_header_name(name) + " is not supported by this server"};
}

callback_options read_callback(const call& from, const request& arrived, const std::string& prefix) {
    const auto url = text(from, prefix);
    if (url.empty()) return {};
    return {
        .url = named(prefix, [&] { return parse_destination(url); }).url,
        .method = method(from, prefix + "-method"),
        .headers = forwarded(from, arrived, prefix + "-forward-"),
        .retries = retries(from, prefix + "-retries"),
        .retry_delay = retry_delay(from, prefix + "-retry-delay"),
        .timeout = timeout(from, prefix + "-timeout")};
}

delivery_options read_options(const call& from, const request& arrived) try {
    delivery_options options;
    options.destination = parse_destination(from.destination).url;
    options.method = method(from, "upstash-method");
    options.headers = destination_headers(from, arrived);
    options.retries = retries(from, "upstash-retries").value_or(options.retries);
    options.retry_delay = retry_delay(from, "upstash-retry-delay");
    options.timeout = timeout(from, "upstash-timeout");
    options.callback = read_callback(from, arrived, "upstash-callback");
    options.failure_callback = read_callback(from, arrived, "upstash-failure-callback");
    options.labels = labels(from);
    return options;
} catch (const std::invalid_argument& e) { // of the destination, which no header names
    throw refused{400, e.what()};
}

/// Equal for equal messages only: every part stands behind its length, so that none can run into the next.
std::string content_id(const message_order& order) {
    std::string parts;
    const auto add = [&](std::string_view part) { parts.append(std::to_string(part.size())).append(":").append(part); };
    add(order.options.destination);
    add(order.body);
    // `Content-Type` among them; by name, since proxies change their order.
    std::multimap<std::string_view, std::string_view> headers;
    for (const auto& [name, value] : order.options.headers) headers.emplace(name, value);
    for (const auto& [name, value] : headers) add(name), add(value);

    std::string hex;
    for (const char byte : sha256(parts)) {
        constexpr std::string_view digits = "0123456789abcdef";
        hex += digits[static_cast<unsigned char>(byte) / 16U];
        hex += digits[static_cast<unsigned char>(byte) % 16U];
    }
    return hex;
}

std::string deduplication_id(const call& from, const message_order& order) {
    constexpr std::string_view name = "upstash-deduplication-id";
    const auto value = text(from, name);
    if (value.find(':') != std::string_view::npos) throw refused{400, "DeduplicationId cannot contain ':'"};
    if (value.size() > id_bytes_max) refuse(name, "longer than 256 bytes");
    const bool by_content = flag(from, "upstash-content-based-deduplication");
    return value.empty() && by_content ? content_id(order) : std::string(value);
}

} // namespace

std::variant<message_order, refusal> read_order(const call& from, const request& arrived) try {
    check_supported(from);
    message_order order;
    order.options = read_options(from, arrived);
    order.body = arrived.body;
    order.delay = duration(from, "upstash-delay").value_or(order.delay);
    if (order.delay > delay_max) throw refused{400, "quota maxDelay exceeded"};
    order.not_before = not_before(from);
    order.cron = text(from, "upstash-cron");
    order.schedule_id = schedule_id(from);
    order.deduplication_id = deduplication_id(from, order);
    return order;
} catch (refused& e) {
    return std::move(e.why);
}

} // namespace tidesync::qstash::local
