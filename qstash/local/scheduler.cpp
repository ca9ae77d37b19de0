#include "qstash/local/scheduler.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
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
    , forget_at_{steady_clock::now()} {}

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
    tokens.reserve(attempts_.size());
    for (const auto& [token, attempt] : attempts_) tokens.push_back(token);
    return tokens;
}

/// @returns how long to wait
std::chrono::milliseconds scheduler::step() {
    record();
    const auto time = now();
    keep_leases();
    forget_old(time);
    const auto due = store_.next_due();
    if (!due) return settings_.poll;
    if (*due > time) return std::min(settings_.poll, *due - time + std::chrono::milliseconds{1});
    const int fired = store_.fire_schedules(
        time, schedules_at_once, [&](const due_schedule& schedule) { return plan(schedule, time); });
    const bool claimed = claim(time);
    // Neither: other replicas hold what is due, or there is no room. Do not ask again at once.
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
    if (answers_.empty()) return;
    const auto time = now();
    int in_a_row = 0;
    for (auto left = answers_.size(); left > 0; --left) {
        keep_leases();
        auto answer = std::move(answers_.front());
        answers_.pop_front();
        try {
            record_one(answer, time);
            in_a_row = 0;
        } catch (const std::exception&) {
            // Perhaps it is this answer that cannot be stored: next time without what the destination said.
            answer.result.headers.clear();
            answer.result.body.clear();
            answers_.push_back(std::move(answer));
            if (++in_a_row == 2) throw; // it is the store
        }
    }
}

void scheduler::record_one(const incoming& answer, time_point time) {
    const auto found = attempts_.find(answer.id);
    const auto& made = found->second;
    const auto step = decide(answer.result, made.message.options, made.retried, time);
    const auto what = store_.end_attempt(made, answer.result, end_of(made, answer.result, step, time), time);
    if (what == recorded::nothing)
        observer_.warn("an answer came after its lease had ended", {{"message", made.message.message_id}});
    else if (what == recorded::step && std::holds_alternative<failed>(step))
        observer_.warn(
            "message failed for good", {{"message", made.message.message_id},
                                        {"url", place_of(made.message.options.destination)},
                                        {"status", std::to_string(answer.result.status)},
                                        {"error", answer.result.error},
                                        {"dlq", dlq_id_of(made, time)}});
    bytes_under_way_ -= made.message.body.size();
    attempts_.erase(found);
}

void scheduler::keep_leases() {
    if (steady_clock::now() - leases_kept_ < settings_.lease / 6) return;
    store_.keep_leases(held(), now(), settings_.lease);
    leases_kept_ = steady_clock::now();
}

claim_limits scheduler::room() const {
    claim_limits most;
    most.rows_max = settings_.under_way_max - static_cast<int>(attempts_.size());
    if (bytes_under_way_ >= settings_.bytes_under_way_max) most.rows_max = 0;
    std::map<std::string, int> by_host;
    for (const auto& [token, attempt] : attempts_) ++by_host[attempt.host];
    for (const auto& [host, count] : by_host)
        // A host gets a share at once, and no further one before half of that is free again.
        if (count > settings_.under_way_of_host_max / 2) most.full_hosts.push_back(host);
    most.rows_of_host_max = settings_.under_way_of_host_max / 2;
    return most;
}

bool scheduler::claim(time_point time) {
    const auto most = room();
    if (most.rows_max <= 0) return false;
    std::vector<std::int64_t> claimed;
    for (auto& attempt : store_.claim_messages(time, settings_.lease, most)) {
        claimed.push_back(attempt.lease_token);
        bytes_under_way_ += attempt.message.body.size();
        attempts_.emplace(claimed.back(), std::move(attempt));
    }
    // Receivers compare with their own clocks, so this is not the store's.
    const auto signed_at = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    for (const auto token : claimed) {
        try {
            sender_.start(request_of(attempts_.at(token), signed_at, settings_.response_limit));
        } catch (const std::exception& e) {
            answers_.push_back({.id = token, .result = {.status = 0, .headers = {}, .body = {}, .error = e.what()}});
        }
    }
    return !claimed.empty();
}

void scheduler::forget_old(time_point time) noexcept {
    if (steady_clock::now() < forget_at_) return;
    forget_at_ = steady_clock::now() + forget_every;
    try {
        if (store_.forget_old(time, settings_.kept_for, forgotten_at_once) == forgotten_at_once)
            forget_at_ = steady_clock::now(); // there is more
    } catch (const std::exception& e) {
        // Deliveries matter more: this waits for its next turn.
        observer_.warn("old messages could not be forgotten", {{"error", e.what()}});
    }
}

void scheduler::drain() {
    const auto until = steady_clock::now() + settings_.drain_limit;
    try {
        while (!attempts_.empty() && steady_clock::now() < until) {
            keep_leases();
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
