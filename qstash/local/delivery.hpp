#pragma once

#include "qstash/local/sender.hpp"
#include "qstash/local/store.hpp"

#include <chrono>
#include <string>
#include <vector>

/// What schedules and attempts lead to. Pure, but for the random ids: the times are arguments.
namespace tidesync::qstash::local {

struct tick_rules {
    std::chrono::seconds grace{60}; ///< a tick that is older when it is looked at was missed
    bool catch_up = false;          ///< one message makes up for missed ticks, and says so; else they are dropped
};

/// At most one message, whatever number of ticks has passed: the last one counts.
[[nodiscard]] tick plan_tick(const due_schedule&, time_point now, const tick_rules&);

/// The request that an attempt makes, signed.
/// @param signed_at       by the clock that receivers compare with
/// @param response_limit  the longest that an answer may take; a message's own timeout can only shorten it
[[nodiscard]] outgoing
request_of(const attempt&, std::chrono::sys_seconds signed_at, std::chrono::seconds response_limit);

/// What is to be recorded about an attempt: the step, and the messages that report about it, a callback after each
/// attempt and a failure callback when it was the last.
[[nodiscard]] attempt_end end_of(const attempt&, const attempt_result&, const next_step&, time_point now);

} // namespace tidesync::qstash::local
