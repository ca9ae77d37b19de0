#include "worker/trigger_routes.hpp"

#include "jobs/failpoint.hpp"
#include "qstash/digest.hpp"
#include "worker/answers.hpp"
#include "worker/printable.hpp"
#include "worker/refusals.hpp"
#include "worker/run_routes.hpp"
#include "worker/trigger_parameters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::worker {

namespace {

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
}

run_request request_for(const call& call, const std::string& job, const trigger_parameters& parameters) {
    auto who = asker_of(call);
    run_request request{
        .job = job,
        .trigger = "manual",
        .actor = std::move(who.actor),
        .dry_run = parameters.dry_run,
        .message = {},
        .time_for_all = call.with.config.run_deadline,
        .approves = parameters.approve,
        .request_id = std::move(who.request_id),
        .remote = std::move(who.remote)};
    if (const auto* delivery = std::get_if<signed_delivery>(&call.who)) {
        request.trigger = "qstash";
        request.message = message_key{
            .source = "qstash",
            .message_id = delivery->message_id,
            .jti = delivery->claims.jti,
            .expires_at = delivery->claims.exp.time_since_epoch().count(),
            .body_sha256 = hex(qstash::sha256(call.request.body))};
    } else if (const auto key = call.request.header("idempotency-key"); !key.empty()) {
        request.message = message_key{
            .source = "manual",
            .message_id = fmt::format("{}/{}", job, key),
            .jti = {},
            .body_sha256 = hex(qstash::sha256(call.request.body))};
    }
    return request;
}

/// Waits for the end of a run that was just made, here or wherever its next attempt is made.
run_view await_end(services& with, const std::string& run_id) {
    constexpr std::chrono::milliseconds look_every{500};
    const auto until = std::chrono::steady_clock::now() + with.config.delivery_wait;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() > 0) with.runs.wait(run_id, left);
        auto run = look_at_accepted(with.store, run_id);
        if (run.is_over() || with.draining || std::chrono::steady_clock::now() + look_every > until) return run;
        std::this_thread::sleep_for(look_every);
    }
}

/// What a caller may name a trigger with, so that sending it again makes no second run.
bool is_usable_key(std::string_view key) {
    constexpr std::size_t bytes_max = 255;
    return !key.empty() && key.size() <= bytes_max && qstash::is_visible(key);
}

} // namespace

http_response trigger_run(call& call, const std::string& job) {
    const auto* delivery = std::get_if<signed_delivery>(&call.who);
    const bool from_qstash = delivery != nullptr;
    const auto count = [&](std::string_view what) {
        call.with.counts.delivery(from_qstash ? "qstash" : "manual", what);
    };
    if (std::ranges::find(call.with.jobs, job) == call.with.jobs.end()) {
        count("rejected");
        return impossible(
            from_qstash, 404, "not_found", fmt::format("there is no job {}", job),
            fmt::format("the jobs are: {}", fmt::join(call.with.jobs, ", ")));
    }
    const auto parameters = parse_parameters(call.request.body);
    if (!parameters.problem.empty()) {
        count("rejected");
        return impossible(from_qstash, 400, "bad_request", parameters.problem, trigger_parameters_hint);
    }
    const auto keys = call.request.count("idempotency-key");
    if (!from_qstash && keys > 0 && (keys > 1 || !is_usable_key(call.request.header("idempotency-key")))) {
        count("rejected");
        return error_answer(
            400, "bad_request", "the Idempotency-Key cannot be used", "send one, of at most 255 visible characters");
    }

    const auto accepted = accept_run(call.with, request_for(call, job, parameters));
    jobs::failpoint("accept.after_commit");
    count(to_string(accepted.what));
    switch (accepted.what) {
    case decision::replayed:
        return unauthorized(
            call, {"replayed", "replay: the token came with another message id"}, access::signature_or_token);
    case decision::body_differs:
        return impossible(
            from_qstash, 409, "conflict",
            from_qstash ? "this message id was delivered before with another body"
                        : "this Idempotency-Key was sent before with another body",
            from_qstash ? "publish changed work as a new message" : "take a new key for a new request");
    case decision::unapprovable:
        return impossible(
            from_qstash, 409, "conflict",
            fmt::format("run {} cannot be approved: {}", printable(parameters.approve, 40), accepted.why),
            "GET /api/runs lists what a guard stopped: error.code is guarded");
    case decision::crowded:
        return crowded(from_qstash, job);
    case decision::created:
    case decision::queued:
    case decision::attached:
    case decision::coalesced:
    case decision::skipped:
        break;
    }
    // Only the delivery that made a run waits for it: a short run answers with its statistics.
    const auto run = accepted.ended                       ? *accepted.ended
                     : accepted.what == decision::created ? await_end(call.with, accepted.run_id)
                                                          : look_at_accepted(call.with.store, accepted.run_id);
    const bool labelled_manual = call.request.header("x-manual-trigger") == "true";
    return run_answer(run, accepted.what, !from_qstash || labelled_manual ? "manual" : "scheduled", from_qstash);
}

} // namespace tidesync::worker
