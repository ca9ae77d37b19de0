#include "worker/run_store.hpp"

#include "jobs/failpoint.hpp"
#include "worker/run_store_rows.hpp"

#include <algorithm>
#include <sql/run_store.hpp>

namespace tidesync::worker {

namespace {

constexpr std::string_view side = "run store";

} // namespace

std::string_view to_string(run_end::kind how) noexcept {
    switch (how) {
    case run_end::kind::succeeded:
        return "succeeded";
    case run_end::kind::retry:
        return "retry";
    case run_end::kind::in_doubt:
        return "in_doubt";
    case run_end::kind::dead:
        return "dead";
    case run_end::kind::cancelled:
        return "cancelled";
    case run_end::kind::released:
        return "released";
    case run_end::kind::settled:
        return "settled";
    }
    return "dead";
}

std::string_view to_string(decision what) noexcept {
    switch (what) {
    case decision::created:
        return "created";
    case decision::queued:
        return "queued";
    case decision::attached:
        return "attached";
    case decision::coalesced:
        return "coalesced";
    case decision::skipped:
        return "skipped";
    case decision::unapprovable:
        return "unapprovable";
    case decision::crowded:
        return "crowded";
    case decision::replayed:
        return "replayed";
    case decision::body_differs:
        return "body_differs";
    }
    return "created";
}

run_store::run_store(postgres::address where, std::chrono::milliseconds lease)
    : lease_{lease}
    , transactions_{std::string{side}, where, working_connections_max}
    , beats_{std::string{side}, std::move(where), beating_connections_max} {}

void run_store::register_job(const job_rules& job, rules whose) {
    transactions_.run("registering a job", [&](auto& transaction) {
        postgres::query(
            transaction, sql::register_job.text, job.name, job.overlap == overlap::queue_one ? "queue_one" : "forbid",
            static_cast<int>(job.slot_every.count()), static_cast<int>(job.grace.count()), whose == rules::set);
    });
}

std::optional<claimed_run> run_store::claim_next(const std::string& worker, const std::vector<std::string>& jobs) {
    return transactions_.get("claiming a run", [&](pqxx::transaction_base& transaction) {
        return rows::claim(transaction, worker, lease_, jobs, {});
    });
}

run_store::beat run_store::heartbeat(const claimed_run& run, const nlohmann::json& progress) {
    return beats_.get("beating", [&](pqxx::transaction_base& transaction) -> beat {
        const auto held = postgres::query(
            transaction, sql::heartbeat.text, run.run_id, run.lease_token, lease_.count(),
            progress.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
        jobs::failpoint("beat.before_commit");
        if (held.empty()) return {.held = false};
        return {.cancelled = held[0]["cancelled"].as<bool>(), .late = held[0]["late"].as<bool>()};
    });
}

std::optional<std::string> run_store::end(
    const claimed_run& run, const run_end& how, const jobs::report& report,
    const std::optional<jobs::failure>& failure) {
    // What was given back, or will be tried again, has no result yet.
    using kind = run_end::kind;
    const bool over = how.how == kind::succeeded || how.how == kind::dead || how.how == kind::cancelled;
    const std::optional<std::string> result =
        over ? std::optional{nlohmann::ordered_json(report).dump()} : std::nullopt;
    std::optional<std::string> error;
    if (failure)
        error =
            nlohmann::json{{"code", to_string(failure->code)}, {"message", failure->message}, {"hint", failure->hint}}
                .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return transactions_.get("ending a run", [&](auto& transaction) -> std::optional<std::string> {
        const auto ended = postgres::query(
            transaction, sql::end_run.text, run.run_id, run.lease_token, std::string{to_string(how.how)},
            how.after.count(), result ? result->c_str() : nullptr, error ? error->c_str() : nullptr);
        postgres::query(transaction, sql::forget_expired_jtis.text);
        jobs::failpoint("end.before_commit");
        if (ended.empty()) return std::nullopt;
        return ended[0]["state"].template as<std::string>();
    });
}

std::vector<run_store::buried_run> run_store::bury_lost(int rows_max) {
    return transactions_.get("looking for lost runs", [&](auto& transaction) {
        std::vector<buried_run> buried;
        for (const auto& row : postgres::query(transaction, sql::bury_lost_runs.text, rows_max))
            buried.push_back(
                {.run_id = row["run_id"].template as<std::string>(),
                 .job = row["job"].template as<std::string>(),
                 .state = row["state"].template as<std::string>(),
                 .worker = row["lease_owner"].template as<std::string>(),
                 .crashes = row["crashes"].template as<int>(),
                 .dry_run = row["dry_run"].template as<bool>(),
                 .error_code = "lost",
                 .error_message = row["message"].template as<std::string>()});
        return buried;
    });
}

std::vector<run_store::buried_run> run_store::end_late(int rows_max) {
    return transactions_.get("looking for late runs", [&](auto& transaction) {
        std::vector<buried_run> late;
        for (const auto& row : postgres::query(transaction, sql::end_late_runs.text, rows_max))
            late.push_back(
                {.run_id = row["run_id"].template as<std::string>(),
                 .job = row["job"].template as<std::string>(),
                 .state = row["state"].template as<std::string>(),
                 .dry_run = row["dry_run"].template as<bool>(),
                 .error_code = "deadline",
                 .error_message = row["message"].template as<std::string>()});
        return late;
    });
}

int run_store::prune(int days_kept, int days_kept_dead, int rows_max) {
    return transactions_.get("forgetting old runs", [&](auto& transaction) {
        const auto runs = postgres::query(transaction, sql::prune_runs.text, days_kept, days_kept_dead, rows_max);
        const auto alarms = postgres::query(transaction, sql::prune_alarms.text, days_kept, rows_max);
        return std::max(runs[0]["forgotten"].template as<int>(), alarms[0]["forgotten"].template as<int>());
    });
}

int run_store::prune_audit(int rows_max) {
    return transactions_.get("forgetting old entries of the audit", [&](auto& transaction) {
        return postgres::query(transaction, sql::prune_audit.text, rows_max)[0]["forgotten"].template as<int>();
    });
}

void run_store::ping() {
    transactions_.run("asking for an answer", [](auto& transaction) { transaction.exec("SELECT 1"); });
}

} // namespace tidesync::worker
