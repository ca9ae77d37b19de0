#include "worker/refusals.hpp"

#include "worker/answers.hpp"
#include "worker/log.hpp"
#include "worker/run_store.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

/// What a refused caller can do on a route that takes this.
std::string_view hint_for(access needs, std::string_view kind) {
    if (needs == access::signature) return "send a valid Upstash-Signature; the worker's log has the reason";
    if (kind == "manual_header_only")
        return "x-manual-trigger is only a label: send Authorization: Bearer <token> beside it, one of `tidesync token "
               "create` or the admin token";
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

http_response unauthorized(const call& call, const refused& refusal, access needs) {
    const auto& request = call.request;
    call.with.counts.auth_failure(refusal.kind);
    const auto wait = call.with.refusals.take(request.remote, std::chrono::steady_clock::now());
    if (wait.count() > 0 && request.count("upstash-signature") == 0)
        return too_many(
            "too many requests from your address were refused", "send a credential that is accepted here", wait);
    if (wait.count() == 0)
        log::event(
            log::level::warn, "request refused",
            {{"request_id", call.id},
             {"method", request.method},
             {"path", std::string{request.path()}},
             {"remote", request.remote},
             {"reason", refusal.reason}});
    auto answer = error_answer(401, "unauthorized", accepted_on(needs), hint_for(needs, refusal.kind));
    // Source: RFC 6750 section 3.1.
    const bool showed_token = request.count("authorization") > 0;
    answer.headers.emplace_back("WWW-Authenticate", showed_token ? R"(Bearer error="invalid_token")" : "Bearer");
    return answer;
}

http_response forbidden(const call& call, const bearer& who, scope least) {
    const auto& request = call.request;
    log::event(
        log::level::warn, "request forbidden",
        {{"request_id", call.id},
         {"method", request.method},
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

http_response crowded(bool from_qstash, std::string_view job) {
    const auto message = fmt::format("{} dry runs of {} have not ended yet", run_store::dry_runs_max, job);
    constexpr auto hint = "wait for one of them; GET /api/runs lists them";
    return from_qstash ? error_answer(429, "too_many_requests", message, hint)
                       : too_many(message, hint, std::chrono::seconds{5});
}

http_response too_many(std::string_view message, std::string_view hint, std::chrono::milliseconds wait) {
    auto answer = error_answer(429, "too_many_requests", message, hint);
    answer.headers.emplace_back(
        "Retry-After", fmt::format("{}", std::chrono::ceil<std::chrono::seconds>(wait).count()));
    return answer;
}

} // namespace tidesync::worker
