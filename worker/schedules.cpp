#include "worker/schedules.hpp"

#include "qstash/cron.hpp"
#include "worker/printable.hpp"
#include "worker/schedule_order.hpp"
#include "worker/utc.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <random>
#include <stdexcept>

namespace tidesync::worker {

namespace {

bool is_manual_label(std::string_view name) {
    return std::ranges::equal(
        name, std::string_view{"x-manual-trigger"}, [](unsigned char a, char b) { return std::tolower(a) == b; });
}

qstash_failure not_there(const qstash::not_found& missing) {
    constexpr auto list_hint = "`tidesync schedule list` shows the ids there are";
    if (missing.schedule_id.empty()) return {404, "not_found", missing.what(), list_hint};
    const bool usual = missing.schedule_id == default_schedule_id(schedule_order{}.job);
    return {
        404, "not_found", fmt::format("QStash has no schedule {}", printable(missing.schedule_id)),
        usual ? "`tidesync schedule create` makes it" : list_hint};
}

} // namespace

qstash::client_settings qstash_client(const settings& config, std::chrono::seconds limit) {
    qstash::client_settings result;
    result.url = config.qstash_url;
    result.token = config.qstash_token.reveal();
    result.total_limit = limit;
    return result;
}

placed_schedule place_schedule(qstash::client& client, const qstash::schedule_request& request) {
    placed_schedule placed;
    try {
        placed.paused = client.get_schedule(request.schedule_id).paused;
        placed.replaced = true;
    } catch (const qstash::not_found&) { // then it is the first one
        placed.replaced = false;
    }
    placed.schedule_id = client.create_schedule(request);
    // QStash does not promise that a schedule stays paused when it is replaced.
    try {
        if (placed.paused) client.pause_schedule(placed.schedule_id);
    } catch (const qstash::api_error& e) {
        throw left_unpaused{placed.schedule_id, e};
    }
    return placed;
}

std::string trigger_schedule(qstash::client& client, const settings& config, const std::string& schedule_id) {
    auto message = qstash::message_of(client.get_schedule(schedule_id));
    message.delay.reset(); // now means now
    if (!message.timeout) message.timeout = default_timeout(config);
    if (!message.failure_callback.empty() && !message.failure_callback_retries)
        message.failure_callback_retries = failure_callback_retries;
    std::erase_if(message.forward, [](const auto& header) { return is_manual_label(header.first); });
    message.forward.emplace_back("x-manual-trigger", "true");
    return client.publish(message, fresh_deduplication_id()).message_id;
}

std::string fresh_deduplication_id() {
    std::random_device random;
    return fmt::format("tidesync-{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

std::optional<std::chrono::sys_seconds> next_tick(const qstash::schedule& schedule, std::chrono::sys_seconds now) {
    if (schedule.paused) return std::nullopt;
    if (schedule.next_tick) return std::chrono::floor<std::chrono::seconds>(*schedule.next_tick);
    try {
        return qstash::cron::parse(schedule.cron).next(now);
    } catch (const std::invalid_argument&) {
        return std::nullopt; // QStash took it, so it is no mistake of anybody here
    }
}

qstash_failure explain(const qstash::api_error& error) {
    if (const auto* unpaused = dynamic_cast<const left_unpaused*>(&error)) return unpaused->failure;
    if (const auto* limited = dynamic_cast<const qstash::rate_limited*>(&error))
        return {
            503, "qstash_rate_limited", error.what(),
            limited->reset ? fmt::format("QStash answers again from {} on", utc_text(*limited->reset))
                           : "nothing is wrong: ask again in a minute"};
    if (const auto* missing = dynamic_cast<const qstash::not_found*>(&error)) return not_there(*missing);
    if (dynamic_cast<const qstash::unauthorized*>(&error) != nullptr)
        return {
            502, "qstash_refused", error.what(),
            "copy QSTASH_TOKEN from the QStash console; QSTASH_URL must be the same region's"};
    if (dynamic_cast<const qstash::unreachable*>(&error) != nullptr)
        return {
            error.status == 0 ? 504 : 502, "qstash_unreachable", error.what(),
            "is QSTASH_URL right, and may this machine reach it?"};
    if (error.status == 400 && std::string_view{error.what()}.find("not among the allowed") != std::string_view::npos)
        return {502, "qstash_refused", error.what(), "add it to TIDESYNC_QSTASH_ALLOW_HOSTS of the scheduler"};
    return {502, "qstash_refused", error.what(), "QStash took the token, but not the call: its answer says why"};
}

left_unpaused::left_unpaused(const std::string& schedule_id, const qstash::api_error& cause)
    : api_error{cause}
    , failure{explain(cause)} {
    failure.message = fmt::format(
        "the schedule was replaced but could not be paused again; it may tick: `tidesync schedule pause {}` ({})",
        schedule_id, failure.message);
}

qstash_failure no_qstash_token() {
    return {
        503, "not_configured", "this worker has no QSTASH_TOKEN, so it cannot ask QStash about schedules",
        "set QSTASH_TOKEN (the QStash console shows it), or QSTASH_TOKEN_FILE, and restart the worker"};
}

} // namespace tidesync::worker
