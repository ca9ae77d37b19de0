#include "worker/run_store.hpp"

#include "jobs/failpoint.hpp"
#include "worker/run_store_rows.hpp"

#include <fmt/format.h>
#include <sql/run_store.hpp>

namespace tidesync::worker {

namespace {

/// The row of a job, locked: accepts of one job wait for each other until the transaction ends.
struct locked_job {
    worker::overlap overlap = overlap::forbid;
    std::string paused_by; ///< empty when it is not paused
    std::string paused_reason;
    std::string slot;
};

locked_job lock_job(pqxx::transaction_base& transaction, const std::string& name) {
    const auto found = postgres::query(transaction, sql::lock_job.text, name);
    if (found.empty()) throw std::logic_error{fmt::format("job {} was never registered", name)};
    return {
        .overlap = rows::text_or_empty(found[0], "overlap") == "queue_one" ? overlap::queue_one : overlap::forbid,
        .paused_by = rows::text_or_empty(found[0], "paused_by"),
        .paused_reason = rows::text_or_empty(found[0], "paused_reason"),
        .slot = rows::text_or_empty(found[0], "slot")};
}

/// The run of a message that is known already.
std::optional<acceptance> attach(pqxx::transaction_base& transaction, const message_key& message) {
    const auto known =
        postgres::query(transaction, sql::attach_message.text, message.source, message.message_id, message.body_sha256);
    if (known.empty()) return std::nullopt;
    const auto run_id = known[0]["run_id"].as<std::string>();
    if (!known[0]["same_body"].as<bool>()) return acceptance{.what = decision::body_differs, .run_id = run_id};
    if (known[0]["finished_at"].is_null()) return acceptance{.what = decision::attached, .run_id = run_id};
    return acceptance{.what = decision::attached, .run_id = run_id, .ended = rows::outcome_of(known[0])};
}

bool is_replay(pqxx::transaction_base& transaction, const message_key& message) {
    if (message.jti.empty()) return false;
    const auto owner =
        postgres::query(transaction, sql::remember_jti.text, message.jti, message.message_id, message.expires_at);
    return owner[0]["message_id"].as<std::string>() != message.message_id;
}

acceptance
add_message(pqxx::transaction_base& transaction, const run_request& request, const std::string& run_id, decision what) {
    if (request.message)
        postgres::query(
            transaction, sql::add_message.text, request.message->source, request.message->message_id, run_id,
            std::string{to_string(what)}, request.message->body_sha256);
    return {.what = what, .run_id = run_id};
}

std::string create(
    pqxx::transaction_base& transaction, const run_request& request, const char* state, const std::string& slot = {},
    const std::string& why_skipped = {}) {
    const auto or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    return postgres::query(
               transaction, sql::create_run.text, request.job, state, request.trigger, request.actor, request.dry_run,
               or_null(request.retry_of), or_null(slot), request.time_for_all.count(), or_null(why_skipped),
               or_null(request.approves))[0]["run_id"]
        .as<std::string>();
}

acceptance skip(pqxx::transaction_base& transaction, const run_request& request, const locked_job& job) {
    const auto why = nlohmann::json{
        {"code", "paused"},
        {"message", fmt::format("job {} is paused by {}: {}", request.job, job.paused_by, job.paused_reason)},
        {"hint", fmt::format("`tidesync resume {}` lets it run again", request.job)}};
    const auto run_id =
        create(transaction, request, "skipped", {}, why.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return add_message(transaction, request, run_id, decision::skipped);
}

/// Why a run cannot be approved; empty when it can.
std::string why_unapprovable(pqxx::transaction_base& transaction, const run_request& request) {
    if (!rows::is_uuid(request.approves)) return "that is no run";
    const auto found = postgres::query(transaction, sql::find_stopped_run.text, request.approves, request.job);
    if (found.empty()) return "there is no such run of the job";
    if (!found[0]["stopped"].as<bool>()) return "no guard stopped it";
    const auto made_by = rows::text_or_empty(found[0], "made_by");
    return made_by.empty() ? "" : fmt::format("run {} has made its difference already, or is about to", made_by);
}

/// What a request becomes that no message has asked for before.
acceptance join_or_create(pqxx::transaction_base& transaction, const run_request& request, const locked_job& job) {
    if (!request.dry_run && !job.paused_by.empty()) return skip(transaction, request, job);
    const auto active = postgres::query(transaction, sql::find_active_runs.text, request.job);
    if (request.dry_run) { // changes nothing: it waits for nobody, and no pause stops it
        if (active[0]["dry_runs"].as<int>() >= run_store::dry_runs_max) return {.what = decision::crowded};
        return add_message(transaction, request, create(transaction, request, "queued"), decision::created);
    }
    const auto at_work = rows::text_or_empty(active[0], "at_work");
    const auto in_line = rows::text_or_empty(active[0], "in_line");
    // The one in line reads the slave after this moment, so that it serves every request until it starts.
    if (!in_line.empty()) {
        if (!request.approves.empty() &&
            postgres::query(transaction, sql::approve_in_line.text, in_line, request.approves).empty())
            return {
                .what = decision::unapprovable,
                .why = fmt::format("run {} is in line or has just begun: wait for its end", in_line)};
        return add_message(transaction, request, in_line, decision::coalesced);
    }
    if (at_work.empty())
        return add_message(transaction, request, create(transaction, request, "queued"), decision::created);
    // A person wants what the slave has now; the run at work may have read it before.
    const bool one_more = !request.approves.empty() || job.overlap == overlap::queue_one ||
                          request.trigger == "manual" || request.trigger == "redrive" ||
                          active[0]["stopping"].as<bool>();
    if (!one_more) return add_message(transaction, request, at_work, decision::coalesced);
    return add_message(transaction, request, create(transaction, request, "queued"), decision::queued);
}

/// A person's request; those of QStash and of the fallback are in the history alone.
void record_trigger(pqxx::transaction_base& transaction, const run_request& request, const acceptance& accepted) {
    if (accepted.run_id.empty() || (request.trigger != "manual" && request.trigger != "redrive")) return;
    audit_entry entry{
        .who = {.actor = request.actor, .request_id = request.request_id, .remote = request.remote},
        .action = request.trigger == "manual" ? "run.trigger" : "run.retry",
        .job = request.job,
        .run_id = accepted.run_id,
        .detail = {{"decision", to_string(accepted.what)}, {"dry_run", request.dry_run}}};
    if (!request.approves.empty()) entry.detail["approves"] = request.approves;
    if (!request.retry_of.empty()) entry.detail["retry_of"] = request.retry_of;
    rows::add_audit(transaction, entry);
}

} // namespace

acceptance run_store::accept(const run_request& request, const std::string& worker) {
    return transactions_.get("storing a run", [&](pqxx::transaction_base& transaction) -> acceptance {
        if (request.message) {
            if (is_replay(transaction, *request.message)) return {.what = decision::replayed};
            if (auto known = attach(transaction, *request.message)) return *known;
        }
        const auto job = lock_job(transaction, request.job);
        if (request.message) // another replica may have been faster
            if (auto known = attach(transaction, *request.message)) return *known;
        if (!request.approves.empty())
            if (auto why = why_unapprovable(transaction, request); !why.empty())
                return {.what = decision::unapprovable, .why = std::move(why)};
        auto accepted = join_or_create(transaction, request, job);
        record_trigger(transaction, request, accepted);
        if (accepted.what == decision::created && !worker.empty())
            accepted.claimed = rows::claim(transaction, worker, lease_, {request.job}, accepted.run_id);
        jobs::failpoint("accept.before_commit");
        return accepted;
    });
}

run_store::fallback run_store::ensure(const run_request& request) {
    return transactions_.get("looking after a slot", [&](pqxx::transaction_base& transaction) -> fallback {
        const auto job = lock_job(transaction, request.job);
        fallback result{.slot = job.slot, .paused_by = job.paused_by, .paused_reason = job.paused_reason};
        if (!job.paused_by.empty()) {
            result.what = fallback::kind::paused;
            return result;
        }
        const auto served = postgres::query(transaction, sql::find_served_slot.text, request.job, job.slot);
        if (!served.empty()) {
            result.what = fallback::kind::served;
            result.run.run_id = rows::text_or_empty(served[0], "run_id");
            result.run.state = rows::text_or_empty(served[0], "state");
            result.run.trigger = rows::text_or_empty(served[0], "trigger");
            return result;
        }
        result.run.run_id = create(transaction, request, "queued", job.slot);
        result.run.state = "queued";
        result.run.trigger = request.trigger;
        return result;
    });
}

} // namespace tidesync::worker
