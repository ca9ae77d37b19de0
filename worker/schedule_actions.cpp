#include "worker/schedule_actions.hpp"

#include "worker/schedules.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
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
    R"(send {"action": "create", "delete", "pause", "resume" or "trigger-manual", "scheduleId": "tidesync-slave-to-prod"})";
constexpr auto create_hint = "create knows scheduleId, cron, timezone, retries, timeout (seconds), job and parameters";

bool read_text(const nlohmann::json& value, std::string& into) {
    if (!value.is_string()) return false;
    into = value.get<std::string>();
    return true;
}

/// Bounds come later, together with those of the command line; here it only has to fit.
bool read_number(const nlohmann::json& value, int& into) {
    if (!value.is_number_integer()) return false;
    const auto number = value.get<std::int64_t>();
    into = static_cast<int>(std::clamp<std::int64_t>(number, -1, 1'000'000));
    return true;
}

/// @returns whether the member is known for this verb and of the right type
bool read_member(const std::string& name, const nlohmann::json& value, verb what, schedule_order& order) {
    if (name == "action") return true;
    if (name == "scheduleId") return read_text(value, order.schedule_id) && !order.schedule_id.empty();
    if (what != verb::create) return false;
    if (name == "cron") return read_text(value, order.cron);
    if (name == "timezone") return read_text(value, order.timezone);
    if (name == "job") return read_text(value, order.job);
    if (name == "retries") return read_number(value, order.retries);
    if (name == "timeout") {
        int seconds = 0;
        if (!read_number(value, seconds)) return false;
        order.timeout = std::chrono::seconds{seconds};
        return true;
    }
    if (name == "parameters") {
        order.parameters = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        return value.is_object();
    }
    return false;
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
    if (known == std::end(words)) return bad_order{"there is no such action", action_hint};
    schedule_action action{.what = known->second};
    for (const auto& [name, value] : json.items())
        if (!read_member(name, value, action.what, action.order))
            return bad_order{
                fmt::format("{} does not know `{}`, or it is of the wrong type", word, name.substr(0, 40)),
                action.what == verb::create ? create_hint : action_hint};
    return action;
}

std::variant<schedule_change, bad_order> perform(
    const schedule_action& action, qstash::client& client, const settings& config,
    const std::vector<std::string>& jobs) {
    const auto& order = action.order;
    schedule_change change;
    if (action.what == verb::create) {
        const auto request = request_for(order, config, jobs);
        if (const auto* wrong = std::get_if<bad_order>(&request)) return *wrong;
        const auto placed = place_schedule(client, std::get<qstash::schedule_request>(request));
        return schedule_change{placed.schedule_id, {}, placed.replaced, placed.paused};
    }
    change.schedule_id = order.schedule_id.empty() ? default_schedule_id(order.job) : order.schedule_id;
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
        change.message_id = trigger_schedule(client, change.schedule_id);
        break;
    case verb::create: // above
        break;
    }
    return change;
}

} // namespace tidesync::worker
