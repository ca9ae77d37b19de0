#pragma once

#include "qstash/local/message.hpp"
#include "qstash/local/retry.hpp"

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

namespace tidesync::qstash::local {

/// Runs a body in a transaction of its own and commits it. Whoever gives one decides about connections, limits and the
/// errors that come out; the store keeps no session state, so a transaction-mode pooler may stand in between.
using transactor =
    std::function<void(std::string_view activity, const std::function<void(pqxx::transaction_base&)>& body)>;

struct keys_of_account {
    std::string current; ///< signs
    std::string next;
};

struct stored_schedule {
    std::string schedule_id;
    std::string cron;
    delivery_options options;
    std::string body;
    std::chrono::seconds delay{};
    std::string caller_ip;
    bool paused = false;
    time_point created;
    std::optional<time_point> next_tick;
    std::optional<time_point> last_tick;
    nlohmann::json last_states; ///< message id to IN_PROGRESS, SUCCESS or FAIL
};

/// A message to be made.
struct new_message {
    std::string message_id;
    std::string schedule_id; ///< empty when none made it
    std::string callback_of; ///< empty when it reports about no other
    delivery_options options;
    std::string body;
    std::string caller_ip;
    time_point not_before;
    std::optional<time_point> catch_up_of = std::nullopt; ///< the missed tick that it makes up for
};

struct stored_message {
    std::string message_id;
    std::string account;
    std::string schedule_id;
    std::string callback_of;
    delivery_options options;
    std::string body;
    std::string caller_ip;
    time_point created;
    time_point not_before;
    std::optional<time_point> catch_up_of;
};

/// One attempt to deliver, ours until its lease ends.
struct attempt {
    stored_message message;
    std::string host; ///< of the destination
    int retried = 0;
    std::int64_t lease_token = 0;
    std::string key; ///< that signs it
};

struct dead_letter {
    std::string dlq_id;
    time_point died;
    stored_message message;
    int response_status = 0;
    nlohmann::json response_headers; ///< object of arrays, or null
    std::string response_body;
};

struct log_row {
    std::int64_t entry_id = 0;
    time_point at;
    std::string state;
    std::string error;
    std::optional<time_point> next_delivery;
    int response_status = 0;
    nlohmann::json response_headers;
    std::string response_body;
    stored_message message;
};

/// Part of a list, cut where it would grow too large.
template <typename Row>
struct page_of {
    std::vector<Row> rows;
    bool more = false; ///< there are further ones
};

/// Of bodies, options and headers in one page; an entry that begins below it is whole. Answers are about twice this.
inline constexpr std::int64_t page_bytes_max = 8LL * 1024 * 1024;
/// A longer body is left out of a list of schedules: a thousand of them come in one answer.
inline constexpr int listed_body_bytes_max = 8 * 1024;

/// A schedule whose tick has come.
struct due_schedule {
    std::string account;
    std::string schedule_id;
    std::string cron;
    delivery_options options;
    std::string body;
    std::chrono::seconds delay{};
    std::string caller_ip;
    time_point due;
};

/// What to do about it: at most one message, and when to look again.
struct tick {
    std::optional<new_message> message;
    std::optional<time_point> next; ///< nothing: never
};

/// How an attempt ended, decided by others.
struct attempt_end {
    next_step step;
    std::vector<new_message> callbacks;         ///< made in the same transaction
    std::vector<new_message> failure_callbacks; ///< likewise, unless the message was canceled meanwhile
};

/// What was recorded about an attempt.
enum class recorded {
    nothing,  ///< the lease was lost: somebody else has the message now
    step,     ///< as decided
    canceled, ///< it was canceled while it was under way, and did not arrive
};

/// How much may be claimed at once.
struct claim_limits {
    int rows_max = 64;
    int rows_of_host_max = 16;
    std::int64_t bytes_max = 16L * 1024 * 1024; ///< of bodies; one message is taken whatever its size
    std::vector<std::string> full_hosts;        ///< that have all they may have
};

/// The scheduler's state in PostgreSQL, schema tidesync_qstash. Every function is one transaction and throws what the
/// transactor throws; all may be called from any thread. Times are arguments, so that tests can set them.
class store {
public:
    /// @param accounts  whose messages and schedules this process works on; others may share the database
    store(transactor, const std::vector<std::string>& accounts);

    /// The database's clock, the one clock of all replicas.
    [[nodiscard]] time_point now() const;

    /// @param always  set the keys back to these whatever was rotated; else only when they differ from those given last
    void give_keys(const std::string& account, const keys_of_account&, bool always) const;
    /// Every account that ever had keys here.
    [[nodiscard]] std::vector<std::string> read_accounts() const;
    [[nodiscard]] keys_of_account read_keys(const std::string& account) const;
    keys_of_account rotate_keys(const std::string& account, const std::string& fresh, time_point now) const;

