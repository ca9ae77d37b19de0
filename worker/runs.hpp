#pragma once

#include "jobs/job.hpp"
#include "jobs/outcome.hpp"
#include "jobs/report.hpp"
#include "worker/failure_callback.hpp"

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the run store is asked and what it tells.
namespace tidesync::worker {

/// What a message does that comes while a run of its job is active.
enum class overlap {
    forbid,    ///< it belongs to that run
    queue_one, ///< it makes one more run, afterwards; further ones belong to that
};

/// Why a job is paused; a longer reason is refused.
inline constexpr std::size_t pause_reason_bytes_max = 500;

/// What a job is to the run store.
struct job_rules {
    std::string name;
    worker::overlap overlap = overlap::forbid;
    std::chrono::seconds slot_every{6 * 3600}; ///< between two ticks of its schedule, counted from 1970, UTC
    std::chrono::seconds grace{3600};          ///< that a success may be overdue before the job is late
};

/// Who asks for something, and how it came to us.
struct requester {
    std::string actor;        ///< as the history shows it
    std::string request_id{}; ///< of HTTP; empty for the command line
    std::string remote{};     ///< address of the peer, or the host of the command line
};

/// Who did what. Written in the transaction that does it, so that nothing is done unrecorded, and nothing recorded that
/// was not done.
struct audit_entry {
    requester who;
    std::string action; ///< `run.cancel`; add_audit.sql lists them
    std::string job{};
    std::string run_id{};
    nlohmann::json detail = nlohmann::json::object();
};

/// An entry as it is shown.
struct audit_view {
    std::int64_t id = 0;
    std::string at; ///< ISO 8601, UTC
    audit_entry what;
};

/// Which message a request is, when it is one.
struct message_key {
    std::string source; ///< `qstash`, or `manual` for an Idempotency-Key
    std::string message_id;
    std::string jti; ///< signed, unlike the message id: the first message id seen with it keeps it. Empty for a person
    std::int64_t expires_at = 0; ///< of the token, unix seconds
    std::string body_sha256;     ///< hex
};

struct run_request {
    std::string job;
    std::string trigger; ///< qstash, manual, cronjob or redrive
    std::string actor;   ///< who asked; goes into the history
    bool dry_run = false;
    std::optional<message_key> message{};
    std::chrono::seconds time_for_all{24 * 3600}; ///< from now to the end of its last attempt
    std::string retry_of{};                       ///< redrive: the run that it makes up for
    std::string approves{};   ///< the run that a guard stopped and that it may make the difference of
    std::string request_id{}; ///< of a person: both for the audit
    std::string remote{};
};

/// A run that this worker now holds.
struct claimed_run {
    std::string run_id;
    std::string job;
    std::int64_t lease_token = 0;
    int attempt = 0;
    bool dry_run = false;
    bool last_look = false; ///< only to learn what earlier attempts did, and to see to it that they do no more
    std::optional<jobs::failure> failure{};                 ///< of a last look: why the end is due
    std::chrono::steady_clock::time_point asked{};          ///< when the claim was sent: the lease began no earlier
    std::chrono::milliseconds waited{};                     ///< since it might have started
    std::optional<std::chrono::milliseconds> since_start{}; ///< of its first attempt; nothing when this is the first
    std::optional<jobs::approval> approved{};
};

enum class decision {
    created,      ///< a new run, which may start at once
    queued,       ///< a new run, which starts when the active one has ended
    attached,     ///< a message seen before: its run, whatever became of it
    coalesced,    ///< a new request that an active or queued run serves
    skipped,      ///< the job is paused: a run that only says so
    unapprovable, ///< the run to be approved is none that a guard stopped, or was approved before: none was made
    crowded,      ///< too many dry runs of the job have not ended: none was made
    replayed,     ///< a token seen before with another message id
    body_differs, ///< a message id seen before with another body
};

/// As documents and metrics write it, equal to the enumerator.
[[nodiscard]] std::string_view to_string(decision) noexcept;

/// A run as it is shown.
struct run_view {
    std::string run_id;
    std::string job;
    std::string state; ///< queued, running, retry_wait, succeeded, dead, cancelled, skipped
    std::string trigger;
    std::string actor;
    bool dry_run = false;
    bool alive = false; ///< running, and its worker still beats
    int attempt = 0;
    int crashes = 0;          ///< workers that fell silent over it
    std::string retry_of;     ///< the run that it makes up for
    std::string cancelled_by; ///< who wants it cancelled, whether it is already or not
    std::string created_at;   ///< ISO 8601, UTC
    std::string run_after;    ///< when the next attempt may start, of retry_wait
    std::string started_at;
    std::string finished_at;
    std::vector<std::string> messages; ///< ids of the messages that asked for it, the first 20
    nlohmann::json progress;
    nlohmann::json error; ///< {code, message, hint} or null
    std::optional<jobs::report> report;
    std::optional<delivery_alarm> alarm; ///< the latest of its messages that QStash gave up

