#include "worker/refusals.hpp"

#include "worker/answers.hpp"
#include "worker/log.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

/// What a refused caller can do on a route that takes this.
std::string_view hint_for(access needs, std::string_view kind) {
    if (needs == access::signature) return "send a valid Upstash-Signature; the worker's log has the reason";
    if (kind == "manual_header_only")
        return "x-manual-trigger is only a label: send Authorization: Bearer <token> beside it, one of `tidesync token "
               "create` or "
               "the admin token";
    if (needs == access::token)
        return "send Authorization: Bearer <token>, one of `tidesync token create` or the admin token; the worker's "
               "log has the reason";
    return "send a valid Upstash-Signature, or Authorization: Bearer <token>, one of `tidesync token create` or the "
           "admin token; the worker's log has the reason";
}

std::string_view accepted_on(access needs) {
    if (needs == access::signature) return "the request carries no signature that is accepted";
    if (needs == access::token) return "the request carries no token that is accepted";
    return "the request carries no signature or token that is accepted";
}

} // namespace

http_response unauthorized(services& with, const http_request& request, const refused& refusal, access needs) {
    with.counts.auth_failure(refusal.kind);
    log::event(
        log::level::warn, "request refused",
        {{"method", request.method},
         {"path", std::string{request.path()}},
         {"remote", request.remote},
         {"reason", refusal.reason}});
    auto answer = error_answer(401, "unauthorized", accepted_on(needs), hint_for(needs, refusal.kind));
    // Source: RFC 6750 section 3.1.
    const bool showed_token = request.count("authorization") > 0;
    answer.headers.emplace_back("WWW-Authenticate", showed_token ? R"(Bearer error="invalid_token")" : "Bearer");
    return answer;
}

http_response forbidden(const http_request& request, const bearer& who, scope least) {
    log::event(
        log::level::warn, "request forbidden",
        {{"method", request.method},
         {"path", std::string{request.path()}},
         {"remote", request.remote},
         {"token", who.id},
         {"name", who.name},
         {"scope", to_string(who.scope)},
         {"needs", to_string(least)}});
    auto answer = error_answer(
        403, "forbidden",
        fmt::format("this needs a token of scope {}, and yours has {}", to_string(least), to_string(who.scope)),
        fmt::format("`tidesync token create --name NAME --scope {}` makes one", to_string(least)));
    answer.headers.emplace_back(
        "WWW-Authenticate", fmt::format(R"(Bearer error="insufficient_scope", scope="{}")", to_string(least)));
    return answer;
}

http_response
impossible(bool from_qstash, int status, std::string_view code, std::string_view message, std::string_view hint) {
    auto answer = error_answer(from_qstash ? 489 : status, code, message, hint);
    if (from_qstash) answer.headers.emplace_back("Upstash-NonRetryable-Error", "true");
    return answer;
}

} // namespace tidesync::worker
