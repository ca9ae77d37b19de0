#pragma once

#include "qstash/client.hpp"
#include "worker/settings.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What a schedule of ours should be. Nothing here calls anybody.
namespace tidesync::worker {

/// What a person may choose about a schedule.
struct schedule_order {
    std::string job = "slave-to-prod";
    /// Nothing: `tidesync-<job>`, so that creating twice never makes two. Empty is no id and refused: it comes from a
    /// script whose variable is not set, and must not reach the main schedule.
    std::optional<std::string> schedule_id{};
    /// In UTC, or in `timezone`, or in a zone that it names itself. Nothing: the job's own ticks, see default_cron.
    std::optional<std::string> cron{};
    std::string timezone{}; ///< Area/City
    int retries = 2;
    std::optional<std::chrono::seconds> timeout{}; ///< nothing: 30 s, or more where TIDESYNC_DELIVERY_WAIT needs more
    std::string parameters{};                      ///< JSON object for the job; empty: `{}`
};

/// Why an order or an action cannot be carried out.
struct bad_order {
    std::string message;
    std::string hint; ///< what to say instead
};

/// The id that a job's schedule has unless someone chose another.
[[nodiscard]] std::string default_schedule_id(std::string_view job);

/// The expression whose ticks are the slots of a job: `0 */6 * * *` for six hours, in UTC.
/// @returns nothing where no expression has them: they neither divide an hour or a day, nor are they a week
[[nodiscard]] std::optional<std::string> default_cron(std::chrono::seconds slot_every);

/// The id that an order means.
[[nodiscard]] std::string schedule_id_of(const schedule_order&);

/// The shortest timeout of a delivery that outlives the worker's own wait for the end of a run.
[[nodiscard]] std::chrono::seconds shortest_timeout(const settings&);

/// What a delivery is given when nobody chose: 30 s, or more where TIDESYNC_DELIVERY_WAIT needs more.
[[nodiscard]] std::chrono::seconds default_timeout(const settings&);

/// How often QStash tries again to tell us that it gave a message up. A worker that was away for the message is often
/// away for that, too; with five, QStash goes on for about thirty hours.
inline constexpr int failure_callback_retries = 5;

/// The route that starts a job, behind the worker's address.
[[nodiscard]] std::string job_path(std::string_view job);

/// The address that starts a job.
[[nodiscard]] std::string job_url(const settings&, std::string_view job);

/// What QStash is to be told. Calls nobody.
[[nodiscard]] std::variant<qstash::schedule_request, bad_order> request_for(const schedule_order&, const settings&);

struct correction {
    qstash::schedule_request request;
    std::vector<std::string> changes; ///< `method POST, was GET`
};

/// What a schedule has to be replaced with, so that it calls this worker as it should. What a person chose stays: cron,
/// retries, a timeout that is long enough, parameters that can be used, headers, labels. What QStash does not tell is
/// no reason to replace it; where there is another one, the replacement gets our default.
/// @returns nothing when it is right as it is
[[nodiscard]] std::optional<correction> correction_of(const qstash::schedule&, const settings&, std::string_view job);

/// Whether a schedule calls another server than TIDESYNC_PUBLIC_URL names: that of another worker, or ours before it
/// moved. Nobody but a person can tell which.
[[nodiscard]] bool calls_elsewhere(const qstash::schedule&, const settings&);

/// @returns what is wrong with a schedule id; nothing when it can stand in a path
[[nodiscard]] std::optional<bad_order> refuse_schedule_id(std::string_view);

} // namespace tidesync::worker
