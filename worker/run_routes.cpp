#include "worker/run_routes.hpp"

#include "jobs/stores/postgres/failure.hpp"
#include "worker/answers.hpp"
#include "worker/log.hpp"
#include "worker/printable.hpp"
#include "worker/query.hpp"
#include "worker/redrive.hpp"
#include "worker/refusals.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

http_response no_run() {
    return error_answer(404, "not_found", "there is no such run", "GET /api/runs lists the latest");
}

http_response no_job(const services& with, const std::string& job) {
    return error_answer(
        404, "not_found", fmt::format("there is no job {}", job.substr(0, 63)),
        fmt::format("the jobs are: {}", fmt::join(with.jobs, ", ")));
}

constexpr std::array<std::string_view, 7> states{"queued", "running",   "retry_wait", "succeeded",
                                                 "dead",   "cancelled", "skipped"};

http_response bad_request(const bad_query& wrong) {
    return error_answer(400, "bad_request", wrong.message, wrong.hint);
}

struct filter {
    int rows_max = 50;
    std::string state; ///< empty for any
};

std::variant<filter, bad_query> read_filter(std::string_view target, std::initializer_list<std::string_view> known) {
    const auto parsed = parse_query(target, known);
    if (const auto* wrong = std::get_if<bad_query>(&parsed)) return *wrong;
    const auto& given = std::get<query>(parsed);
    const auto limit = number_in(given, "limit", 1, 500, 50);
    if (const auto* wrong = std::get_if<bad_query>(&limit)) return *wrong;
    filter asked{.rows_max = std::get<int>(limit), .state = {}};
    if (const auto state = given.find("state"); state != given.end()) {
        if (std::ranges::find(states, state->second) == states.end())
            return bad_query{
                fmt::format("`state` cannot be {}", printable(state->second, 40)),
                fmt::format("expected one of {}", fmt::join(states, ", "))};
        asked.state = state->second;
    }
    return asked;
}

/// The reason in a body; nothing when the body is not what was asked for.
std::optional<std::string> reason_in(const std::string& body) {
    const auto document = nlohmann::json::parse(body, nullptr, false);
    if (!document.is_object() || document.size() != 1 || !document.contains("reason")) return std::nullopt;
    const auto& reason = document.at("reason");
    if (!reason.is_string()) return std::nullopt;
    auto text = reason.get<std::string>();
    if (text.empty() || text.size() > pause_reason_bytes_max) return std::nullopt;
    return text;
}

} // namespace

run_view look_at_accepted(run_store& store, const std::string& run_id) {
    try {
        if (auto run = store.find(run_id)) return std::move(*run);
    } catch (const postgres::error& e) {
        log::event(log::level::warn, "a stored run could not be read", {{"run", run_id}, {"error", e.what()}});
    }
    run_view run;
    run.run_id = run_id;
    run.state = "queued";
    return run;
}

acceptance accept_run(services& with, const run_request& request) {
    auto accepted = with.store.accept(request, with.runs.has_room() ? with.worker_name : std::string{});
    for (auto* observer : with.runs.observers()) observer->run_accepted(request, accepted.what);
    if (accepted.claimed) with.runs.start(*accepted.claimed);
    return accepted;
}

http_response show_run(services& with, const std::string& run_id) {
    const auto run = with.store.find(run_id);
    if (!run) return no_run();
    return json_answer(200, run_document(*run));
}

http_response list_runs(services& with, const http_request& request) {
    const auto asked = read_filter(request.target, {"limit"});
    if (const auto* wrong = std::get_if<bad_query>(&asked)) return bad_request(*wrong);
    return json_answer(
        200,
        history_document(with.store.list(std::get<filter>(asked).rows_max), with.store.list_alarms(alarms_shown_max)));
}

