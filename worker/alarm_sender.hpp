#pragma once

#include "worker/run_observer.hpp"
#include "worker/webhook.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace tidesync::worker {

/// Brings alarms from the run store to their receiver, whichever worker made them. At least once, with an id that stays
/// the same; two workers do not try at the same time. Has a thread of its own, so that a slow receiver delays nothing.
class alarm_sender {
public:
    struct rhythm {
        std::chrono::milliseconds look{2000}; ///< between two looks for something to tell
        std::chrono::milliseconds answer_limit{
            10000};                                  ///< that the receiver has; its worker died when twice that passed
        std::chrono::milliseconds first_pause{5000}; ///< after the first try that failed; see alarm_pause
    };

    /// Starts at once.
    /// @param observers  must outlive the sender
    alarm_sender(run_store&, alarm_receiver, run_observers observers, rhythm);
    ~alarm_sender() = default; ///< waits for the try that is under way
    alarm_sender(const alarm_sender&) = delete;
    alarm_sender& operator=(const alarm_sender&) = delete;

    /// Begins no further try; returns at once.
    void stop() { loop_.request_stop(); }

    /// Stops, and then tells of what is due right now, on the caller's thread: for a process that is about to end.
    /// @param most  alarms
    void finish(int most);

    /// When the loop last went round, successful or not.
    [[nodiscard]] std::chrono::steady_clock::time_point last_turn() const;

private:
    void send_alarms(const std::stop_token&);
    bool send_one();
    void give_up_old();

    run_store& store_;
    alarm_receiver receiver_;
    run_observers observers_;
    rhythm rhythm_;
    std::atomic<std::chrono::steady_clock::rep> turned_at_;
    std::jthread loop_; ///< last: it uses all of the above
};

/// Until the next try: four times as long after each failure, at most 4 h, somewhere between half of that and all of
/// it.
/// @param tries  that have failed, from 1
[[nodiscard]] std::chrono::milliseconds alarm_pause(int tries, std::chrono::milliseconds first);

} // namespace tidesync::worker
