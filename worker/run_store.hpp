#pragma once

#include "jobs/outcome.hpp"
#include "jobs/report.hpp"
#include "jobs/stores/postgres/address.hpp"
#include "worker/failure_callback.hpp"
#include "worker/transactions.hpp"

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

namespace tidesync::worker {

/// How many alarms the history shows.
inline constexpr int alarms_shown_max = 20;

/// How long a worker that fell silent keeps its run. Judged by the store's clock.
inline constexpr std::chrono::seconds lease_time{30};
inline constexpr std::chrono::seconds heartbeat_every{5};

/// Which message a request is, when it is one.
struct message_key {
    std::string source; ///< `qstash`
    std::string message_id;
    std::string jti;             ///< signed, unlike the message id: the first message id seen with it keeps it
    std::int64_t expires_at = 0; ///< unix seconds
    std::string body_sha256;     ///< hex
};

struct run_request {
    std::string job;
    std::string trigger; ///< qstash, manual, cronjob or redrive
    std::string actor;   ///< who asked; goes into the history
    bool dry_run = false;
    std::optional<message_key> message;
};

/// A run that this worker now holds.
struct claimed_run {
    std::string run_id;
    std::string job;
    std::int64_t lease_token = 0;
    int attempt = 0;
    bool dry_run = false;
};

enum class decision {
    created,      ///< a new run, and it is ours
    taken_over,   ///< a known run that nobody worked on any more, and it is ours now
    attached,     ///< a message seen before: its run, whatever became of it
    coalesced,    ///< a new request while a run is active: it belongs to that run
    replayed,     ///< a token seen before with another message id
    body_differs, ///< a message id seen before with another body
};

/// As documents and metrics write it, equal to the enumerator.
[[nodiscard]] std::string_view to_string(decision) noexcept;

/// A run as it is shown.
struct run_view {
    std::string run_id;
    std::string job;
    std::string state; ///< queued, running, retry_wait, succeeded, dead, cancelled
    std::string trigger;
    std::string actor;
    bool dry_run = false;
    bool alive = false; ///< running, and its worker still beats
    int attempt = 0;
    std::string created_at; ///< ISO 8601, UTC
    std::string started_at;
    std::string finished_at;
    std::vector<std::string> messages; ///< ids of the messages that asked for it, the first 20
    nlohmann::json progress;
    nlohmann::json error; ///< {code, message, hint} or null
    std::optional<jobs::report> report;
    std::optional<delivery_alarm> alarm; ///< the latest of its messages that QStash gave up
};

struct acceptance {
    decision what = decision::created;
    std::string run_id;
    std::optional<claimed_run> claimed; ///< for created and taken_over
    std::optional<run_view> ended{};    ///< for attached, when the run has ended: what its answer needs
};

enum class run_end { succeeded, dead, cancelled, released };

/// Runs, durably: nothing is answered with a 2xx before its row is committed. Holds no session state, so that a
/// transaction-mode pooler may stand in between. Every function throws postgres::error when the store does not answer;
/// all may be called from any thread.
class run_store {
public:
    explicit run_store(postgres::address);

    void register_job(const std::string& name);

    /// Finds or makes the run of a request and claims it where nobody works on it. One transaction.
    /// @param worker  name of this process, for the history
    acceptance accept(const run_request&, const std::string& worker);

    /// @returns false when the lease was lost
    bool heartbeat(const claimed_run&, const nlohmann::json& progress);

    /// @returns the state the run is in now; nothing when the lease was lost
    std::optional<std::string>
    end(const claimed_run&, run_end, const jobs::report&, const std::optional<jobs::failure>&);

    /// @param run_id  any text; what is not a UUID is not found
    std::optional<run_view> find(const std::string& run_id);
    std::vector<run_view> list(int rows_max);

    /// Remembers that QStash gave a message up; `received_at` and `run_id` of the argument are not looked at.
    /// @returns false when it was remembered before
    bool add_alarm(const delivery_alarm&);
    /// Newest first.
    std::vector<delivery_alarm> list_alarms(int rows_max);

    /// Asks the store for an answer. Throws when there is none.
    void ping();

private:
    template <typename Body>
    auto in_transaction(std::string_view activity, Body&& body);

    transactions transactions_;
};

} // namespace tidesync::worker
