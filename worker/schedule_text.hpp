#pragma once

#include "qstash/client.hpp"

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

/// How schedules are shown to people and to programs.
namespace tidesync::worker {

/// `2026-11-21 06:00`, in UTC; `-` for none.
[[nodiscard]] std::string minute_text(std::optional<std::chrono::sys_seconds>);

/// One line a schedule: id, cron, destination, next tick, state. What went wrong at a last tick stands below.
[[nodiscard]] std::string schedules_table(const std::vector<qstash::schedule>&, std::chrono::sys_seconds now);

/// Everything about one schedule, a line a member.
[[nodiscard]] std::string schedule_details(const qstash::schedule&, std::chrono::sys_seconds now);

/// What QStash wrote down about a message, `ERROR HTTP 401 …`: at most 300 bytes.
[[nodiscard]] std::string log_line(const qstash::log_entry&);

/// A schedule as route and `--json` show it. Without the headers for the destination: they may hold a credential.
[[nodiscard]] nlohmann::ordered_json schedule_document(const qstash::schedule&, std::chrono::sys_seconds now);

} // namespace tidesync::worker
