#pragma once

#include "qstash/verify.hpp"
#include "worker/http.hpp"
#include "worker/settings.hpp"
#include "worker/tokens.hpp"

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

/// A person or program with a token.
struct bearer {
    std::string id; ///< empty for TIDESYNC_ADMIN_TOKEN
    std::string name;
    worker::scope scope = scope::read;
};

/// Somebody with a text that may be a token of the run store: the token_book knows.
struct presented_token {
    std::string id;
    std::string sha256; ///< of the whole text
};

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

/// The same, with what a token must be good for. Has no default: a route that does not say whom it lets in does not
/// compile.
class admission {
public:
    [[nodiscard]] static constexpr admission anyone() { return {access::anyone, scope::read}; }
    [[nodiscard]] static constexpr admission signature() { return {access::signature, scope::read}; }
    [[nodiscard]] static constexpr admission token(scope least) { return {access::token, least}; }
    [[nodiscard]] static constexpr admission signature_or_token(scope least) {
        return {access::signature_or_token, least};
    }

    [[nodiscard]] constexpr access needs() const { return needs_; }
    /// Whether QStash has business there.
    [[nodiscard]] constexpr bool takes_signatures() const {
        return needs_ == access::signature || needs_ == access::signature_or_token;
    }
    [[nodiscard]] constexpr scope least() const { return least_; } ///< of a token, where one is taken

private:
    constexpr admission(access needs, scope least)
        : needs_{needs}
        , least_{least} {}

    access needs_;
    scope least_;
};

using principal = std::variant<signed_delivery, bearer, presented_token, refused>;

/// Decides who is asking. Pure: the time is an argument, and only configured URLs are compared.
/// A bad credential is never rescued by a good one beside it. `x-manual-trigger` is not looked at.
/// @param needs  of the route, other than `anyone`, for whom nothing is to be decided
[[nodiscard]] principal authorize(const http_request&, const settings&, std::chrono::sys_seconds now, access needs);

} // namespace tidesync::worker