    /// Creates or replaces. Uses no more of the row than one makes.
    /// @returns false when the account has `schedules_max` others already
    bool put_schedule(const std::string& account, const stored_schedule&, time_point now, int schedules_max) const;
    [[nodiscard]] std::optional<stored_schedule>
    get_schedule(const std::string& account, const std::string& schedule_id) const;
    /// Oldest first, without bodies above listed_body_bytes_max.
    /// @param after  the last one of the page before; null for the first page
    [[nodiscard]] std::vector<stored_schedule>
    list_schedules(const std::string& account, const stored_schedule* after, int rows_max) const;
    /// @returns false for an unknown schedule
    bool delete_schedule(const std::string& account, const std::string& schedule_id) const;
    /// @param next  from the schedule's expression to its next tick
    /// @returns false for an unknown schedule
    bool set_paused(
        const std::string& account, const std::string& schedule_id, bool paused,
        const std::function<std::optional<time_point>(const std::string& cron)>& next) const;

    struct made {
        std::string message_id;
        bool deduplicated = false; ///< the id is an older message's, nothing was made
    };
    /// @param deduplication_id  empty for none
    made add_message(
        const std::string& account, const new_message&, time_point now, const std::string& deduplication_id,
        std::chrono::seconds window) const;
    /// @returns nothing for a message that is over or unknown
    [[nodiscard]] std::optional<stored_message>
    get_message(const std::string& account, const std::string& message_id) const;
    /// @param filter  as in cancel_messages.sql, and message_ids
    /// @returns       how many; when that is 0, none was left
    [[nodiscard]] int
    cancel_messages(const std::string& account, const nlohmann::json& filter, int rows_max, time_point now) const;

    /// @param cursor  entries beyond this one, in the order asked for
    /// @param filter  as in list_logs.sql, and message_ids
    [[nodiscard]] page_of<log_row> list_logs(
        const std::string& account, std::optional<std::int64_t> cursor, int rows_max, const nlohmann::json& filter,
        bool earliest_first, bool without_bodies) const;

    struct dlq_place {
        std::int64_t died_ms = 0;
        std::string message_id;
    };
    /// Newest first.
    /// @param after   the last one of the page before
    /// @param filter  as in list_dlq.sql, and dlq_ids and message_ids
    [[nodiscard]] page_of<dead_letter> list_dlq(
        const std::string& account, const std::optional<dlq_place>& after, int rows_max, const nlohmann::json& filter,
        bool without_bodies) const;
    /// @returns how many there were
    [[nodiscard]] int delete_dlq(const std::string& account, const std::vector<std::string>& dlq_ids) const;
    /// Takes dead letters out and makes a new message of each, all at once.
    /// @param remake  from the dead message to the new one; both without the body, which stays what it was
    /// @returns the new message ids
    [[nodiscard]] std::vector<std::string> retry_dlq(
        const std::string& account, const std::vector<std::string>& dlq_ids, time_point now,
        const std::function<new_message(const stored_message&)>& remake) const;

    /// Makes the messages of schedules whose tick is due. @returns how many schedules were looked at
    [[nodiscard]] int
    fire_schedules(time_point now, int rows_max, const std::function<tick(const due_schedule&)>& plan) const;

    [[nodiscard]] std::vector<attempt>
    claim_messages(time_point now, std::chrono::milliseconds lease, const claim_limits&) const;
    void
    keep_leases(const std::vector<std::int64_t>& lease_tokens, time_point now, std::chrono::milliseconds lease) const;
    void give_back(const std::vector<std::int64_t>& lease_tokens, time_point now) const;

    /// Records what became of an attempt. A canceled message is not tried again, whatever `end` says.
    recorded end_attempt(const attempt&, const attempt_result&, const attempt_end& end, time_point now) const;

    /// When something is due; nothing when nothing waits.
    [[nodiscard]] std::optional<time_point> next_due() const;

    /// @returns as many as `rows_max` when there may be more
    [[nodiscard]] int forget_old(time_point now, std::chrono::seconds kept_for, int rows_max) const;

private:
    transactor run_;
    std::string accounts_; ///< as an array in PostgreSQL's own text form
};

/// The numbered files that make schema tidesync_qstash, in their order.
[[nodiscard]] std::vector<std::string_view> schema_files();

/// The id of a dead letter: QStash shows milliseconds, a dash and a number.
[[nodiscard]] std::string dlq_id_of(const attempt&, time_point now);

} // namespace tidesync::qstash::local
