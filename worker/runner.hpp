#pragma once

#include "jobs/job.hpp"
#include "worker/run_store.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tidesync::worker {

/// Runs claimed runs, each on a thread of its own: heartbeats, retries with back-off, the time limit, the end.
class runner {
public:
    struct limits {
        std::chrono::seconds run_time{6 * 3600};
        int tries_max = 3; ///< within one attempt: failures that pass with time are tried again here
    };

    /// Also told of everything a job says about its progress, for a progress display. May be null.
    runner(run_store&, const std::vector<jobs::job*>&, limits, jobs::progress_sink* audience = nullptr);
    ~runner(); ///< stops what still runs and waits for it

    /// Takes charge of a run until it has ended.
    void start(claimed_run);

    /// Waits until a run that this process started has ended.
    /// @returns false when it still runs after `patience`
    bool wait(const std::string& run_id, std::chrono::milliseconds patience);

    /// Lets what runs finish within `patience`, then stops it: it is rolled back and released for the next delivery.
    void drain(std::chrono::milliseconds patience);

    /// A person pressed Ctrl-C: what runs is rolled back and ends as cancelled.
    void interrupt();

private:
    struct active_run;
    enum class stop_reason { none, draining, interrupted, lease_lost, time_limit };

    void work(active_run&);
    void beat(active_run&, const std::stop_token&);
    jobs::result try_job(active_run&);
    void finish(active_run&, const jobs::result&);
    void stop(active_run&, stop_reason);

    run_store& store_;
    std::map<std::string, jobs::job*, std::less<>> jobs_;
    limits limits_;
    jobs::progress_sink* audience_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool draining_ = false;
    std::map<std::int64_t, std::unique_ptr<active_run>> active_; ///< by lease token: a run may be taken up twice here
};

} // namespace tidesync::worker
