#include "worker/schedule_actions.hpp"

#include "worker/printable.hpp"
#include "worker/schedules.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace tidesync::worker {

namespace {

using verb = schedule_action::verb;

constexpr std::pair<std::string_view, verb> words[] = {
    {"create", verb::create},
    {"delete", verb::remove},
    {"pause", verb::pause},
    {"resume", verb::resume},
    {"trigger-manual", verb::trigger}};

constexpr auto action_hint =
    R"(send {"action": "pause", "scheduleId": "…"}; actions: create, delete, pause, resume, trigger-manual)";
constexpr auto create_hint = "create knows scheduleId, cron, timezone, retries, timeout (seconds), job and parameters";
constexpr std::size_t quoted_bytes_max = 80;

/// @returns what the value has to be; empty when it is that
std::string read_text(const nlohmann::json& value, std::string& into) {
    if (!value.is_string()) return "text";
    into = value.get<std::string>();
    return {};
}

/// Bounds come later, together with those of the command line; here it only has to fit.
std::string read_number(const nlohmann::json& value, int& into) {
    if (!value.is_number_integer()) return "a whole number";
    using limits = std::numeric_limits<int>;
    const auto number = value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{limits::max()}
                            ? limits::max()
                            : value.get<std::int64_t>();
    into = static_cast<int>(std::clamp<std::int64_t>(number, limits::min(), limits::max()));
    return {};
}

std::string read_seconds(const nlohmann::json& value, std::optional<std::chrono::seconds>& into) {
    int seconds = 0;
    auto wrong = read_number(value, seconds);
    if (wrong.empty()) into = std::chrono::seconds{seconds};
    return wrong;
}

std::string read_object(const nlohmann::json& value, std::string& into) {
    if (!value.is_object()) return "a JSON object";
    into = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return {};
}

/// @returns what the value has to be, empty when it is that; nothing when create knows no such member
std::optional<std::string> read_choice(const std::string& name, const nlohmann::json& value, schedule_order& order) {
    if (name == "cron") return read_text(value, order.cron.emplace());
    if (name == "timezone") return read_text(value, order.timezone);
    if (name == "job") return read_text(value, order.job);
    if (name == "retries") return read_number(value, order.retries);
    if (name == "timeout") return read_seconds(value, order.timeout);
    if (name == "parameters") return read_object(value, order.parameters);
    return std::nullopt;
}

std::optional<bad_order> read_member(const std::string& name, const nlohmann::json& value, schedule_action& action) {
    const auto hint = action.what == verb::create ? create_hint : action_hint;
    if (name == "action") return std::nullopt;
    if (name == "scheduleId") {
        if (!value.is_string() || value.get_ref<const std::string&>().empty())
            return bad_order{
                fmt::format(
                    "scheduleId is empty or not text: leave it out for {}", default_schedule_id(schedule_order{}.job)),
                hint};
        action.order.schedule_id = value.get<std::string>();
        return std::nullopt;
    }
    const auto wrong = action.what == verb::create ? read_choice(name, value, action.order) : std::nullopt;
    if (!wrong)
        return bad_order{
            fmt::format("{} does not know `{}`", to_string(action.what), printable(name, quoted_bytes_max)), hint};
    if (!wrong->empty()) return bad_order{fmt::format("`{}` has to be {}", name, *wrong), hint};
    return std::nullopt;
}

} // namespace

std::string_view to_string(verb what) {
    return std::ranges::find(words, what, [](const auto& pair) { return pair.second; })->first;
}

std::variant<schedule_action, bad_order> parse_action(const std::string& body) {
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (!json.is_object()) return bad_order{"the body is not a JSON object", action_hint};
    const auto named = json.find("action");
    if (named == json.end() || !named->is_string()) return bad_order{"the body names no action", action_hint};
    const auto word = named->get<std::string>();
    const auto* const known = std::ranges::find(words, word, [](const auto& pair) { return pair.first; });
    if (known == std::end(words))
        return bad_order{fmt::format("there is no action `{}`", printable(word, quoted_bytes_max)), action_hint};
    schedule_action action{.what = known->second};
    for (const auto& [name, value] : json.items())
        if (auto wrong = read_member(name, value, action)) return std::move(*wrong);
    return action;
}

audit_entry entry_of(const schedule_action& action, const requester& who) {
    const auto& order = action.order;
    audit_entry entry{
        .who = who,
        .action = fmt::format("schedule.{}", to_string(action.what)),
        .detail = {{"schedule", printable(schedule_id_of(order), quoted_bytes_max)}}};
    if (action.what == verb::create)
        entry.detail["cron"] = printable(order.cron.value_or("the job's slots"), quoted_bytes_max);
    return entry;
}

std::variant<schedule_change, bad_order>
perform(const schedule_action& action, qstash::client& client, const settings& config) {
    const auto& order = action.order;
    schedule_change change;
    if (action.what == verb::create) {
        const auto request = request_for(order, config);
        if (const auto* wrong = std::get_if<bad_order>(&request)) return *wrong;
        const auto placed = place_schedule(client, std::get<qstash::schedule_request>(request));
        return schedule_change{placed.schedule_id, {}, placed.replaced, placed.paused};
    }
    change.schedule_id = schedule_id_of(order);
    if (auto wrong = refuse_schedule_id(change.schedule_id)) return std::move(*wrong);
    switch (action.what) {
    case verb::remove:
        client.delete_schedule(change.schedule_id);
        break;
    case verb::pause:
        client.pause_schedule(change.schedule_id);
        break;
    case verb::resume:
        client.resume_schedule(change.schedule_id);
        break;
    case verb::trigger:
        change.message_id = trigger_schedule(client, config, change.schedule_id);
        break;
    case verb::create: // above
        break;
    }
    return change;
}

} // namespace tidesync::worker
