#pragma once

#include "qstash/local/http.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// From a request to what it asks for. Pure; no store, no clock, no policy.
namespace tidesync::qstash::local {

using query_fields = std::vector<std::pair<std::string, std::string>>; ///< decoded, in order, names repeated

/// `POST /V2/Publish/https://host//a?x=1&upstash-retries=2&qstash_token=T`, taken apart.
struct call {
    std::string method;
    std::vector<std::string> path; ///< {"publish"}: segments after /v2, decoded, up to where a destination begins;
                                   ///< the first in lower case
    std::string destination;       ///< raw rest of the target with its own query, for publish, schedules (POST only),
                                   ///< and enqueue; empty elsewhere. `qstash_token` and `upstash-*` are taken out of
                                   ///< its query, the rest stays byte for byte
    query_fields query;            ///< of calls without destination; `qstash_token` and `upstash-*` are taken out
    std::string token;             ///< from `qstash_token`, else from `Authorization: Bearer`: a webhook that has the
                                   ///< one in its URL may send another server's in the other; empty when there is none
    std::map<std::string, std::string, std::less<>> settings; ///< the `upstash-*` headers and query parameters, names
                                                              ///< in lower case; a header goes before a parameter,
                                                              ///< the first before the second. Clean UTF-8, bounded
};

/// `POST /v2/schedules/{id}/pause` and `/resume` are told from a destination by the id, which has no colon.
/// @returns the call, or why the request is none: 404 for another path, 400 for bad escapes, for a setting with a
///          control character or bytes that are not UTF-8, and for what is too long or too many
[[nodiscard]] std::variant<call, refusal> read_call(const request&);

/// @returns the token of `Bearer T`; empty for another kind of authorization
[[nodiscard]] std::string_view bearer_token(std::string_view authorization);

} // namespace tidesync::qstash::local
