#pragma once

#include "qstash/verify.hpp"
#include "worker/http.hpp"
#include "worker/settings.hpp"

#include <chrono>
#include <string>
#include <variant>

namespace tidesync::worker {

/// QStash signed it.
struct signed_delivery {
    qstash::token_claims claims;
    std::string key_label;  ///< which of our keys matched: `next` means that a rotation has begun
    std::string message_id; ///< header; not signed, so it counts only together with `claims.jti`
    std::string schedule_id;
};

/// A person or program with the admin token.
struct bearer {};

struct refused {
    std::string reason; ///< for the log; the caller is told nothing but 401
};

using principal = std::variant<signed_delivery, bearer, refused>;

/// Decides who is asking. Pure: the time is an argument, and only configured URLs are compared.
/// A bad credential is never rescued by a good one beside it. `x-manual-trigger` is not looked at.
/// @param allow_signature  false for routes that QStash has no business with
[[nodiscard]] principal
authorize(const http_request&, const settings&, std::chrono::sys_seconds now, bool allow_signature);

} // namespace tidesync::worker
