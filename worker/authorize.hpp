#pragma once

#include "qstash/verify.hpp"
#include "worker/http.hpp"
#include "worker/settings.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

namespace tidesync::worker {

/// QStash signed it.
struct signed_delivery {
    qstash::token_claims claims;
    std::string key_label;    ///< which of our keys matched
    bool by_next_key = false; ///< a rotation has begun
    std::string message_id;   ///< header; not signed, so it counts only together with `claims.jti`
    std::string schedule_id;
};

/// A person or program with the admin token.
struct bearer {};

struct refused {
    std::string_view kind; ///< one of a fixed list, for metrics: a verdict of qstash::verify or a name of ours
    std::string reason;    ///< for the log; the caller is told nothing but 401
};

/// Who may use a route.
enum class access {
    anyone,
    token,     ///< people; QStash has no business there
    signature, ///< QStash; a token does not do instead
    signature_or_token,
};

using principal = std::variant<signed_delivery, bearer, refused>;

/// Decides who is asking. Pure: the time is an argument, and only configured URLs are compared.
/// A bad credential is never rescued by a good one beside it. `x-manual-trigger` is not looked at.
/// @param needs  of the route, other than `anyone`, for whom nothing is to be decided
[[nodiscard]] principal authorize(const http_request&, const settings&, std::chrono::sys_seconds now, access needs);

} // namespace tidesync::worker
