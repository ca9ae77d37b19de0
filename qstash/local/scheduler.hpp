#pragma once

#include "qstash/local/delivery.hpp"
#include "qstash/local/sender.hpp"
#include "qstash/local/store.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidesync::qstash::local {

/// What is worth telling the operator; never a token, a key, a body, or the query of a URL.
struct observer {
    using fields = std::vector<std::pair<std::string, std::string>>;
    std::function<void(std::string_view what, const fields&)> warn = [](std::string_view, const fields&) {};
};

/// The loop that makes schedules tick and messages arrive. Any number of them may share one store: each row is worked
/// on by one of them, and what a killed one left behind is taken up by the others when its lease ends.
class scheduler {
public:
    struct settings {
        destination_policy policy{};
        tick_rules ticks{};
        sender::limits sending{};
        std::chrono::seconds response_limit{900}; ///< of one delivery
        std::chrono::milliseconds lease{30'000};  ///< how long a killed process keeps its messages
        std::chrono::milliseconds poll{500};      ///< at the latest; a tick or a publish here ends the wait earlier
        std::chrono::seconds drain_limit{10};     ///< how long attempts under way may go on at the end
        std::chrono::seconds kept_for{7 * 86400}; ///< messages that are over, their logs, and dead letters
        int under_way_max = 256;
        int under_way_of_host_max = 32;                       ///< so that an application that hangs stops nobody else
        std::size_t bytes_under_way_max = 64UL * 1024 * 1024; ///< of bodies
        std::function<time_point()> clock{};                  ///< for tests; nothing: the store's
    };

    /// @param shared  must outlive the scheduler
    scheduler(const store& shared, settings, observer);

    /// Works until it is told to stop; then lets attempts under way end, and gives back those that do not in time.
    void run(const std::stop_token&);

    /// Something new may be due. From any thread.
    void wake();

private:
    std::chrono::milliseconds step();
    void record_one(const incoming&, time_point now);
    [[nodiscard]] claim_limits room() const;
    tick plan(const due_schedule&, time_point now);
    void record();
    void keep_leases();
    bool claim(time_point now);
    void forget_old(time_point now) noexcept;
    void drain();
    [[nodiscard]] time_point now() const;
    [[nodiscard]] std::vector<std::int64_t> held() const;

    const store& store_;
    settings settings_;
    observer observer_;
    sender sender_;
    std::map<std::int64_t, attempt> attempts_; ///< under way or not yet recorded, by lease token
    std::deque<incoming> answers_;             ///< not yet recorded
    std::chrono::steady_clock::time_point leases_kept_;
    std::chrono::steady_clock::time_point forget_at_;
    bool in_trouble_ = false;
    std::size_t bytes_under_way_ = 0;
};

} // namespace tidesync::qstash::local
