#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The REST API of QStash, as far as a worker that owns its schedule needs it. Works the same against Upstash and
/// against the local scheduler in qstash/local.
namespace tidesync::qstash {

using milliseconds_since_epoch = std::chrono::sys_time<std::chrono::milliseconds>;

struct client_settings {
    std::string url = "https://qstash.upstash.io"; ///< origin; a trailing slash, `/v2` or `/v2/publish` is cut off
    std::string token;                             ///< sent as a bearer token; never in a URL, a message or a log
    std::chrono::seconds connect_limit{5};
    std::chrono::seconds total_limit{30}; ///< for one call with all its tries
    int tries_max = 3;                    ///< only where trying again is safe
    /// When the last of all calls has to be over, for whoever makes several of them for one caller that waits.
    std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max();
};

/// Why a call did not succeed. `what()` is safe to show: it names the call and holds what the server said, bounded and
/// without control characters, never the token.
class api_error : public std::runtime_error {
public:
    api_error(const std::string& what, int http_status)
        : std::runtime_error{what}
        , status{http_status} {}
    int status; ///< 0 when there was no answer
};

/// There is no such schedule, message or entry, in the words of QStash: a 404 without them is `unreachable`.
class not_found : public api_error {
public:
    using api_error::api_error;
    std::string schedule_id; ///< the one that is missing; empty when the call named none
};

/// The token was refused: wrong, or made for another region.
class unauthorized : public api_error {
    using api_error::api_error;
};

/// 429. Not the same as a failure: the same call succeeds later.
class rate_limited : public api_error {
public:
    enum class kind { daily, burst, unknown };
    rate_limited(const std::string& what, kind which, std::optional<std::chrono::sys_seconds> reset_at)
        : api_error{what, 429}
        , limit{which}
        , reset{reset_at} {}
    kind limit;
    std::optional<std::chrono::sys_seconds> reset; ///< when the limit is lifted, where the answer says so
};

/// No usable answer: no connection, a broken one, a time limit, or something that is not QStash.
class unreachable : public api_error {
    using api_error::api_error;
};

using header_list = std::vector<std::pair<std::string, std::string>>;

/// What a message is to do; a schedule makes one at every tick.
struct message_request {
    std::string destination; ///< http(s)://…, with its query; sent as it is, never percent-encoded
    std::string method = "POST";
    std::string content_type = "application/json";
    std::string body;
    header_list forward;                         ///< headers for the destination
    std::optional<int> retries;                  ///< nothing: the account's default
    std::optional<std::chrono::seconds> timeout; ///< of one delivery; can only shorten the plan's limit
    std::optional<std::chrono::seconds> delay;
    std::string retry_delay; ///< expression in milliseconds, `pow(2, retried) * 1000`
    std::string callback;
    std::string failure_callback;
    std::optional<int>
        failure_callback_retries; ///< nothing: as QStash likes, by its documentation those of the message
    std::vector<std::string> labels;
};

struct schedule_request {
    std::string schedule_id; ///< [A-Za-z0-9._-]+; fixed, so that creating twice never makes two
    std::string cron;        ///< five fields, with `CRON_TZ=Area/City ` in front for another zone than UTC
    message_request message;
};

struct schedule {
    std::string schedule_id;
    std::string cron;
    std::string destination;
    std::string method;
    std::map<std::string, std::vector<std::string>> headers; ///< for the destination, names in canonical case
    std::string body;                                        ///< decoded
    std::optional<int> retries;
    std::string retry_delay;
    std::optional<std::chrono::seconds> delay;
    std::optional<std::chrono::seconds> timeout; ///< not every server tells it
    std::string callback;
    std::string failure_callback;
    std::optional<int> failure_callback_retries; ///< no server is known to tell it
    std::vector<std::string> labels;
    bool paused = false;
    std::string caller_ip;
    std::optional<milliseconds_since_epoch> created_at;
    std::optional<milliseconds_since_epoch> last_tick;
    std::optional<milliseconds_since_epoch> next_tick;
    std::map<std::string, std::string> last_states; ///< message id to IN_PROGRESS, SUCCESS or FAIL
    std::string error;                              ///< of the last tick, where there was one
};

struct log_entry {
    std::optional<milliseconds_since_epoch> time;
    std::string message_id;
    std::string state; ///< CREATED, ACTIVE, DELIVERED, ERROR, RETRY, FAILED, CANCEL_REQUESTED, CANCELED
    std::string url;
    std::string schedule_id;
    std::string error;
    int response_status = 0; ///< 0 when there was none
    std::optional<milliseconds_since_epoch> next_delivery;
};

struct dlq_entry {
    std::string dlq_id;
    std::string message_id;
    std::string url;
    std::string schedule_id;
    int response_status = 0;
    std::string response_body; ///< decoded, at most 4 KiB
    std::optional<milliseconds_since_epoch> created_at;
};

struct key_pair {
    std::string current;
    std::string next;
};

/// One account in one region. Opens a connection for every call; may be used from several threads.
/// Every function throws `api_error` or what derives from it. Follows no redirects, uses no proxy from the
/// environment, and tries again only what is safe: reads, deletes, pause and resume, a create with a fixed id, and a
/// publish with a deduplication id. Reads leniently: unknown members are skipped, missing ones are empty.
class client {
public:
    /// @throws std::invalid_argument  for a URL that is no http(s) origin, or an empty token
    explicit client(client_settings);
    ~client();

    /// Creates or replaces. @returns the schedule id
    std::string create_schedule(const schedule_request&);
    [[nodiscard]] std::vector<schedule> list_schedules();
    [[nodiscard]] schedule get_schedule(const std::string& schedule_id);
    void delete_schedule(const std::string& schedule_id);
    /// PATCH as the official clients do; POST, as documented, where PATCH is refused with 405.
    void pause_schedule(const std::string& schedule_id);
    void resume_schedule(const std::string& schedule_id);

    struct published {
        std::string message_id;
        bool deduplicated = false;
    };
    /// @param deduplication_id  without `:`; empty sends none, and then the call is not repeated
    published publish(const message_request&, const std::string& deduplication_id = {});

    /// Newest first, one page. @param message_id  empty for all
    [[nodiscard]] std::vector<log_entry> list_logs(const std::string& message_id, int rows_max = 100);
    [[nodiscard]] std::vector<dlq_entry> list_dlq(int rows_max = 100);
    /// @returns the id of the new message
    std::string retry_dlq(const std::string& dlq_id);
    [[nodiscard]] key_pair get_keys();

private:
    class implementation;
    std::unique_ptr<implementation> implementation_;
};

/// The message that a schedule makes at its ticks, for publishing it now: QStash has no call for that.
[[nodiscard]] message_request message_of(const schedule&);

/// `1d2h3m4s` as Go writes durations, without zero parts; `0s` for nothing.
[[nodiscard]] std::string duration_text(std::chrono::seconds);

} // namespace tidesync::qstash
