#include "worker/routes.hpp"

#include "jobs/failpoint.hpp"
#include "jobs/stores/postgres/failure.hpp"
#include "qstash/digest.hpp"
#include "worker/answers.hpp"
#include "worker/authorize.hpp"
#include "worker/log.hpp"
#include "worker/run_routes.hpp"
#include "worker/schedule_routes.hpp"
#include "worker/trigger_parameters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

using clock = std::chrono::steady_clock;

/// A request on its way through a route, with what the path held and who asked.
struct call {
    services& with;
    const http_request& request;
    std::string argument; ///< what `{}` in the pattern stood for
    principal who;
};

enum class blocking { never, maybe };

struct route {
    std::vector<std::string_view> methods;
    std::string_view pattern; ///< `{}` stands for one path segment
    access needs;             ///< no default: a route without it does not compile
    blocking blocks;
    http_response (*answer)(call&);
};

http_response trigger_slave_to_prod(call&);
http_response trigger_job(call&);
http_response show_run(call&);
http_response show_runs(call&);
http_response show_jobs(call&);
http_response cancel(call&);
http_response retry(call&);
http_response pause(call&);
http_response resume(call&);
http_response show_schedules(call&);
http_response change_schedules(call&);
http_response record_failure(call&);
http_response show_metrics(call&);
http_response live(call&);
http_response ready(call&);

const std::vector<route>& route_table() {
    static const std::vector<route> table = {
        {{"POST", "GET"}, sync_path, access::signature_or_token, blocking::maybe, trigger_slave_to_prod},
        {{"GET"}, "/api/background/sync/schedule", access::token, blocking::maybe, show_schedules},
        {{"POST"}, "/api/background/sync/schedule", access::token, blocking::maybe, change_schedules},
        {{"POST"}, "/api/jobs/{}/runs", access::signature_or_token, blocking::maybe, trigger_job},
        {{"POST"}, failure_callback_path, access::signature, blocking::maybe, record_failure},
        {{"GET"}, "/api/runs", access::token, blocking::maybe, show_runs},
        {{"GET"}, "/api/runs/{}", access::token, blocking::maybe, show_run},
        {{"POST"}, "/api/runs/{}/cancel", access::token, blocking::maybe, cancel},
        {{"POST"}, "/api/runs/{}/retry", access::token, blocking::maybe, retry},
        {{"GET"}, "/api/jobs", access::token, blocking::maybe, show_jobs},
        {{"POST"}, "/api/jobs/{}/pause", access::token, blocking::maybe, pause},
        {{"POST"}, "/api/jobs/{}/resume", access::token, blocking::maybe, resume},
        {{"GET"}, "/metrics", access::anyone, blocking::never, show_metrics},
        {{"GET"}, "/livez", access::anyone, blocking::never, live},
        {{"GET"}, "/readyz", access::anyone, blocking::maybe, ready},
    };
    return table;
}

/// @returns whether the path fits; `argument` gets the segment that `{}` stands for
bool fits(std::string_view pattern, std::string_view path, std::string& argument) {
    const auto hole = pattern.find("{}");
    if (hole == std::string_view::npos) return pattern == path;
    const auto before = pattern.substr(0, hole);
    const auto after = pattern.substr(hole + 2);
    if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after))
        return false;
    const auto middle = path.substr(before.size(), path.size() - before.size() - after.size());
    if (middle.find('/') != std::string_view::npos) return false;
    argument = middle;
    return true;
}

std::chrono::sys_seconds now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

/// What a refused caller can do on a route that takes this.
std::string_view hint_for(access needs, std::string_view kind) {
    if (needs == access::signature) return "send a valid Upstash-Signature; the worker's log has the reason";
    if (kind == "manual_header_only")
        return "x-manual-trigger is only a label: send Authorization: Bearer <admin token> beside it";
    if (needs == access::token) return "send Authorization: Bearer <admin token>; the worker's log has the reason";
    return "send a valid Upstash-Signature, or Authorization: Bearer <admin token>; the worker's log has the reason";
}

std::string_view accepted_on(access needs) {
    if (needs == access::signature) return "the request carries no signature that is accepted";
    if (needs == access::token) return "the request carries no token that is accepted";
    return "the request carries no signature or token that is accepted";
}

