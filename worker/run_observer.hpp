#pragma once

#include "worker/run_store.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidesync::worker {

/// An attempt of this process, told after its end was stored, or could not be.
struct ended_attempt {
    const claimed_run& claim;
    run_end::kind how;
    std::optional<std::string> state; ///< of the run now; nothing when the store did not take this end
    bool lease_lost = false;          ///< somebody else may have the run
    const jobs::report& report;
    const std::optional<jobs::failure>& failure;
    std::chrono::milliseconds took; ///< the attempt alone
};

/// Is told what this process, and no other, does to runs: each event once. Called from many threads; must return
/// quickly and not throw. What it does not want to know it leaves as it is here.
class run_observer {
public:
    virtual ~run_observer() = default;

    virtual void run_accepted(const run_request&, decision) {}
    virtual void run_started(const claimed_run&) {}
    virtual void attempt_ended(const ended_attempt&) {}
    /// A run was taken from a worker that fell silent.
    virtual void run_rescued(const run_store::buried_run&) {}
    /// A run ended that nobody worked on: its deadline passed.
    virtual void run_expired(const run_store::buried_run&) {}
    /// A run that nobody worked on was cancelled.
    virtual void run_cancelled(std::string_view /*job*/) {}
    virtual void beat_failed() {}
    /// @param outcome  of a ping: `sent`, `failed`, or `dropped` because too many waited
    virtual void pinged(std::string_view /*outcome*/) {}
    /// @param outcome  of one try to tell of an alarm: `sent` or `failed`; `given_up` once nobody will try again
    virtual void alarm_tried(std::string_view /*outcome*/) {}
    /// @param loop  `claim`, `tend` or `alarm`
    virtual void loop_turned(std::string_view /*loop*/) {}
    /// @param figures  null when the store did not answer
    virtual void store_read(const store_figures* /*figures*/) {}
};

using run_observers = std::vector<run_observer*>;

} // namespace tidesync::worker
