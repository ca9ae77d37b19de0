#include "qstash/client_answer.hpp"

#include "qstash/client_entries.hpp"
#include "qstash/client_json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <initializer_list>

namespace tidesync::qstash {
namespace {

using nlohmann::json;
using std::chrono::sys_seconds;

constexpr std::size_t shown_characters_max = 300;

bool printable_ascii(char character) { return character >= ' ' && character < '\x7f'; }

/// What came instead of the JSON that was expected. JSON is described and never quoted: it may hold signing keys, or
/// headers that are secrets of the destination.
std::string description_of(const http_answer& answer, const json& content, std::string_view secret) {
    const auto begin = answer.body.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return "an empty body";
    if (!content.is_discarded()) return fmt::format("a JSON {} with other members", content.type_name());
    if (answer.body[begin] == '{' || answer.body[begin] == '[')
        return fmt::format("{} bytes of JSON that cannot be read", answer.body.size());
    return fmt::format("{} bytes of another kind: {}", answer.body.size(), shown(answer.body, secret));
}

/// The text of `{"error":"…"}`, or else the body as it came.
std::string reason_of(const http_answer& answer, std::string_view secret) {
    auto text = text_of(parsed(answer.body), "error");
    if (text.empty()) text = shown(answer.body, secret);
    text = shown(text, secret);
    return text.empty() ? "without a text" : text;
}

std::string limit_text(const rate_limit& limit) {
    switch (limit.which) {
    case rate_limited::kind::daily:
        return "the daily limit is reached";
    case rate_limited::kind::burst:
        return "too many calls in this second";
    case rate_limited::kind::unknown:
        break;
    }
    return "too many calls";
}

/// The list under one of these names, or bare.
const json* list_in(const json& content, std::initializer_list<const char*> names) {
    if (content.is_array()) return &content;
    for (const char* name : names) {
        const auto& list = member(content, name);
        if (list.is_array()) return &list;
    }
    return nullptr;
}

template <typename Entry>
std::vector<Entry> entries_of(const json* list, Entry (*read)(const json&)) {
    std::vector<Entry> entries;
    entries.reserve(list->size());
    for (const auto& object : *list) entries.push_back(read(object));
    return entries;
}

bool all_objects(const json* list) {
    return list != nullptr && std::ranges::all_of(*list, [](const json& item) { return item.is_object(); });
}

} // namespace

rate_limit rate_limit_of(const http_answer& answer) {
    using kind = rate_limited::kind;
    const auto present = [&](std::string_view name) { return !answer.header(name).empty(); };
    const auto reset_in = [&](std::string_view name) -> std::optional<sys_seconds> {
        constexpr std::int64_t first = 1'000'000'000; // 2001: less is no time but a number of seconds or of calls
        const auto number = whole_number(answer.header(name));
        if (!number || *number < first || *number > time_ms_max) return std::nullopt;
        // Documented in seconds; milliseconds, as everywhere else in this API, would be 50,000 years away.
        const bool in_ms = *number >= first * 1000;
        return sys_seconds{std::chrono::seconds{in_ms ? *number / 1000 + 1 : *number}};
    };
    if (present("ratelimit-limit")) return {kind::daily, reset_in("ratelimit-reset")};
    if (present("burst-ratelimit-limit")) return {kind::burst, reset_in("burst-ratelimit-reset")};
    return {};
}

std::string shown(std::string_view text, std::string_view secret) {
    std::string clean;
    for (const char c : text) {
        const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!space)
            clean += printable_ascii(c) ? c : '?';
        else if (!clean.empty() && clean.back() != ' ')
            clean += ' ';
    }
    std::string without_secret; // cut off only afterwards, so that no part of the secret is left at the end
    for (std::string_view rest = clean; !rest.empty() && without_secret.size() <= shown_characters_max;) {
        const bool found = !secret.empty() && rest.starts_with(secret);
        without_secret += found ? std::string_view{"(token)"} : rest.substr(0, 1);
        rest.remove_prefix(found ? secret.size() : 1);
    }
    if (without_secret.size() > shown_characters_max)
        without_secret.replace(shown_characters_max, std::string::npos, "...");
    return without_secret;
}

answer_reader::answer_reader(std::string call, std::string_view origin, std::string_view secret, http_answer answer)
    : call_{std::move(call)}
    , origin_{origin}
    , secret_{secret}
    , answer_{std::move(answer)} {}

