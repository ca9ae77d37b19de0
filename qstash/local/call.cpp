#include "qstash/local/call.hpp"

#include "qstash/local/refused.hpp"
#include "qstash/local/wire_text.hpp"

#include <algorithm>
#include <optional>

namespace tidesync::qstash::local {
namespace {

constexpr std::size_t target_bytes_max = 32UL * 1024; // a destination of 8 KiB, and settings beside it
constexpr std::size_t value_bytes_max = 8192;
constexpr std::size_t fields_max = 256; // of the query
constexpr std::size_t settings_max = 256;
constexpr std::size_t segments_max = 8;

std::string decoded(std::string_view text, std::string_view of_what) {
    auto bytes = percent_decoded(text);
    if (!bytes) throw refused{400, "bad percent-escape in " + std::string(of_what)};
    if (!clean_text(*bytes))
        throw refused{400, "control character or bytes that are not UTF-8 in " + std::string(of_what)};
    return std::move(*bytes);
}

std::vector<std::string_view> split(std::string_view text, char separator, std::size_t parts_max) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (parts.size() > parts_max) throw refused{400, "too many parts in the request target"};
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

// --- Settings

void give_setting(call& to, const std::string& name, std::string_view value) {
    // From here on a name may stand in a message.
    if (!header_name(name)) throw refused{400, "a setting whose name no header can have"};
    if (value.size() > value_bytes_max) throw refused{400, name + ": longer than 8192 bytes"};
    if (!clean_text(value)) throw refused{400, name + ": control character or bytes that are not UTF-8"};
    to.settings.try_emplace(name, value);
    if (to.settings.size() > settings_max) throw refused{400, "too many upstash-* settings"};
}

/// A form writes a blank as `+`.
std::string form_decoded(std::string_view text, std::string_view of_what) {
    std::string with_blanks(text);
    std::ranges::replace(with_blanks, '+', ' ');
    return decoded(with_blanks, of_what);
}

/// @returns whether the field was ours: a setting or the token. Whatever it is called otherwise is not looked at
bool take_field(std::string_view field, call& to) {
    const auto name_end = std::min(field.find('='), field.size());
    const auto raw_name = percent_decoded(field.substr(0, name_end));
    if (!raw_name) return false;
    const auto name = lower_case(*raw_name);
    const auto value = field.substr(std::min(name_end + 1, field.size()));
    if (name == "qstash_token") {
        // No token holds a blank, so that a plus sign is one even where somebody forgot to escape it.
        if (to.token.empty()) to.token = decoded(value, "qstash_token");
        return true;
    }
    if (!name.starts_with("upstash-")) return false;
    give_setting(to, name, form_decoded(value, "the value of an upstash-* parameter"));
    return true;
}

// --- Target

/// `schedules/{id}/pause`: the one case in which a POST has no destination behind `schedules/`.
bool pauses_or_resumes(std::string_view path) {
    const auto parts = split(path, '/', path.size() + 1);
    if (parts.size() != 3 || (parts[2] != "pause" && parts[2] != "resume")) return false;
    const auto id = percent_decoded(parts[1]);
    return id && !id->empty() && id->find(':') == std::string::npos;
}

/// @returns where the destination begins; nothing when the call has none
std::optional<std::size_t> find_destination(std::string_view path, std::string_view method) {
    const auto slash = path.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto first = lower_case(path.substr(0, slash));
    if (first == "publish") return slash + 1;
    if (first == "schedules" && method == "POST" && !pauses_or_resumes(path)) return slash + 1;
    if (first != "enqueue") return std::nullopt;
    const auto second = path.find('/', slash + 1);
    return second == std::string_view::npos ? std::nullopt : std::optional{second + 1};
}

std::vector<std::string> read_path(std::string_view path) {
    if (path.ends_with('/')) path.remove_suffix(1);
    std::vector<std::string> segments;
    for (const auto part : split(path, '/', segments_max)) segments.push_back(decoded(part, "the path"));
    const bool gap = std::ranges::any_of(segments, &std::string::empty);
    if (gap) throw refused{404, "not found"};
    segments.front() = lower_case(segments.front());
    return segments;
}

void read_destination(std::string_view raw, call& into) {
    const auto question = raw.find('?');
    into.destination = raw.substr(0, question);
    if (question == std::string_view::npos) return;
    char before = '?';
    for (const auto field : split(raw.substr(question + 1), '&', fields_max)) {
        if (take_field(field, into)) continue;
        into.destination += before;
        into.destination += field;
        before = '&';
    }
}

void read_query(std::string_view raw, call& into) {
    for (const auto field : split(raw, '&', fields_max)) {
        if (field.empty() || take_field(field, into)) continue;
        const auto name_end = std::min(field.find('='), field.size());
        into.query.emplace_back(
            form_decoded(field.substr(0, name_end), "the query"),
            form_decoded(field.substr(std::min(name_end + 1, field.size())), "the query"));
    }
}

void read_target(std::string_view target, call& into) {
    constexpr std::string_view prefix = "/v2/"; // in any case: one client writes names with a capital
    if (target.size() > target_bytes_max) throw refused{400, "request target longer than 32768 bytes"};
    if (!starts_with_any_case(target, prefix)) throw refused{404, "not found"};
    target.remove_prefix(prefix.size());

    const auto question = std::min(target.find('?'), target.size());
    const auto path = target.substr(0, question);
    if (const auto start = find_destination(path, into.method)) {
        into.path = read_path(path.substr(0, *start));
        read_destination(target.substr(*start), into);
    } else {
        into.path = read_path(path);
        read_query(target.substr(std::min(question + 1, target.size())), into);
    }
}

} // namespace

std::string_view bearer_token(std::string_view authorization) {
    constexpr std::string_view scheme = "bearer ";
    if (!starts_with_any_case(authorization, scheme)) return {};
    const auto first = authorization.find_first_not_of(' ', scheme.size());
    if (first == std::string_view::npos) return {};
    return authorization.substr(first, authorization.find_last_not_of(' ') + 1 - first);
}

std::variant<call, refusal> read_call(const request& arrived) try {
    call read;
    read.method = arrived.method;
    for (const auto& [name, value] : arrived.headers)
        if (name.starts_with("upstash-")) give_setting(read, name, value);
    read_target(arrived.target, read);
    if (read.token.empty()) read.token = bearer_token(arrived.header("authorization"));
    return read;
} catch (refused& e) {
    return std::move(e.why);
}

} // namespace tidesync::qstash::local
