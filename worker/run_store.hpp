#pragma once

#include "jobs/stores/postgres/address.hpp"
#include "worker/runs.hpp"
#include "worker/transactions.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidesync::worker {

/// How many alarms the history shows.
inline constexpr int alarms_shown_max = 20;

/// Runs, durably: nothing is answered with a 2xx before its row is committed. Holds no session state, so that a
/// transaction-mode pooler may stand in between; times are judged by the store's clock. Every function throws
/// postgres::error when the store does not answer; all may be called from any thread.
class run_store {
public:
    static constexpr std::size_t working_connections_max = 8;
    /// Two, so that the beats of other runs need not wait for one that hangs.
    static constexpr std::size_t beating_connections_max = 2;

    /// Of one job, not ended. They wait for nobody, so that nothing else keeps them from taking every handler. One
    /// fewer than a worker has room for, so that one that writes finds some.
    static constexpr int dry_runs_max = 3;

    /// @param lease  how long a worker that fell silent keeps its run
    explicit run_store(postgres::address, std::chrono::milliseconds lease = std::chrono::seconds{30});

    [[nodiscard]] std::chrono::milliseconds lease() const { return lease_; }

    enum class rules {
        set, ///< what this process was told counts from now on
        keep ///< the job's own stay, where it is known already
    };
    /// Makes a job known.
    void register_job(const job_rules&, rules = rules::set);

    // -- asking for a run: run_store_accept.cpp

    /// Finds or makes the run of a request. One transaction.
    /// @param worker  of a process that has room for the run: claims it where it may start at once. Empty: only stored
    acceptance accept(const run_request&, const std::string& worker);

    /// For whoever stands in when the queue is silent: makes a run when the last tick was not served.
    struct fallback {
        enum class kind { created, served, paused };
        kind what = kind::created;
        std::string slot;        ///< the tick, ISO 8601
        run_view run{};          ///< that was made, or that serves it: id, state and trigger
        std::string paused_by{}; ///< and of a pause, who and why
        std::string paused_reason{};
    };
    fallback ensure(const run_request&);

    // -- working on runs: run_store.cpp

    /// Takes the run that has waited longest and may start now.
    /// @param jobs  that this worker knows
    std::optional<claimed_run> claim_next(const std::string& worker, const std::vector<std::string>& jobs);

    struct beat {
        bool held = true;       ///< false: the lease was lost
        bool cancelled = false; ///< somebody wants the run stopped
        bool late = false;      ///< its deadline has passed
    };
    /// Has connections of its own, so that it never waits behind other work.
    beat heartbeat(const claimed_run&, const nlohmann::json& progress);

    /// @returns the state the run is in now; nothing when the lease was lost
    std::optional<std::string>
    end(const claimed_run&, const run_end&, const jobs::report&, const std::optional<jobs::failure>&);

    struct buried_run {
        std::string run_id;
        std::string job;
        std::string state; ///< retry_wait, dead or cancelled
        std::string worker{};
        int crashes = 0;
        bool dry_run = false;
        std::string error_code{};
        std::string error_message{};
    };
    /// Takes runs from workers that fell silent.
    std::vector<buried_run> bury_lost(int rows_max);
    /// Ends runs that nobody works on and whose deadline has passed. @returns what they were
    std::vector<buried_run> end_late(int rows_max);
    /// Forgets runs that ended long ago, and old alarms. @returns as many as `rows_max` when there may be more
    int prune(int days_kept, int days_kept_dead, int rows_max);
    /// Forgets entries of the audit after a year, and tokens that opened nothing for as long. @returns the same
    int prune_audit(int rows_max);

    // -- watching over jobs: run_store_watch.cpp

    /// Writes down which jobs are late. @returns what has changed; of several workers that ask, one is told
    std::vector<lateness_change> note_lateness();
    /// For metrics: how many runs there are, and when what happened last.
    store_figures read_figures();

    /// Takes the alarm that has waited longest, for one try.
    /// @param hold  after it another worker may try
    std::optional<due_alarm> claim_alarm(std::chrono::milliseconds hold);
    void end_alarm(const due_alarm&);
    void retry_alarm(const due_alarm&, std::chrono::milliseconds after, const std::string& why);
    /// Ends what nobody could be told of for a day. @returns as many as `rows_max` when there may be more
    std::vector<lost_alarm> give_up_alarms(int rows_max);

    // -- looking and steering: run_store_views.cpp

    /// @param run_id  any text; what is not a UUID is not found
    std::optional<run_view> find(const std::string& run_id);
    /// Newest first. @param job, state  only of these; empty: of any
    std::vector<run_view> list(int rows_max, const std::string& job = {}, const std::string& state = {});
    std::vector<job_view> list_jobs();

    /// @returns the state that the run is in now; nothing when it had ended or is unknown
    std::optional<std::string> cancel(const std::string& run_id, const requester&);
    /// @returns false for an unknown job
    bool pause(const std::string& job, const requester&, const std::string& reason);
    /// @returns whether it was paused; nothing for an unknown job
    std::optional<bool> resume(const std::string& job, const requester&);

    /// Writes down what is done elsewhere, at QStash. What is done here is written with it.
    void record(const audit_entry&);
    /// Newest first.
    std::vector<audit_view> list_audit(int rows_max);

    /// Remembers that QStash gave a message up; `received_at` and `run_id` of the argument are not looked at.
    /// @returns false when it was remembered before
    bool add_alarm(const delivery_alarm&);
    /// Newest first.
    std::vector<delivery_alarm> list_alarms(int rows_max);

    /// Asks the store for an answer. Throws when there is none.
    void ping();

    /// How its two sets of connections are used: of all work, and of heartbeats. Asks nobody.
    [[nodiscard]] transactions::usage usage() const { return transactions_.used(); }
    [[nodiscard]] transactions::usage usage_of_beats() const { return beats_.used(); }

private:
    std::chrono::milliseconds lease_;
    transactions transactions_;
    transactions beats_;
};

} // namespace tidesync::worker
