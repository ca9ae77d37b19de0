#include "qstash/local/scheduler.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>

namespace tidesync::qstash::local {

namespace {

using std::chrono::steady_clock;

constexpr int schedules_at_once = 100;
constexpr int forgotten_at_once = 500;
constexpr std::chrono::minutes forget_every{10};
constexpr std::chrono::seconds pause_in_trouble{1};

/// Without the query, which may hold secrets.
std::string place_of(const std::string& url) { return url.substr(0, url.find('?')); }

} // namespace

scheduler::scheduler(const store& shared, settings with, observer watching)
    : store_{shared}
    , settings_{std::move(with)}
    , observer_{std::move(watching)}
    , sender_{settings_.policy, settings_.sending}
    , leases_kept_{steady_clock::now()}
    , forgotten_{steady_clock::now()} {}

void scheduler::run(const std::stop_token& stop) {
    const std::stop_callback wakes{stop, [this] { wake(); }};
    while (!stop.stop_requested()) {
        std::chrono::milliseconds pause = pause_in_trouble;
        try {
            pause = step();
            in_trouble_ = false;
        } catch (const std::exception& e) {
            // Nothing is lost: answers wait here, messages and ticks in the store.
            if (!std::exchange(in_trouble_, true))
                observer_.warn("scheduler waits for its store", {{"error", e.what()}});
        }
        auto ended = sender_.work(pause);
        std::ranges::move(ended, std::back_inserter(answers_));
    }
    drain();
}

void scheduler::wake() { sender_.wake(); }

time_point scheduler::now() const { return settings_.clock ? settings_.clock() : store_.now(); }

std::vector<std::int64_t> scheduler::held() const {
    std::vector<std::int64_t> tokens;
    for (const auto& [token, attempt] : attempts_) tokens.push_back(token);
    return tokens;
}

/// @returns how long to wait
std::chrono::milliseconds scheduler::step() {
    record();
    const auto time = now();
    keep_leases(time);
    forget_old(time);
    const auto due = store_.next_due();
    if (!due) return settings_.poll;
    if (*due > time) return std::min(settings_.poll, *due - time + std::chrono::milliseconds{1});
    const int fired = store_.fire_schedules(
        time, schedules_at_once, [&](const due_schedule& schedule) { return plan(schedule, time); });
    const bool claimed = claim(time);
    // Neither: other replicas hold what is due, or this one is full. Do not ask again at once.
    return fired > 0 || claimed ? std::chrono::milliseconds{0} : settings_.poll;
}

tick scheduler::plan(const due_schedule& schedule, time_point time) {
    try {
        auto planned = plan_tick(schedule, time, settings_.ticks);
        if (!planned.message)
            observer_.warn("missed ticks were dropped", {{"schedule", schedule.schedule_id}, {"cron", schedule.cron}});
        return planned;
    } catch (const std::invalid_argument& e) {
        // It could be read when it was made: the zone is gone from the system. The other schedules go on.
        observer_.warn("schedule cannot tick", {{"schedule", schedule.schedule_id}, {"error", e.what()}});
        return {.message = std::nullopt, .next = time + std::chrono::minutes{5}};
    }
}

void scheduler::record() {
    while (!answers_.empty()) {
        const auto& answer = answers_.back();
        const auto found = attempts_.find(answer.id);
        const auto& made = found->second;
        const auto time = now();
        const auto step = decide(answer.result, made.message.options, made.retried, time);
        const attempt_end end{.step = step, .callbacks = callbacks_of(made, answer.result, step, time)};
        if (!store_.end_attempt(made, answer.result, end, time))
            observer_.warn("an answer came after its lease had ended", {{"message", made.message.message_id}});
        else if (std::holds_alternative<failed>(step))
            observer_.warn(
                "message failed for good", {{"message", made.message.message_id},
                                            {"url", place_of(made.message.options.destination)},
                                            {"status", std::to_string(answer.result.status)},
                                            {"error", answer.result.error},
                                            {"dlq", dlq_id_of(made, time)}});
        attempts_.erase(found);
        answers_.pop_back();
    }
}

void scheduler::keep_leases(time_point time) {
    if (steady_clock::now() - leases_kept_ < settings_.lease / 6) return;
    store_.keep_leases(held(), time, settings_.lease);
    leases_kept_ = steady_clock::now();
}

bool scheduler::claim(time_point time) {
    const int room = settings_.under_way_max - static_cast<int>(attempts_.size());
    if (room <= 0) return false;
    auto claimed = store_.claim_messages(time, settings_.lease, room);
    const auto signed_at = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    for (auto& attempt : claimed) {
        sender_.start(request_of(attempt, signed_at, settings_.response_limit));
        const auto token = attempt.lease_token;
        attempts_.emplace(token, std::move(attempt));
    }
    return !claimed.empty();
}

void scheduler::forget_old(time_point time) {
    if (steady_clock::now() - forgotten_ < forget_every) return;
    store_.forget_old(time, settings_.kept_for, forgotten_at_once);
    forgotten_ = steady_clock::now();
}

void scheduler::drain() {
    const auto until = steady_clock::now() + settings_.drain_limit;
    try {
        while (!attempts_.empty() && steady_clock::now() < until) {
            keep_leases(now());
            auto ended = sender_.work(std::chrono::milliseconds{100});
            std::ranges::move(ended, std::back_inserter(answers_));
            record();
        }
        store_.give_back(held(), now());
    } catch (const std::exception& e) {
        observer_.warn("messages under way are left to their leases", {{"error", e.what()}});
    }
}

} // namespace tidesync::qstash::local
