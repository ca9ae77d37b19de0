#include "worker/routes.hpp"

#include "jobs/stores/postgres/failure.hpp"
#include "worker/answers.hpp"
#include "worker/call.hpp"
#include "worker/log.hpp"
#include "worker/openapi.hpp"
#include "worker/refusals.hpp"
#include "worker/request_id.hpp"
#include "worker/run_routes.hpp"
#include "worker/schedule_routes.hpp"
#include "worker/trigger_routes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

using clock = std::chrono::steady_clock;

enum class blocking { never, maybe };

struct route {
    std::vector<std::string_view> methods;
    std::string_view pattern; ///< `{}` stands for one path segment
    admission lets_in;        ///< no default: a route without it does not compile
    blocking blocks;
    http_response (*answer)(call&);
};

http_response trigger_slave_to_prod(call&);
http_response trigger_job(call&);
http_response show_run(call&);
http_response show_runs(call&);
http_response show_runs_of_job(call&);
http_response show_audit(call&);
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
http_response show_openapi(call&);

const std::vector<route>& route_table() {
    static const std::vector<route> table = {
        {{"POST", "GET"},
         sync_path,
         admission::signature_or_token(scope::trigger),
         blocking::maybe,
         trigger_slave_to_prod},
        {{"GET"}, "/api/background/sync/schedule", admission::token(scope::read), blocking::maybe, show_schedules},
        {{"POST"}, "/api/background/sync/schedule", admission::token(scope::admin), blocking::maybe, change_schedules},
        {{"POST"}, "/api/jobs/{}/runs", admission::signature_or_token(scope::trigger), blocking::maybe, trigger_job},
        {{"POST"}, failure_callback_path, admission::signature(), blocking::maybe, record_failure},
        {{"GET"}, "/api/runs", admission::token(scope::read), blocking::maybe, show_runs},
        {{"GET"}, "/api/runs/{}", admission::token(scope::read), blocking::maybe, show_run},
        {{"POST"}, "/api/runs/{}/cancel", admission::token(scope::trigger), blocking::maybe, cancel},
        {{"POST"}, "/api/runs/{}/retry", admission::token(scope::trigger), blocking::maybe, retry},
        {{"GET"}, "/api/jobs", admission::token(scope::read), blocking::maybe, show_jobs},
        {{"GET"}, "/api/jobs/{}/runs", admission::token(scope::read), blocking::maybe, show_runs_of_job},
        {{"GET"}, "/api/audit", admission::token(scope::admin), blocking::maybe, show_audit},
        {{"POST"}, "/api/jobs/{}/pause", admission::token(scope::admin), blocking::maybe, pause},
        {{"POST"}, "/api/jobs/{}/resume", admission::token(scope::admin), blocking::maybe, resume},
        {{"GET"}, "/metrics", admission::anyone(), blocking::never, show_metrics},
        {{"GET"}, "/livez", admission::anyone(), blocking::never, live},
        {{"GET"}, "/readyz", admission::anyone(), blocking::maybe, ready},
        {{"GET"}, "/openapi.json", admission::anyone(), blocking::never, show_openapi},
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

http_response trigger_slave_to_prod(call& call) { return trigger_run(call, "slave-to-prod"); }

http_response trigger_job(call& call) { return trigger_run(call, call.argument); }

http_response show_run(call& call) { return show_run(call.with, call.argument); }

http_response show_runs(call& call) { return list_runs(call.with, call.request); }

http_response show_runs_of_job(call& call) { return list_runs_of_job(call.with, call.argument, call.request); }

http_response show_audit(call& call) { return list_audit(call.with, call.request); }

http_response show_jobs(call& call) { return list_jobs(call.with); }

http_response cancel(call& call) { return cancel_run(call.with, call.argument, asker_of(call)); }

http_response retry(call& call) { return retry_run(call.with, call.argument, asker_of(call)); }

http_response pause(call& call) { return pause_job(call.with, call.argument, asker_of(call), call.request.body); }

http_response resume(call& call) { return resume_job(call.with, call.argument, asker_of(call)); }

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

http_response change_schedules(call& call) { return change_schedule(call.with, call.request, asker_of(call)); }

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

http_response show_openapi(call&) {
    http_response answer;
    answer.body = openapi;
    return answer;
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

/// Counts an answer and gives it the name of its request.
/// @param pattern  the route's, `other` when there is none
/// @param came     when the request did
http_response finished(
    services& with, std::string_view pattern, const http_request& request, const std::string& id,
    clock::time_point came, http_response answer) {
    with.counts.http_request(pattern, request.method, answer.status, clock::now() - came);
    name_request(answer, id);
    return answer;
}

/// Remembers that a token was used. Nobody's request fails by it.
void note_use(services& with, const principal& who) {
    const auto* person = std::get_if<bearer>(&who);
    if (person == nullptr || person->id.empty() || !with.tokens.wants_note(person->id)) return;
    try {
        with.token_rows.note_use(person->id);
    } catch (const postgres::error& e) {
        log::event(log::level::warn, "the use of a token was not noted", {{"token", person->id}, {"error", e.what()}});
    }
}

/// @returns what somebody is told who may not, or not now; nothing for who may
std::optional<http_response> refuse(const admission& lets_in, const call& call) {
    if (const auto* refusal = std::get_if<refused>(&call.who)) return unauthorized(call, *refusal, lets_in.needs());
    const auto* person = std::get_if<bearer>(&call.who);
    if (person == nullptr) return std::nullopt;
    const auto wait = call.with.requests.take(person->id, std::chrono::steady_clock::now());
    if (wait.count() > 0)
        return too_many(
            "too many requests with this token", "20 a second are let through, and 100 at once after a rest", wait);
    if (person->scope < lets_in.least()) return forbidden(call, *person, lets_in.least());
    return std::nullopt;
}

principal who_of(token_book::verdict&& known) {
    return std::visit([](auto& who) -> principal { return std::move(who); }, known);
}

http_response no_store(std::string_view message) {
    // No Retry-After: QStash would use it instead of its own, more patient back-off.
    return error_answer(
        503, "store_unavailable", message, "send the same request again later; the worker's log has the reason");
}

http_response ask_store(const route& found, call& call) {
    try {
        if (const auto* shown = std::get_if<presented_token>(&call.who)) {
            call.who = who_of(call.with.tokens.ask(*shown));
            if (auto refusal = refuse(found.lets_in, call)) return std::move(*refusal);
        }
        auto answer = found.answer(call);
        note_use(call.with, call.who);
        return answer;
    } catch (const tokens_unknown& e) {
        log::event(log::level::error, "run store did not answer", {{"request_id", call.id}, {"error", e.what()}});
        return no_store("the run store did not say whose token this is");
    } catch (const postgres::error& e) {
        log::event(log::level::error, "run store did not answer", {{"request_id", call.id}, {"error", e.what()}});
        return no_store(
            e.in_doubt ? "the run store did not confirm; the request may have been accepted"
                       : "the run store did not answer; nothing was accepted");
    } catch (const std::exception& e) {
        log::event(
            log::level::error, "request failed",
            {{"request_id", call.id},
             {"method", call.request.method},
             {"path", std::string{call.request.path()}},
             {"error", e.what()}});
        return error_answer(500, "internal", "something went wrong here", "the worker's log has the details");
    }
}

/// Finds out who asks, as far as that needs no waiting.
principal look_at(services& with, const http_request& request, access needs) {
    auto who = authorize(request, with.config, now(), needs);
    if (const auto* delivery = std::get_if<signed_delivery>(&who)) note_key(with, *delivery);
    if (const auto* shown = std::get_if<presented_token>(&who))
        if (auto known = with.tokens.look_up(*shown)) return who_of(std::move(*known));
    return who;
}

http_step open_route(const route& found, call&& call) {
    if (found.lets_in.needs() != access::anyone) {
        call.who = look_at(call.with, call.request, found.lets_in.needs());
        if (auto refusal = refuse(found.lets_in, call)) return std::move(*refusal);
    }
    const bool knows_who = !std::holds_alternative<presented_token>(call.who);
    if (found.blocks == blocking::never && knows_who) return found.answer(call);
    return http_work{[&found, came = clock::now(), call = std::move(call)]() mutable {
        return finished(call.with, found.pattern, call.request, call.id, came, ask_store(found, call));
    }};
}

http_response no_route(const http_request& request, const std::vector<std::string_view>& allowed, entrance came_by) {
    if (allowed.empty())
        return error_answer(
            404, "not_found", "there is no such route",
            came_by == entrance::deliveries ? "this address takes deliveries; all else is at TIDESYNC_ADMIN_LISTEN"
                                            : "GET /openapi.json describes them");
    auto answer = error_answer(
        405, "method_not_allowed", fmt::format("{} is not allowed here", request.method.substr(0, 20)),
        fmt::format("use {}", fmt::join(allowed, " or ")));
    answer.headers.emplace_back("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
    return answer;
}

/// @param pattern  gets that of the path, `other` when no route has it
http_step find_route(
    services& with, const http_request& request, const std::string& id, entrance came_by, std::string_view& pattern) {
    std::vector<std::string_view> allowed;
    for (const auto& candidate : route_table()) {
        if (came_by == entrance::deliveries && !candidate.lets_in.takes_signatures()) continue;
        std::string argument;
        if (!fits(candidate.pattern, request.path(), argument)) continue;
        pattern = candidate.pattern;
        if (std::ranges::find(candidate.methods, request.method) != candidate.methods.end())
            return open_route(candidate, {with, request, std::move(argument), id});
        allowed.insert(allowed.end(), candidate.methods.begin(), candidate.methods.end());
    }
    return no_route(request, allowed, came_by);
}

} // namespace

requester asker_of(const call& call) {
    requester who{.actor = "admin token", .request_id = call.id, .remote = call.request.remote};
    if (const auto* delivery = std::get_if<signed_delivery>(&call.who))
        who.actor = delivery->schedule_id.empty() ? "qstash" : "qstash schedule " + delivery->schedule_id;
    if (const auto* person = std::get_if<bearer>(&call.who); person != nullptr && !person->id.empty())
        who.actor = fmt::format("token {} ({})", person->name, person->id);
    return who;
}

std::vector<route_shape> route_shapes() {
    std::vector<route_shape> shapes;
    for (const auto& route : route_table()) shapes.push_back({route.methods, route.pattern, route.lets_in});
    return shapes;
}

http_step open(services& with, const http_request& request, entrance came_by) {
    const auto came = clock::now();
    std::string_view pattern = "other";
    const auto id = id_of(request);
    auto step = find_route(with, request, id, came_by, pattern);
    if (auto* answer = std::get_if<http_response>(&step))
        return finished(with, pattern, request, id, came, std::move(*answer));
    return step;
}

} // namespace tidesync::worker
