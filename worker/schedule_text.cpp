#include "worker/schedule_text.hpp"

#include "worker/printable.hpp"
#include "worker/schedules.hpp"
#include "worker/text_table.hpp"
#include "worker/utc.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>

namespace tidesync::worker {

namespace {

constexpr std::size_t log_line_bytes_max = 300;

std::string state_of(const qstash::schedule& schedule) {
    if (schedule.paused) return "paused";
    const auto failed = [](const auto& message) { return message.second == "FAIL"; };
    if (!schedule.error.empty() || std::ranges::any_of(schedule.last_states, failed)) return "active, last tick failed";
    return "active";
}

template <typename Time>
nlohmann::ordered_json time_or_null(const std::optional<Time>& time) {
    // Others tell these times, and utc_text counts nanoseconds in 64 bits.
    constexpr std::chrono::sys_days far_off{std::chrono::year{2200} / 1 / 1};
    return time && time->time_since_epoch().count() >= 0 && *time < far_off ? nlohmann::ordered_json(utc_text(*time))
                                                                            : nlohmann::ordered_json(nullptr);
}

template <typename Value>
nlohmann::ordered_json value_or_null(const std::optional<Value>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

} // namespace

std::string minute_text(std::optional<std::chrono::sys_seconds> time) {
    if (!time) return "-";
    return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(static_cast<std::time_t>(time->time_since_epoch().count())));
}

std::string schedules_table(const std::vector<qstash::schedule>& schedules, std::chrono::sys_seconds now) {
    if (schedules.empty()) return "  no schedules yet: `tidesync schedule create` makes one\n";
    std::vector<cells> lines{{"schedule", "cron", "destination", "next tick UTC", "state"}};
    for (const auto& schedule : schedules)
        lines.push_back(
            {printable(schedule.schedule_id), printable(schedule.cron), printable(schedule.destination),
             minute_text(next_tick(schedule, now)), state_of(schedule)});
    auto text = aligned(lines, false, false);
    for (const auto& schedule : schedules)
        if (!schedule.error.empty())
            text += fmt::format("  {}: {}\n", printable(schedule.schedule_id), printable(schedule.error));
    return text;
}

std::string schedule_details(const qstash::schedule& schedule, std::chrono::sys_seconds now) {
    std::string text;
    const auto line = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) text += fmt::format("  {:<17} {}\n", name, printable(value));
    };
    line("schedule", schedule.schedule_id);
    line("state", state_of(schedule));
    line("cron", schedule.cron);
    line("next tick UTC", minute_text(next_tick(schedule, now)));
    if (schedule.last_tick)
        line("last tick UTC", minute_text(std::chrono::floor<std::chrono::seconds>(*schedule.last_tick)));
    for (const auto& [message, state] : schedule.last_states)
        line("last message", fmt::format("{} {}", message, state));
    line("error", schedule.error);
    line("destination", fmt::format("{} {}", schedule.method, schedule.destination));
    line("body", schedule.body);
    if (schedule.retries) line("retries", std::to_string(*schedule.retries));
    if (schedule.timeout) line("timeout", qstash::duration_text(*schedule.timeout));
    line("failure callback", schedule.failure_callback);
    return text;
}

std::string log_line(const qstash::log_entry& entry) {
    auto text = entry.state;
    if (entry.response_status != 0) text += fmt::format(" HTTP {}", entry.response_status);
    if (!entry.error.empty()) text += " " + entry.error;
    return printable(text, log_line_bytes_max);
}

nlohmann::ordered_json schedule_document(const qstash::schedule& schedule, std::chrono::sys_seconds now) {
    const auto timeout = schedule.timeout ? std::optional{schedule.timeout->count()} : std::nullopt;
    nlohmann::ordered_json document{
        {"scheduleId", schedule.schedule_id},
        {"cron", schedule.cron},
        {"destination", schedule.destination},
        {"method", schedule.method},
        {"body", schedule.body},
        {"retries", value_or_null(schedule.retries)},
        {"timeout", value_or_null(timeout)},
        {"failureCallback", schedule.failure_callback},
        {"paused", schedule.paused},
        {"createdAt", time_or_null(schedule.created_at)},
        {"lastTick", time_or_null(schedule.last_tick)},
        {"nextTick", time_or_null(next_tick(schedule, now))},
        {"lastStates", schedule.last_states}};
    if (!schedule.error.empty()) document["error"] = schedule.error;
    return document;
}

} // namespace tidesync::worker