http_response list_runs_of_job(services& with, const std::string& job, const http_request& request) {
    if (std::ranges::find(with.jobs, job) == with.jobs.end()) return no_job(with, job);
    const auto asked = read_filter(request.target, {"limit", "state"});
    if (const auto* wrong = std::get_if<bad_query>(&asked)) return bad_request(*wrong);
    const auto& [rows_max, state] = std::get<filter>(asked);
    auto runs = nlohmann::ordered_json::array();
    for (const auto& run : with.store.list(rows_max, job, state)) runs.push_back(run_document(run));
    return json_answer(200, {{"job", job}, {"runs", std::move(runs)}});
}

http_response list_audit(services& with, const http_request& request) {
    const auto asked = read_filter(request.target, {"limit"});
    if (const auto* wrong = std::get_if<bad_query>(&asked)) return bad_request(*wrong);
    return json_answer(200, audit_document(with.store.list_audit(std::get<filter>(asked).rows_max)));
}

http_response list_jobs(services& with) {
    nlohmann::ordered_json jobs = nlohmann::ordered_json::array();
    for (const auto& job : with.store.list_jobs()) jobs.push_back(job_document(job));
    return json_answer(200, {{"jobs", std::move(jobs)}});
}

http_response cancel_run(services& with, const std::string& run_id, const requester& who) {
    const auto state = with.store.cancel(run_id, who);
    if (!state) {
        const auto run = with.store.find(run_id);
        if (!run) return no_run();
        return error_answer(
            409, "conflict", fmt::format("the run has ended: it is {}", run->state), "nothing is left to cancel",
            run_id);
    }
    log::event(
        log::level::info, "run cancelled",
        {{"run", run_id}, {"by", who.actor}, {"request_id", who.request_id}, {"state", *state}});
    if (*state == "cancelled") {
        const auto job = look_at_accepted(with.store, run_id).job;
        for (auto* observer : with.runs.observers()) observer->run_cancelled(job);
    }
    return json_answer(*state == "cancelled" ? 200 : 202, {{"success", true}, {"status", *state}, {"run", run_id}});
}

http_response retry_run(services& with, const std::string& run_id, const requester& who) {
    const auto old = with.store.find(run_id);
    if (!old) return no_run();
    if (std::ranges::find(with.jobs, old->job) == with.jobs.end()) return no_job(with, old->job); // its group is gone
    const auto request = redrive_of(*old, who, with.config.run_deadline);
    if (!request)
        return error_answer(
            409, "conflict", fmt::format("the run is {}", old->state),
            "only a dead, cancelled or skipped run is made up for; POST /api/jobs/{job}/runs makes a new one", run_id);
    const auto accepted = accept_run(with, *request);
    if (accepted.what == decision::crowded) return crowded(false, old->job);
    log::event(
        log::level::info, "run made up for",
        {{"run", accepted.run_id},
         {"retry_of", run_id},
         {"by", who.actor},
         {"request_id", who.request_id},
         {"decision", to_string(accepted.what)}});
    return run_answer(look_at_accepted(with.store, accepted.run_id), accepted.what, "manual", false);
}

http_response pause_job(services& with, const std::string& job, const requester& who, const std::string& body) {
    const auto reason = reason_in(body);
    if (!reason)
        return error_answer(
            400, "bad_request", "a pause needs a reason",
            fmt::format(
                R"(send {{"reason": "…"}}, at most {} bytes: whoever finds it paused will ask)",
                pause_reason_bytes_max));
    if (!with.store.pause(job, who, *reason)) return no_job(with, job);
    log::event(
        log::level::warn, "job paused",
        {{"job", job}, {"by", who.actor}, {"request_id", who.request_id}, {"reason", *reason}});
    return json_answer(200, {{"success", true}, {"job", job}, {"paused", true}});
}

http_response resume_job(services& with, const std::string& job, const requester& who) {
    const auto was_paused = with.store.resume(job, who);
    if (!was_paused) return no_job(with, job);
    if (*was_paused)
        log::event(log::level::info, "job resumed", {{"job", job}, {"by", who.actor}, {"request_id", who.request_id}});
    return json_answer(200, {{"success", true}, {"job", job}, {"paused", false}});
}

} // namespace tidesync::worker
