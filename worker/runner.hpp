#pragma once

#include "jobs/job.hpp"
#include "worker/run_observer.hpp"
#include "worker/run_store.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tidesync::worker {

/// Works on claimed runs, each on a thread of its own: heartbeats, the time limit, cancellation, the end. What fails
/// and may pass with time is given back to the run store for later; run_queue brings it again, here or elsewhere.
class runner {
public:
    struct limits {
        std::chrono::seconds run_time{6 * 3600}; ///< of one attempt
        int runs_max = 4; ///< at once, for each job; one of them by the store's rules, the rest are dry runs
    };

    /// @param audience   also told of everything a job says about its progress, for a progress display. May be null
    /// @param observers  told what becomes of runs here; must outlive the runner
    runner(
        run_store&, const std::vector<jobs::job*>&, limits, jobs::progress_sink* audience = nullptr,
        run_observers observers = {});
    ~runner(); ///< stops what still runs and waits for it

    /// The jobs that can be worked on.
    [[nodiscard]] const std::vector<std::string>& jobs() const { return names_; }

    /// For whoever else does something to runs in this process.
    [[nodiscard]] const run_observers& observers() const { return observers_; }

    /// False while all places are taken, while heartbeats do not get through (a worker that cannot keep a lease must
    /// take no more), and for ever once it drains.
    [[nodiscard]] bool has_room() const;

    /// Takes charge of a run until its attempt has ended.
    void start(claimed_run);

    /// Waits until the attempt that this process makes at a run has ended.
    /// @returns false when it still goes on after `patience`
    bool wait(const std::string& run_id, std::chrono::milliseconds patience);

    /// Called, from any thread, when an attempt has ended. Waits for a call that is under way.
    void when_one_ends(std::function<void()> then) {
        const std::scoped_lock lock{then_mutex_};
        then_ = std::move(then);
    }

    /// Lets what runs finish within `patience`, then stops it: it is rolled back and released for another worker.
    void drain(std::chrono::milliseconds patience);

    /// A person pressed Ctrl-C: the run is rolled back and ends as cancelled, when this process works on it.
    void interrupt(const std::string& run_id);

private:
    struct active_run;
    enum class stop_reason { none, draining, interrupted, cancelled, lease_lost, time_limit, deadline };

    void work(active_run&);
    void beat(active_run&, const std::stop_token&);
    void watch(active_run&, const std::stop_token&);
    struct ending;
    ending try_job(active_run&);
    ending take_last_look(active_run&);
    jobs::run_context context_of(active_run&) const;
    ending ending_of(active_run&, jobs::result);
    jobs::failure explain_refusal(active_run&, jobs::failure);
    void finish(active_run&, const ending&);
    void stop(active_run&, stop_reason);

    run_store& store_;
    std::map<std::string, jobs::job*, std::less<>> jobs_;
    std::vector<std::string> names_;
    limits limits_;
    jobs::progress_sink* audience_;
    run_observers observers_;
    std::mutex then_mutex_;
    std::function<void()> then_;
    mutable std::mutex mutex_;
    std::condition_variable ended_;
    bool draining_ = false;
    std::map<std::int64_t, std::unique_ptr<active_run>> active_; ///< by lease token: a run may be taken up twice here
};

/// How long to wait before the next attempt: 5 s, 15 s, 45 s, 2 min, then 5 min, somewhere between half of that and all
/// of it, so that workers do not come back all at once; and never less than the job asks for.
/// @param attempt  the one that failed, from 1
[[nodiscard]] std::chrono::milliseconds pause_before_next(int attempt, std::chrono::seconds asked);

} // namespace tidesync::worker
