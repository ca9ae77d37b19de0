#pragma once

#include "qstash/client.hpp"
#include "worker/settings.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

/// The worker's own schedules at QStash. The route, `tidesync schedule` and `tidesync setup` all go through here.
namespace tidesync::worker {

/// How to call QStash. @param limit  for one call with all its tries
[[nodiscard]] qstash::client_settings qstash_client(const settings&, std::chrono::seconds limit);

struct placed_schedule {
    std::string schedule_id;
    bool replaced = false; ///< there was one with this id
    bool paused = false;   ///< as it was before: replacing must not resume what someone has paused
};

/// Creates or replaces. @throws qstash::api_error, left_unpaused among them
placed_schedule place_schedule(qstash::client&, const qstash::schedule_request&);

/// Publishes now what the schedule publishes at its ticks, labelled as manual. Where QStash does not tell the timeout,
/// the message gets that of a schedule of ours for which nobody chose one.
/// @returns the message id  @throws qstash::api_error
std::string trigger_schedule(qstash::client&, const settings&, const std::string& schedule_id);

/// A deduplication id that nothing else has: it makes a publish safe to repeat.
[[nodiscard]] std::string fresh_deduplication_id();

/// The next tick: what QStash says, else by our own reading of the expression. Nothing while paused.
[[nodiscard]] std::optional<std::chrono::sys_seconds> next_tick(const qstash::schedule&, std::chrono::sys_seconds now);

/// What a failed call to QStash means for whoever asked us.
struct qstash_failure {
    int http_status;
    std::string_view code; ///< one of answers.hpp
    std::string message;
    std::string hint;
};
[[nodiscard]] qstash_failure explain(const qstash::api_error&);

/// A schedule that was paused has been replaced and may tick now, because it could not be paused again.
class left_unpaused : public qstash::api_error {
public:
    /// @param cause  why it could not be paused
    left_unpaused(const std::string& schedule_id, const qstash::api_error& cause);
    qstash_failure failure; ///< with what to do now
};

/// For whoever asks while there is no QSTASH_TOKEN.
[[nodiscard]] qstash_failure no_qstash_token();

} // namespace tidesync::worker
