#pragma once

#include "worker/runs.hpp"
#include "worker/schedule_order.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>
#include <vector>

namespace tidesync::worker {

/// What can be done to one schedule.
struct schedule_action {
    enum class verb { create, remove, pause, resume, trigger };
    verb what = verb::create;
    schedule_order order{}; ///< for the others than create only its id counts
};

/// What the route says about it: create, delete, pause, resume or trigger-manual.
[[nodiscard]] std::string_view to_string(schedule_action::verb);

/// Reads the body of the route, `{"action":"create","cron":…}`. Unknown actions and keys are refused by name.
[[nodiscard]] std::variant<schedule_action, bad_order> parse_action(const std::string& body);

/// What the audit says of it.
[[nodiscard]] audit_entry entry_of(const schedule_action&, const requester&);

struct schedule_change {
    std::string schedule_id;
    std::string message_id; ///< of a trigger
    bool replaced = false;  ///< by a create
    bool paused = false;    ///< a create found it paused and left it so
};

/// Carries it out at QStash.
/// @throws qstash::api_error
[[nodiscard]] std::variant<schedule_change, bad_order>
perform(const schedule_action&, qstash::client&, const settings&);

} // namespace tidesync::worker
