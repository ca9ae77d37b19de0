#include "qstash/local/filters.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <map>

namespace tidesync::qstash::local {

namespace {

constexpr std::size_t values_max = 1000;
constexpr int rows_max = 1000;

/// Names in the query, and in our statements.
const std::map<std::string, std::string, std::less<>> lists = {
    {"messageId", "message_ids"},
    {"messageIds", "message_ids"},
    {"dlqId", "dlq_ids"},
    {"dlqIds", "dlq_ids"},
    {"url", "urls"},
    {"label", "labels"},
    {"state", "states"},
    {"scheduleId", "schedule_ids"},
    {"callerIp", "caller_ips"},
    {"callerIP", "caller_ips"}};

bool applies(const std::string& list, selecting what) {
    if (list == "dlq_ids") return what == selecting::dead_letters;
    if (list == "states") return what == selecting::logs;
    if (list == "caller_ips") return what == selecting::messages;
    return true;
}

bool is_any_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
    return number;
}

/// `a,b` and `a&b` are the same. A URL may hold a comma, so it is never split.
std::vector<std::string> split(const std::string& name, const std::string& value) {
    if (name == "url") return {value};
    std::vector<std::string> parts;
    for (std::size_t from = 0; from <= value.size();) {
        const auto to = std::min(value.find(',', from), value.size());
        if (to > from) parts.push_back(value.substr(from, to - from));
        from = to + 1;
    }
    return parts;
}

/// The spellings that documentation and clients use, to ours.
std::vector<std::string> states_of(std::string state) {
    std::ranges::transform(
        state, state.begin(), [](unsigned char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); });
    if (state == "CANCELLED") return {"CANCELED"};
    if (state == "IN_PROGRESS") return {"ACTIVE", "RETRY", "ERROR"};
    return {state};
}

std::optional<refusal> read_ids_from(const std::string& body, selection& into) {
    if (body.find_first_not_of(" \t\r\n") == std::string::npos) return std::nullopt;
    const auto document = nlohmann::json::parse(body, nullptr, false);
    if (!document.is_object()) return refusal{400, "the body is not a JSON object"};
    for (const auto* name : {"messageIds", "dlqIds"}) {
        const auto found = document.find(name);
        if (found == document.end()) continue;
        if (!found->is_array() || found->size() > values_max)
            return refusal{400, fmt::format("{} is not an array of at most {} ids", name, values_max)};
        for (const auto& id : *found) {
            if (!id.is_string()) return refusal{400, fmt::format("{} holds something that is no string", name)};
            into.ids.push_back(id.get<std::string>());
        }
    }
    return std::nullopt;
}

} // namespace

std::optional<std::int64_t> number_of(const std::string& cursor) {
    const auto dash = cursor.find('-');
    if (dash == std::string::npos) return std::nullopt;
    return whole_number(std::string_view{cursor}.substr(dash + 1));
}

std::variant<selection, refusal> read_selection(const call& asked, const std::string& body, selecting what) {
    selection result;
    if (const auto refused = read_ids_from(body, result)) return *refused;
    for (const auto& [name, value] : asked.query) {
        if (is_any_of(name, {"trimBody", "async"})) continue; // they change how much is sent, or how long it takes
        if (is_any_of(name, {"topicName", "queueName", "flowControlKey", "endpointName"})) {
            result.nothing = true;
        } else if (name == "cursor") {
            if (!value.empty() && !number_of(value)) return refusal{400, "cursor is not one that this server gave"};
            result.cursor = value;
        } else if (name == "order") {
            if (!is_any_of(value, {"earliestFirst", "latestFirst"}))
                return refusal{400, "order is earliestFirst or latestFirst"};
            result.earliest_first = value == "earliestFirst";
        } else if (is_any_of(name, {"count", "fromDate", "toDate", "responseStatus"})) {
            const auto number = whole_number(value);
            if (!number) return refusal{400, fmt::format("{} is not a whole number", name)};
            if (name == "count")
                result.rows_max = static_cast<int>(std::clamp<std::int64_t>(*number, 1, rows_max));
            else
                result.filter[name == "fromDate" ? "from_ms" : name == "toDate" ? "to_ms" : "status"] = *number;
        } else if (const auto list = lists.find(name); list != lists.end() && applies(list->second, what)) {
            auto& values = result.filter[list->second];
            for (const auto& part : split(name, value))
                for (const auto& text : name == "state" ? states_of(part) : std::vector{part}) values.push_back(text);
            if (values.size() > values_max) return refusal{400, fmt::format("more than {} of {}", values_max, name)};
        } else {
            return refusal{501, fmt::format("{} is not something this server selects by", name)};
        }
    }
    const auto* const own = what == selecting::dead_letters ? "dlq_ids" : "message_ids";
    if (what != selecting::logs && result.filter.contains(own))
        for (const auto& id : result.filter[own]) result.ids.push_back(id.get<std::string>());
    if (!result.ids.empty()) result.filter[own] = result.ids;
    return result;
}

} // namespace tidesync::qstash::local
