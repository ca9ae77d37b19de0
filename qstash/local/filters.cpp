#include "qstash/local/filters.hpp"

#include "qstash/local/refused.hpp"
#include "qstash/local/wire_text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <map>

namespace tidesync::qstash::local {

namespace {

using nlohmann::json;

constexpr std::size_t values_max = 1000;
constexpr std::int64_t unix_ms_max = 253'402'300'799'999; // the end of the year 9999
constexpr std::int64_t status_max = 999;

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
    if (list == "caller_ips") return what != selecting::logs;
    return true;
}

bool is_any_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
}

/// `a,b` and `a&b` are the same. A URL may hold a comma, so it is never split.
std::vector<std::string> split(const std::string& name, const std::string& value) {
    if (name == "url") return value.empty() ? std::vector<std::string>{} : std::vector{value};
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

std::int64_t number(const std::string& name, const std::string& value, std::int64_t most) {
    const auto read = whole_number(value);
    if (!read) throw refused{400, fmt::format("{} is not a whole number", name)};
    if (*read > most) throw refused{400, fmt::format("{} is more than {}", name, most)};
    return *read;
}

void read_count(const std::string& value, selecting what, selection& into) {
    const auto count = number("count", value, INT64_MAX);
    // To take one for none would delete something.
    if (count == 0 && what != selecting::logs) into.nothing = true;
    into.rows_max = static_cast<int>(std::clamp<std::int64_t>(count, 1, what == selecting::dead_letters ? 100 : 1000));
}

void read_list(const std::string& name, const std::string& list, const std::string& value, selection& into) {
    auto& values = into.filter[list];
    if (values.is_null()) values = json::array();
    for (const auto& part : split(name, value))
        for (auto& text : name == "state" ? states_of(part) : std::vector{part}) values.push_back(std::move(text));
    if (values.size() > values_max) throw refused{400, fmt::format("more than {} of {}", values_max, name)};
}

/// One field, wherever it stood. @param value  empty for one without a value
void read_field(const std::string& name, const std::string& value, selecting what, selection& into) {
    if (!clean_text(value)) throw refused{400, fmt::format("{} holds a control character or no UTF-8", name)};
    if (name == "trimBody") {
        into.without_bodies = is_any_of(value, {"true", "1"});
    } else if (name == "async") {
        // Changes how long it takes, not what is done.
    } else if (is_any_of(name, {"topicName", "queueName", "flowControlKey", "endpointName"})) {
        into.nothing = true;
    } else if (name == "cursor") {
        if (!value.empty() && !page_end::parse(value)) throw refused{400, "cursor is not one that this server gave"};
        into.cursor = value;
    } else if (name == "order") {
        if (!is_any_of(value, {"earliestFirst", "latestFirst"}))
            throw refused{400, "order is earliestFirst or latestFirst"};
        into.earliest_first = value == "earliestFirst";
    } else if (name == "count") {
        read_count(value, what, into);
    } else if (is_any_of(name, {"fromDate", "toDate"})) {
        into.filter[name == "fromDate" ? "from_ms" : "to_ms"] = number(name, value, unix_ms_max);
    } else if (name == "responseStatus" && what == selecting::dead_letters) {
        into.filter["status"] = number(name, value, status_max);
    } else if (const auto list = lists.find(name); list != lists.end() && applies(list->second, what)) {
        read_list(name, list->second, value, into);
    } else {
        throw refused{501, fmt::format("{} is not something this server selects by", name.substr(0, 100))};
    }
}

/// A value of a JSON body, as it would stand in a query.
std::string field_text(const std::string& name, const json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number_integer() || value.is_boolean()) return value.dump();
    if (value.is_null()) return {}; // what Go makes of an empty list
    throw refused{400, fmt::format("{} is neither a text nor a number, nor a list of these", name.substr(0, 100))};
}

void read_body(const std::string& body, selecting what, selection& into) {
    if (body.find_first_not_of(" \t\r\n") == std::string::npos) return;
    const auto document = json::parse(body, nullptr, false);
    if (!document.is_object()) throw refused{400, "the body is not a JSON object"};
    for (const auto& [name, value] : document.items()) {
        if (!value.is_array() || value.empty()) {
            read_field(name, value.is_array() ? std::string{} : field_text(name, value), what, into);
            continue;
        }
        if (value.size() > values_max) throw refused{400, fmt::format("more than {} of {}", values_max, name)};
        for (const auto& one : value) read_field(name, field_text(name, one), what, into);
    }
}

/// Empty lists select nothing; ids of what is selected go before all else.
void settle(selecting what, selection& into) {
    for (const auto& [name, value] : into.filter.items())
        if (value.is_array() && value.empty()) into.nothing = true;
    const auto* const own = what == selecting::dead_letters ? "dlq_ids" : "message_ids";
    if (what == selecting::logs || !into.filter.contains(own)) return;
    into.by_ids = true;
    into.filter = {{own, into.filter[own]}};
}

} // namespace

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
    return number;
}

std::optional<page_end> page_end::parse(const std::string& cursor) {
    const auto dash = cursor.find('-');
    if (dash == std::string::npos || dash + 1 == cursor.size()) return std::nullopt;
    const auto ms = whole_number(std::string_view{cursor}.substr(0, dash));
    if (!ms || *ms > unix_ms_max) return std::nullopt;
    return page_end{.ms = *ms, .behind = cursor.substr(dash + 1)};
}

std::variant<selection, refusal> read_selection(const call& asked, const std::string& body, selecting what) try {
    selection result;
    for (const auto& [name, value] : asked.query) read_field(name, value, what, result);
    read_body(body, what, result);
    settle(what, result);
    return result;
} catch (refused& e) {
    return std::move(e.why);
}

} // namespace tidesync::qstash::local
