#pragma once

#include "qstash/local/call.hpp"
#include "qstash/local/message.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <variant>

/// From a call to the message or schedule that it asks for. Pure; no store, no clock, no policy.
namespace tidesync::qstash::local {

/// A message or schedule to be made.
struct message_order {
    delivery_options options;
    std::string body;
    std::chrono::seconds delay{};         ///< Upstash-Delay
    std::optional<time_point> not_before; ///< Upstash-Not-Before; goes before the delay. How far ahead is not checked
    std::string deduplication_id;         ///< from Upstash-Deduplication-Id, or made from the content where
                                          ///< Upstash-Content-Based-Deduplication asks for it
    std::string cron;                     ///< Upstash-Cron; not checked here
    std::string schedule_id;              ///< Upstash-Schedule-Id
};

/// Reads every `Upstash-*` setting and the headers to forward. What this server does not do is refused by name with
/// 501 (`Upstash-Queue-Name`, `Upstash-Flow-Control-*`, `Upstash-Redact-Fields`, `Upstash-Callback-Delay`); telemetry
/// is skipped; other unknown `upstash-*` names are skipped, as QStash does. An empty setting counts as not given.
///
/// With `Upstash-Header-Forward: true` every header of the request is forwarded but those of the connection, those that
/// delivery sets, and an authorization that was for us; else `Content-Type` alone. `Upstash-Forward-*` replaces both.
/// @returns the order, or 400 with a text that names the header: duration, number, method, id or name that cannot be
///          used, a control character, a header that is not UTF-8, more than 100 retries or a year of delay
///          (`quota maxRetries exceeded`, `quota maxDelay exceeded`), a retry-delay expression that does not parse,
///          a forwarded header that delivery itself sets (Host, Content-Length, User-Agent, Upstash-Signature,
///          Tidesync-Catch-Up-Of, …)
[[nodiscard]] std::variant<message_order, refusal> read_order(const call&, const request&);

} // namespace tidesync::qstash::local