http_response unauthorized(services& with, const http_request& request, const refused& refusal, access needs) {
    with.counts.auth_failure(refusal.kind);
    log::event(
        log::level::warn, "request refused",
        {{"method", request.method},
         {"path", std::string{request.path()}},
         {"remote", request.remote},
         {"reason", refusal.reason}});
    auto answer = error_answer(401, "unauthorized", accepted_on(needs), hint_for(needs, refusal.kind));
    answer.headers.emplace_back("WWW-Authenticate", "Bearer");
    return answer;
}

/// A verified request that can never succeed: QStash must not try again, anybody else made a mistake.
http_response
impossible(bool from_qstash, int status, std::string_view code, std::string_view message, std::string_view hint) {
    auto answer = error_answer(from_qstash ? 489 : status, code, message, hint);
    if (from_qstash) answer.headers.emplace_back("Upstash-NonRetryable-Error", "true");
    return answer;
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
}

/// Who asked, as the history shows it.
std::string actor_of(const call& call) {
    const auto* delivery = std::get_if<signed_delivery>(&call.who);
    if (delivery == nullptr) return "admin token";
    return delivery->schedule_id.empty() ? "qstash" : "qstash schedule " + delivery->schedule_id;
}

run_request request_for(const call& call, const std::string& job, const trigger_parameters& parameters) {
    run_request request{
        .job = job,
        .trigger = "manual",
        .actor = actor_of(call),
        .dry_run = parameters.dry_run,
        .message = {},
        .time_for_all = call.with.config.run_deadline};
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

http_response trigger(call& call, const std::string& job) {
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
    if (call.with.draining) {
        count("draining");
        return error_answer(503, "draining", "the worker is shutting down", "try again: another one will answer");
    }

    const auto accepted = accept_run(call.with, request_for(call, job, parameters));
    jobs::failpoint("accept.after_commit");
    count(to_string(accepted.what));
    switch (accepted.what) {
    case decision::replayed:
        return unauthorized(
            call.with, call.request, {"replayed", "replay: the token came with another message id"},
            access::signature_or_token);
    case decision::body_differs:
        return impossible(
            from_qstash, 409, "conflict",
            from_qstash ? "this message id was delivered before with another body"
                        : "this Idempotency-Key was sent before with another body",
            from_qstash ? "publish changed work as a new message" : "take a new key for a new request");
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

http_response trigger_slave_to_prod(call& call) { return trigger(call, "slave-to-prod"); }

http_response trigger_job(call& call) { return trigger(call, call.argument); }

http_response show_run(call& call) {
    const auto run = call.with.store.find(call.argument);
    if (!run) return error_answer(404, "not_found", "there is no such run", "GET /api/runs lists the latest");
    return json_answer(200, run_document(*run));
}

http_response show_runs(call& call) {
    constexpr int rows_max = 50;
    return json_answer(
        200, history_document(call.with.store.list(rows_max), call.with.store.list_alarms(alarms_shown_max)));
}

http_response show_jobs(call& call) { return list_jobs(call.with); }

http_response cancel(call& call) { return cancel_run(call.with, call.argument, actor_of(call)); }

http_response retry(call& call) { return retry_run(call.with, call.argument, actor_of(call)); }

http_response pause(call& call) { return pause_job(call.with, call.argument, actor_of(call), call.request.body); }

http_response resume(call& call) { return resume_job(call.with, call.argument, actor_of(call)); }

http_response record_failure(call& call) {
    constexpr std::string_view source = "qstash_failure";
    const auto alarm = read_failure_callback(call.request.body);
    if (!alarm) {
        call.with.counts.delivery(source, "rejected");
        return impossible(
            true, 489, "bad_request", "the body is not a failure callback",
            "QStash sends a JSON object with sourceMessageId here");
    }
    const bool is_new = call.with.store.add_alarm(*alarm);
    call.with.counts.delivery(source, is_new ? "created" : "attached");
    if (is_new)
        log::event(
            log::level::warn, "delivery failed for good",
            {{"message", alarm->source_message_id},
             {"schedule", alarm->schedule_id},
             {"status", alarm->status ? nlohmann::json(*alarm->status) : nlohmann::json(nullptr)},
             {"dlq_id", alarm->dlq_id},
             {"hint", "QStash will not send it again: `tidesync runs` shows what it was answered, docs/runbook.md what "
                      "to do"}});
    return json_answer(200, {{"success", true}});
}

http_response show_metrics(call& call) {
    http_response answer;
    answer.body = call.with.counts.text();
    if (call.with.run_metrics) answer.body += call.with.run_metrics();
    answer.content_type = "text/plain; version=0.0.4";
    answer.headers.emplace_back("Cache-Control", "no-store");
    return answer;
}

http_response show_schedules(call& call) { return list_schedules(call.with); }

http_response change_schedules(call& call) { return change_schedule(call.with, call.request); }

http_response live(call& call) {
    // A worker that drains takes no more runs: its loops stand still as they should.
    if (!call.with.draining && call.with.last_turn &&
        std::chrono::steady_clock::now() - call.with.last_turn() > turn_time_max)
        return error_answer(
            503, "stuck", fmt::format("no loop has gone round for {} s", turn_time_max.count()), "restart this worker");
    return json_answer(200, {{"status", "alive"}});
}

http_response ready(call& call) {
    if (call.with.draining)
        return error_answer(503, "draining", "the worker is shutting down", "another one will answer");
    call.with.store.ping();
    return json_answer(200, {{"status", "ready"}});
}

/// Which key signed, so that a rotation shows.
void note_key(services& with, const signed_delivery& delivery) {
    with.counts.signature_key_match(delivery.key_label);
    if (!delivery.by_next_key) return;
    log::event(
        log::level::warn, "signed with the next key",
        {{"key", delivery.key_label},
         {"hint", "QStash's keys were rotated: copy current and next from its console, then restart the worker"}});
}

/// Counts the answer of a route.
/// @param pattern  the route's, `other` when there is none
/// @param came     when the request did
http_response counted(
    services& with, std::string_view pattern, const http_request& request, clock::time_point came,
    const http_work& work) {
    try {
        auto answer = work();
        with.counts.http_request(pattern, request.method, answer.status, clock::now() - came);
        return answer;
    } catch (...) { // the server answers it
        with.counts.http_request(pattern, request.method, 500, clock::now() - came);
        throw;
    }
}

http_response ask_store(const route& found, call& call) {
    try {
        return found.answer(call);
    } catch (const postgres::error& e) {
        // No Retry-After: QStash would use it instead of its own, more patient back-off.
        log::event(log::level::error, "run store did not answer", {{"error", e.what()}});
        return error_answer(
            503, "store_unavailable",
            e.in_doubt ? "the run store did not confirm; the request may have been accepted"
                       : "the run store did not answer; nothing was accepted",
            "send the same request again later; the worker's log has the reason");
    }
}

http_step open_route(services& with, const route& found, const http_request& request, std::string argument) {
    call call{with, request, std::move(argument), bearer{}};
    if (found.needs != access::anyone) {
        call.who = authorize(request, with.config, now(), found.needs);
        if (const auto* refusal = std::get_if<refused>(&call.who))
            return unauthorized(with, request, *refusal, found.needs);
        if (const auto* delivery = std::get_if<signed_delivery>(&call.who)) note_key(with, *delivery);
    }
    if (found.blocks == blocking::never) return found.answer(call);
    return http_work{[&found, came = clock::now(), call = std::move(call)]() mutable {
        return counted(call.with, found.pattern, call.request, came, [&] { return ask_store(found, call); });
    }};
}

http_response no_route(const http_request& request, const std::vector<std::string_view>& allowed) {
    if (allowed.empty())
        return error_answer(404, "not_found", "there is no such route", "docs/architecture.md lists them");
    auto answer = error_answer(
        405, "method_not_allowed", fmt::format("{} is not allowed here", request.method.substr(0, 20)),
        fmt::format("use {}", fmt::join(allowed, " or ")));
    answer.headers.emplace_back("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
    return answer;
}

/// @param pattern  gets that of the path, `other` when no route has it
http_step find_route(services& with, const http_request& request, std::string_view& pattern) {
    std::vector<std::string_view> allowed;
    for (const auto& candidate : route_table()) {
        std::string argument;
        if (!fits(candidate.pattern, request.path(), argument)) continue;
        pattern = candidate.pattern;
        if (std::ranges::find(candidate.methods, request.method) != candidate.methods.end())
            return open_route(with, candidate, request, std::move(argument));
        allowed.insert(allowed.end(), candidate.methods.begin(), candidate.methods.end());
    }
    return no_route(request, allowed);
}

} // namespace

http_step open(services& with, const http_request& request) {
    const auto came = clock::now();
    std::string_view pattern = "other";
    auto step = find_route(with, request, pattern);
    if (const auto* answer = std::get_if<http_response>(&step))
        with.counts.http_request(pattern, request.method, answer->status, clock::now() - came);
    return step;
}

} // namespace tidesync::worker