void answer_reader::throw_unexpected() const {
    throw unreachable{
        fmt::format(
            "{}: what answers at {} is not QStash: answered {} with {}", call_, origin_, answer_.status,
            description_of(answer_, parsed(answer_.body), secret_)),
        answer_.status};
}

void answer_reader::throw_refusal() const {
    const auto what = fmt::format("{}: answered {}: {}", call_, answer_.status, reason_of(answer_, secret_));
    // A token of another region is known there and only there: the account then looks as if it did not exist.
    const bool wrong_region = answer_.status == 404 && what.find("not found in this region") != std::string::npos;
    if (answer_.status == 401 || wrong_region)
        throw unauthorized{
            what + "; the token is wrong, or the URL is not that of its region (https://qstash.upstash.io is the EU, "
                   "https://qstash-us-east-1.upstash.io the US)",
            answer_.status};
    // A proxy, or any other server, knows nothing of schedules: what it does not find may well be there.
    if (answer_.status == 404 && text_of(parsed(answer_.body), "error").empty()) throw_unexpected();
    if (answer_.status == 404) throw not_found{what, answer_.status};
    if (answer_.status == 429) {
        const auto limit = rate_limit_of(answer_);
        throw rate_limited{what + "; " + limit_text(limit), limit.which, limit.reset};
    }
    if (answer_.status >= 300 && answer_.status < 400)
        throw api_error{
            fmt::format(
                "{}; it points to {}, but redirects are not followed, because the token would go there: set the URL to "
                "the server that answers itself",
                what, shown(answer_.header("location"), secret_)),
            answer_.status};
    throw api_error{what, answer_.status};
}

void answer_reader::require_success() const {
    if (answer_.status < 200 || answer_.status > 299) throw_refusal();
    const auto begin = answer_.body.find_first_not_of(" \t\r\n");
    if (answer_.status == 200 && begin != std::string::npos && answer_.body[begin] == '<') throw_unexpected();
}

std::string answer_reader::created_id() const {
    require_success();
    const auto content = parsed(answer_.body);
    auto id = text_of(content, "scheduleId");
    if (id.empty()) throw_unexpected();
    return id;
}

schedule answer_reader::schedule() const {
    require_success();
    const auto content = parsed(answer_.body);
    // In a list one broken body hides no other schedule. Who asks for this one may be about to send the body again.
    if (text_of(content, "scheduleId").empty()) throw_unexpected();
    if (!body_of(content, "body", "bodyBase64"))
        throw api_error{fmt::format("{}: the body of the schedule is no base64", call_), answer_.status};
    return schedule_of(content);
}

std::vector<schedule> answer_reader::schedules() const {
    require_success();
    const auto content = parsed(answer_.body);
    if (content.is_null()) return {}; // Go's way of writing an empty list
    const auto* list = list_in(content, {});
    if (!all_objects(list)) throw_unexpected();
    return entries_of(list, schedule_of);
}

client::published answer_reader::published() const {
    require_success();
    const auto content = parsed(answer_.body);
    const auto* many = list_in(content, {"responses"}); // the answer where several were asked for
    const auto& one = many != nullptr && many->size() == 1 ? many->front() : content;
    auto id = text_of(one, "messageId");
    if (id.empty()) throw_unexpected();
    return {std::move(id), flag_of(one, "deduplicated")};
}

std::vector<log_entry> answer_reader::logs() const {
    require_success();
    const auto content = parsed(answer_.body);
    const auto* list = list_in(content, {"events", "logs"});
    if (!all_objects(list)) throw_unexpected();
    return entries_of(list, log_entry_of);
}

std::vector<dlq_entry> answer_reader::dead_letters() const {
    require_success();
    const auto content = parsed(answer_.body);
    const auto* list = list_in(content, {"messages"});
    if (!all_objects(list)) throw_unexpected();
    return entries_of(list, dlq_entry_of);
}

key_pair answer_reader::keys() const {
    require_success();
    const auto content = parsed(answer_.body);
    key_pair keys{text_of(content, "current"), text_of(content, "next")};
    if (keys.current.empty() || keys.next.empty()) throw_unexpected();
    return keys;
}

} // namespace tidesync::qstash
