#pragma once

#include "worker/run_observer.hpp"
#include "worker/secret.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace tidesync::worker {

/// A dead man's switch: tells an address when a run starts, and how it ended, so that somebody else notices when
/// nothing comes any more. Of one job only, or the runs of another would keep the switch from falling; not of dry runs.
/// Best effort, on a thread of its own: a run never waits for it. Source:
/// Healthchecks' documentation, "Pinging API": `/start`, `/fail`, and `rid`, which here is the run's id.
class pings final : public run_observer {
public:
    struct rhythm {
        std::chrono::milliseconds answer_limit{10000};
        std::chrono::milliseconds pause{2000}; ///< before the second try; twice that before the third and last one
    };

    /// @param url        without a trailing slash, query and fragment; may be as good as a password
    /// @param observers  told of pings; must outlive this
    pings(secret url, std::string job, run_observers observers, rhythm);
    ~pings() override; ///< drops what waits; waits for the call that is under way
    pings(const pings&) = delete;
    pings& operator=(const pings&) = delete;

    void run_started(const claimed_run&) override;
    void attempt_ended(const ended_attempt&) override;
    void run_expired(const run_store::buried_run&) override;

    /// Waits until everything is told, at most `patience`.
    void finish(std::chrono::milliseconds patience);

private:
    struct ping {
        std::string path; ///< behind the address
        std::string run_id;
        std::string body; ///< empty: none
    };

    void add(ping);
    void add_failure(const run_store::buried_run&);
    void send_pings(const std::stop_token&);
    void send(const ping&, const std::stop_token&);
    void tell(std::string_view outcome);

    secret url_;
    std::string job_;
    run_observers observers_;
    rhythm rhythm_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<ping> waiting_; ///< the first is the one under way
    std::jthread loop_;        ///< last: it uses all of the above
};

} // namespace tidesync::worker
