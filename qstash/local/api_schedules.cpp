#include "qstash/local/api_calls.hpp"

#include "qstash/cron.hpp"
#include "qstash/local/documents.hpp"
#include "qstash/local/random_id.hpp"
#include "qstash/local/refused.hpp"

#include <fmt/format.h>
#include <stdexcept>

namespace tidesync::qstash::local {

namespace {

constexpr int schedule_id_letters = 28;
constexpr int schedules_read_at_once = 50;

cron parse_cron(const std::string& text) try { return cron::parse(text); } catch (const std::invalid_argument& e) {
    throw refused{400, fmt::format("Invalid cron expression {}", e.what())};
}

std::optional<time_point> next_tick(const cron& expression, time_point now) {
    const auto next = expression.next(std::chrono::floor<std::chrono::seconds>(now));
    return next ? std::optional<time_point>{*next} : std::nullopt;
}

response pause_or_resume(const api_context& in, bool pause) {
    const auto now = in.now();
    const bool found = in.stored.set_paused(in.account, in.id(), pause, [&](const std::string& expression) {
        return next_tick(parse_cron(expression), now);
    });
    if (!found) return not_found("schedule", in.id());
    in.tell_made();
    return json_response(200, {{"isPaused", pause}});
}

} // namespace

api_answer create_schedule(const api_context& in, message_order order) {
    if (order.cron.empty()) throw refused{400, "Invalid cron expression empty spec string (Upstash-Cron)"};
    in.check_destinations(order.options);
    const auto expression = parse_cron(order.cron);
    const auto now = in.now();
    const auto next = next_tick(expression, now);
    if (!next) throw refused{400, "Invalid cron expression it has no tick within five years"};
    stored_schedule schedule;
    schedule.schedule_id =
        order.schedule_id.empty() ? random_id("scd_", schedule_id_letters) : std::move(order.schedule_id);
    schedule.cron = std::move(order.cron);
    schedule.options = std::move(order.options);
    schedule.body = std::move(order.body);
    schedule.delay = order.delay;
    schedule.caller_ip = in.asked.remote;
    schedule.next_tick = next;
    if (!in.stored.put_schedule(in.account, schedule, now, in.with.schedules_max))
        throw refused{412, fmt::format("quota maxSchedules exceeded: there are {} already", in.with.schedules_max)};
    in.tell_made();
    return {200, {{"scheduleId", schedule.schedule_id}}};
}

response post_schedule(const api_context& in) {
    const auto made = create_schedule(in, or_refuse(read_order(in.what, in.asked)));
    return json_response(made.status, made.document);
}

/// All of them, as the API knows no pages here.
response list_schedules(const api_context& in) {
    std::string list = "[";
    std::vector<stored_schedule> some;
    do {
        const auto last = some.empty() ? std::optional<stored_schedule>{} : std::move(some.back());
        some = in.stored.list_schedules(in.account, last ? &*last : nullptr, schedules_read_at_once);
        for (const auto& schedule : some) {
            list += list.size() == 1 ? "" : ",";
            list += text_of(schedule_document(schedule));
        }
    } while (static_cast<int>(some.size()) == schedules_read_at_once);
    return {.status = 200, .body = std::move(list) + ']'};
}

response get_schedule(const api_context& in) {
    const auto found = in.stored.get_schedule(in.account, in.id());
    return found ? json_response(200, schedule_document(*found)) : not_found("schedule", in.id());
}

response delete_schedule(const api_context& in) {
    return in.stored.delete_schedule(in.account, in.id()) ? json_response(200, {{"status", "deleted"}})
                                                          : not_found("schedule", in.id());
}

response pause_schedule(const api_context& in) { return pause_or_resume(in, true); }
response resume_schedule(const api_context& in) { return pause_or_resume(in, false); }

} // namespace tidesync::qstash::local
