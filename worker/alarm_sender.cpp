#include "worker/alarm_sender.hpp"

#include "worker/log.hpp"
#include "worker/store_outage.hpp"

#include <algorithm>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <random>

namespace tidesync::worker {

namespace {

using clock = std::chrono::steady_clock;

constexpr int rows_at_once = 50;
constexpr std::chrono::minutes give_up_every{1};
constexpr std::chrono::hours pause_max{4};

void rest(std::chrono::milliseconds time, const std::stop_token& stop) {
    std::mutex mutex;
    std::unique_lock lock{mutex};
    std::condition_variable_any wake;
    wake.wait_for(lock, stop, time, [] { return false; });
}

/// @returns why the receiver does not have it, or may not; empty when it does
std::string problem_of(const std::variant<qstash::http_answer, qstash::http_failure>& result) {
    if (const auto* failure = std::get_if<qstash::http_failure>(&result)) return failure->text;
    const auto status = std::get<qstash::http_answer>(result).status;
    if (status >= 200 && status <= 299) return {};
    return fmt::format("answered {}{}", status, status >= 300 && status <= 399 ? "; redirects are not followed" : "");
}

} // namespace

alarm_sender::alarm_sender(run_store& store, alarm_receiver receiver, run_observers observers, rhythm with)
    : store_{store}
    , receiver_{std::move(receiver)}
    , observers_{std::move(observers)}
    , rhythm_{with}
    , turned_at_{clock::now().time_since_epoch().count()}
    , loop_{[this](const std::stop_token& stop) { send_alarms(stop); }} {}

void alarm_sender::finish(int most) {
    loop_.request_stop();
    if (loop_.joinable()) loop_.join();
    try {
        while (most-- > 0 && send_one()) {
        }
    } catch (const std::exception& e) { // another worker sends them
        log::event(log::level::warn, "alarms were not sent", {{"error", e.what()}});
    }
}

clock::time_point alarm_sender::last_turn() const { return clock::time_point{clock::duration{turned_at_.load()}}; }

void alarm_sender::send_alarms(const std::stop_token& stop) {
    store_outage store_away;
    auto next_giving_up = clock::now();
    while (!stop.stop_requested()) {
        try {
            bool more = true;
            while (more && !stop.stop_requested()) {
                more = send_one();
                turned_at_ = clock::now().time_since_epoch().count();
            }
            if (clock::now() >= next_giving_up) {
                next_giving_up = clock::now() + give_up_every;
                give_up_old();
            }
            store_away.ends();
        } catch (const std::exception& e) {
            store_away.goes_on("sending alarms", e.what());
        }
        turned_at_ = clock::now().time_since_epoch().count();
        for (auto* observer : observers_) observer->loop_turned("alarm");
        rest(rhythm_.look, stop);
    }
}

/// @returns false when nothing was due
bool alarm_sender::send_one() {
    const auto alarm = store_.claim_alarm(2 * rhythm_.answer_limit);
    if (!alarm) return false;
    auto request = webhook_request(receiver_, *alarm);
    request.total_limit = rhythm_.answer_limit;
    const auto problem = problem_of(qstash::http_call(request));
    for (auto* observer : observers_) observer->alarm_tried(problem.empty() ? "sent" : "failed");
    if (problem.empty()) {
        log::event(log::level::info, "alarm sent", {{"alarm", alarm->alarm_id}, {"type", alarm->type}});
        store_.end_alarm(*alarm);
        return true;
    }
    const auto pause = alarm_pause(alarm->tries, rhythm_.first_pause);
    log::event(
        log::level::warn, "alarm not sent",
        {{"alarm", alarm->alarm_id},
         {"type", alarm->type},
         {"try", alarm->tries},
         {"error", problem},
         {"next_try_s", std::chrono::duration_cast<std::chrono::seconds>(pause).count()}});
    store_.retry_alarm(*alarm, pause, problem);
    return true;
}

void alarm_sender::give_up_old() {
    for (const auto& alarm : store_.give_up_alarms(rows_at_once)) {
        if (alarm.tries == 0) continue; // from when there was nobody to be told
        log::event(
            log::level::error, "alarm given up",
            {{"alarm", alarm.alarm_id},
             {"type", alarm.type},
             {"tries", alarm.tries},
             {"error", alarm.error},
             {"hint", "nobody was told for a day: put the receiver at TIDESYNC_ALARM_URL right; `tidesync runs` shows "
                      "what happened"}});
        for (auto* observer : observers_) observer->alarm_tried("given_up");
    }
}

std::chrono::milliseconds alarm_pause(int tries, std::chrono::milliseconds first) {
    const auto whole =
        std::min<std::chrono::milliseconds>(pause_max, first * (1LL << (2 * std::clamp(tries - 1, 0, 15))));
    thread_local std::mt19937 random{std::random_device{}()};
    return std::chrono::milliseconds{
        std::uniform_int_distribution<std::chrono::milliseconds::rep>{whole.count() / 2, whole.count()}(random)};
}

} // namespace tidesync::worker