    [[nodiscard]] bool is_over() const { return state != "queued" && state != "running" && state != "retry_wait"; }
};

struct acceptance {
    decision what = decision::created;
    std::string run_id{};
    std::optional<claimed_run> claimed{}; ///< for created, when it was asked for
    std::string why{};                    ///< for unapprovable
    std::optional<run_view> ended{};      ///< for attached, when the run has ended: what its answer needs
};

/// How an attempt ended.
struct run_end {
    enum class kind {
        succeeded,
        retry,
        in_doubt, ///< the same, and it may have succeeded: nothing else is final before somebody has looked
        dead,
        cancelled,
        released, ///< given back whole
        settled,  ///< of a last look: nothing was done, nor can be any more
    };
    kind how = kind::succeeded;
    std::chrono::milliseconds after{}; ///< of retry and in_doubt: until the next attempt
};

/// As the store and metrics write it, equal to the enumerator.
[[nodiscard]] std::string_view to_string(run_end::kind) noexcept;

/// A job as it is shown.
struct job_view {
    std::string name;
    std::string overlap;
    std::string paused_at; ///< empty when it is not paused
    std::string paused_by;
    std::string paused_reason;
    std::string last_success; ///< when the last run that wrote ended well
    std::string expected_by;  ///< when the next one has to, at the latest
    bool late = false;        ///< that time has passed, and nobody paused the job
    std::string at_work;      ///< run id of what runs or waits for its next attempt
    std::string in_line;      ///< run id of what starts after it
};

/// A job that has become late, or is so no longer. Times are ISO 8601, UTC.
struct lateness_change {
    std::string job;
    bool late = false;
    std::string last_success; ///< empty before the first one
    std::string expected_by;
    std::string late_since; ///< of one that is no longer late
    std::string because;    ///< of such a one: succeeded, paused, or expected_later
};

/// An alarm that this worker has taken to tell of.
struct due_alarm {
    std::string alarm_id;
    std::string type;    ///< run.dead, delivery.failed, job.late, job.recovered
    std::string made_at; ///< ISO 8601, UTC
    nlohmann::json data;
    int tries = 0;        ///< with this one
    std::int64_t now = 0; ///< unix seconds, by the store's clock
};

/// An alarm that nobody could be told of.
struct lost_alarm {
    std::string alarm_id;
    std::string type;
    int tries = 0;     ///< 0: there was nobody to be told
    std::string error; ///< of the last try
};

/// A job in numbers. Times are unix seconds by the store's clock; nothing where there was none.
struct job_figures {
    std::string name;
    int queued = 0, running = 0, retry_wait = 0; ///< runs, dry ones as well
    bool paused = false;
    bool late = false;
    std::optional<double> last_success{};  ///< of a run that wrote
    std::optional<double> expected_by{};   ///< when the next one has to end well, at the latest
    std::optional<double> last_dead{};     ///< when a run last ended dead
    std::optional<double> last_fallback{}; ///< when the fallback last had to make a run
};

/// What the run store holds, in numbers.
struct store_figures {
    std::vector<job_figures> jobs;
    std::optional<double> last_delivery{};        ///< when QStash last delivered a new message; unix seconds
    int alarms_waiting = 0;                       ///< to be brought to their receiver
    std::optional<double> last_failed_delivery{}; ///< when it last said that it gave one up
};

} // namespace tidesync::worker
