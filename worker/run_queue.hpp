#pragma once

#include "worker/run_store.hpp"
#include "worker/runner.hpp"
#include "worker/store_outage.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

namespace tidesync::worker {

/// Brings runs from the run store to the runner, whoever asked for them: what waits in line, what is to be tried again,
/// what a worker that died has left. Every worker has one and none is in charge.
class run_queue {
public:
    struct rhythm {
        std::chrono::milliseconds claim{1000}; ///< between two looks for something to do; a fifth more or less
        int days_kept = 90;                    ///< how long runs that are over are remembered
        int days_kept_dead = 365;
    };

    /// Starts at once.
    run_queue(run_store&, runner&, std::string worker_name, rhythm);
    ~run_queue();
    run_queue(const run_queue&) = delete;
    run_queue& operator=(const run_queue&) = delete;

    /// Something may be there to do: looks now.
    void wake();

    /// Takes no more runs. Those that are under way are the runner's.
    void stop();

    /// When the loops last went round, successful or not: what stands still is dead.
    [[nodiscard]] std::chrono::steady_clock::time_point last_turn() const;

private:
    void claim_runs(const std::stop_token&);
    void tend_runs(const std::stop_token&);
    template <typename Work>
    bool turn(store_outage&, std::string_view what, Work&&);
    void turned(std::string_view loop, std::atomic<std::chrono::steady_clock::rep>& at);
    void bury_runs();
    bool look_after_jobs(store_outage&);
    void rest(std::chrono::milliseconds, const std::stop_token&, bool wakeable);

    run_store& store_;
    runner& runs_;
    std::string worker_;
    rhythm rhythm_;
    std::mutex mutex_;
    std::condition_variable_any wake_;
    bool awake_ = false;
    std::atomic<std::chrono::steady_clock::rep> claimed_at_;
    std::atomic<std::chrono::steady_clock::rep> tended_at_;
    std::jthread claims_;
    std::jthread tends_;
};

} // namespace tidesync::worker
