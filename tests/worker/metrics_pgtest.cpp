#include "tests/catch.hpp"
#include "worker/run_metrics.hpp"

#include "tests/support/database.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/scripted_job.hpp"
#include "tests/support/serving.hpp"
#include "worker/run_queue.hpp"

#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

using figures = std::map<std::string, double>;

template <typename Condition>
bool eventually(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(20ms);
    }
    return true;
}

/// One worker process, as far as runs and their metrics are concerned.
struct fixture {
    pair_of_databases databases;
    run_store store{databases.production.address(), 2s};
    scripted_job job;
    run_metrics counts{store, {"scripted"}};
    runner runs{store, {&job}, {}, nullptr, {&counts}};

    fixture() { store.register_job({.name = "scripted"}); }

    claimed_run claim(bool dry_run = false) {
        const auto accepted = store.accept(
            {.job = "scripted", .trigger = "manual", .actor = "test", .dry_run = dry_run, .message = {}}, "w");
        REQUIRE(accepted.claimed);
        return *accepted.claimed;
    }
    void work(const claimed_run& run) {
        runs.start(run);
        REQUIRE(runs.wait(run.run_id, 15s));
    }
    figures read() { return read_metrics(counts.text()); }
    double attempts(const std::string& outcome) {
        return read().at("worker_run_attempts_total{job_name=\"scripted\",outcome=\"" + outcome + "\"}");
    }
    double finished(const std::string& outcome) {
        return read().at("worker_runs_finished_total{job_name=\"scripted\",outcome=\"" + outcome + "\"}");
    }
};

jobs::result fails(jobs::failure_code code) { return {jobs::give_up{{code, "no", "do something"}}, {}}; }

} // namespace

TEST_CASE("series of a job are there before anything happened", "[worker][runner][metrics]") {
    fixture f;
    const auto found = f.read();
    for (const auto* outcome : {"succeeded", "dead", "cancelled", "skipped"}) CHECK(f.finished(outcome) == 0);
    for (const auto* outcome : {"succeeded", "retry", "dead", "cancelled", "released", "lost"})
        CHECK(f.attempts(outcome) == 0);
    for (const auto* trigger : {"qstash", "manual", "cronjob", "redrive"})
        CHECK(
            found.at("worker_runs_created_total{job_name=\"scripted\",trigger=\"" + std::string{trigger} + "\"}") == 0);
    CHECK(found.at("worker_store_up") == 0); // nobody has asked it yet
    CHECK(found.at("worker_run_duration_seconds_count{job_name=\"scripted\"}") == 0);
    CHECK(found.at("worker_fence_rejections_total{target=\"production\"}") == 0);
    CHECK(found.at("worker_guard_trips_total{job_name=\"scripted\"}") == 0);
}

TEST_CASE("attempts and runs are counted by how the store took their end", "[worker][runner][metrics][threads]") {
    fixture f;
    f.job.script = [](const auto&) -> jobs::result {
        jobs::report report;
        report.tables.push_back({.name = "t", .total = 100, .inserted = 7, .updated = 5, .unchanged = 88});
        report.phases = {{"plan", 20ms}, {"stage", 2s}, {"apply", 300ms}, {"of another version", 1ms}};
        return {jobs::done{}, report};
    };
    f.work(f.claim());
    f.work(f.claim(true)); // a dry run is a run, but wrote no rows
    auto found = f.read();
    CHECK(f.finished("succeeded") == 2);
    CHECK(f.attempts("succeeded") == 2);
    CHECK(found.at("worker_rows_total{job_name=\"scripted\",op=\"read\"}") == 100);
    CHECK(found.at("worker_rows_total{job_name=\"scripted\",op=\"inserted\"}") == 7);
    CHECK(found.at("worker_rows_total{job_name=\"scripted\",op=\"updated\"}") == 5);
    CHECK(found.at("worker_rows_total{job_name=\"scripted\",op=\"unchanged\"}") == 88);
    CHECK(found.at("worker_rows_total{job_name=\"scripted\",op=\"deleted\"}") == 0);
    CHECK(found.at("worker_phase_duration_seconds_sum{job_name=\"scripted\",phase=\"stage\"}") == 4);
    CHECK(found.at("worker_phase_duration_seconds_count{job_name=\"scripted\",phase=\"other\"}") == 2);
    CHECK(found.at("worker_run_duration_seconds_count{job_name=\"scripted\"}") == 2);
    CHECK(found.at("worker_run_queue_seconds_count{job_name=\"scripted\"}") == 2);

    f.job.script = [](const auto&) { return fails(jobs::failure_code::superseded); };
    f.work(f.claim());
    CHECK(f.finished("dead") == 1);
    CHECK(f.attempts("dead") == 1);
    CHECK(f.read().at("worker_fence_rejections_total{target=\"production\"}") == 1);

    f.job.script = [](const auto&) -> jobs::result {
        return {jobs::retry{0s, {jobs::failure_code::busy, "busy", "wait"}}, {}};
    };
    const auto retried = f.claim();
    f.work(retried);
    CHECK(f.attempts("retry") == 1);
    CHECK(f.finished("dead") == 1); // the run goes on
    f.databases.production.run(
        "UPDATE tidesync.run SET attempt = max_attempts - 1, run_after = now() - interval '3 s', "
        "started_at = now() - interval '1000 s' WHERE state = 'retry_wait'");
    f.work(f.store.claim_next("w", {"scripted"}).value());
    CHECK(f.attempts("retry") == 2);
    CHECK(f.finished("dead") == 2); // that was the last attempt
    found = f.read();
    CHECK(found.at("worker_run_duration_seconds_sum{job_name=\"scripted\"}") >= 1000); // all attempts, and the pauses
    CHECK(found.at("worker_run_queue_seconds_sum{job_name=\"scripted\"}") >= 3);
    CHECK(found.at("worker_run_queue_seconds_sum{job_name=\"scripted\"}") < 60); // since the pause was over
}

TEST_CASE("runs that a guard stopped are counted, and no other failure is", "[worker][runner][metrics][guards]") {
    fixture f;
    const auto trips = [&] { return f.read().at("worker_guard_trips_total{job_name=\"scripted\"}"); };
    for (const auto code : {jobs::failure_code::plan_refused, jobs::failure_code::superseded}) {
        f.job.script = [code](const auto&) { return fails(code); };
        f.work(f.claim());
    }
    f.job.script = [](const auto&) -> jobs::result {
        return {jobs::retry{0s, {jobs::failure_code::busy, "busy", "wait"}}, {}};
    };
    f.work(f.claim());
    f.databases.production.run("UPDATE tidesync.run SET run_after = now() WHERE state = 'retry_wait'");
    f.job.script = [](const auto&) -> jobs::result { return {}; };
    f.work(f.store.claim_next("w", {"scripted"}).value());
    CHECK(trips() == 0);

    f.job.script = [](const auto&) { return fails(jobs::failure_code::guarded); };
    f.work(f.claim());
    CHECK(trips() == 1);
    CHECK(f.finished("dead") == 3); // it is one of them

    // Somebody cancelled it before it came to that: then there is nothing to be approved.
    const auto cancelled = f.claim();
    f.job.script = [](const jobs::run_context& run) -> jobs::result {
        while (!run.stop.stop_requested()) std::this_thread::sleep_for(5ms);
        return fails(jobs::failure_code::guarded);
    };
    CHECK(f.store.cancel(cancelled.run_id, {"test"}));
    f.work(cancelled);
    CHECK(f.finished("cancelled") == 1);
    CHECK(trips() == 1);

    // Once, too, where an earlier attempt left open what it did: the end comes with the last look.
    f.job.script = [](const auto&) -> jobs::result {
        return {jobs::retry{.after = 0s, .why = {jobs::failure_code::unreachable, "m", "h"}, .in_doubt = true}, {}};
    };
    f.work(f.claim());
    const auto next = [&] {
        f.databases.production.run("UPDATE tidesync.run SET run_after = now() WHERE state = 'retry_wait'");
        f.work(f.store.claim_next("w", {"scripted"}).value());
    };
    f.job.script = [](const auto&) { return fails(jobs::failure_code::guarded); };
    next();
    CHECK(trips() == 1);
    next();
    CHECK(f.finished("dead") == 4);
    CHECK(trips() == 2);
}

TEST_CASE("a lease that was lost is counted where it was lost and where it was found", "[worker][runner][metrics]") {
    fixture f;
    f.job.script = [](const jobs::run_context& run) -> jobs::result {
        while (!run.stop.stop_requested()) std::this_thread::sleep_for(5ms);
        return fails(jobs::failure_code::stopped);
    };
    const auto run = f.claim();
    CHECK(f.store.pause("scripted", {"test"}, "nobody takes the run up again"));
    f.databases.production.run("UPDATE tidesync.run SET lease_expires_at = now() - interval '1 s'");
    const run_queue queue{f.store, f.runs, "w", {}};
    REQUIRE(eventually([&] { return f.attempts("lost") == 1; }));
    f.work(run); // learns at its first beat that the run is not its own
    CHECK(f.read().at("worker_lease_rescues_total") == 1);
    CHECK(f.read().at("worker_lease_lost_total") == 1);
    for (const auto* outcome : {"succeeded", "dead", "cancelled"}) CHECK(f.finished(outcome) == 0);
    CHECK(f.attempts("released") == 0); // the store did not take that end
    const auto ticks = f.read();
    for (const auto* loop : {"claim", "tend"})
        CHECK(ticks.at("worker_loop_last_tick_timestamp_seconds{loop=\"" + std::string{loop} + "\"}") > 1e9);
}

TEST_CASE("a run that is ended twice by one attempt was ended once", "[worker][store]") {
    fixture f; // the answer to the first COMMIT was lost
    const auto run = f.claim();
    CHECK(f.store.end(run, {.how = run_end::kind::succeeded}, {}, std::nullopt) == "succeeded");
    CHECK(f.store.end(run, {.how = run_end::kind::succeeded}, {}, std::nullopt) == "succeeded");
    CHECK_FALSE(f.store.end(run, {.how = run_end::kind::dead}, {}, std::nullopt));
    CHECK(f.databases.production.value("SELECT count(*) FROM tidesync.attempt") == "1");
}

TEST_CASE("figures of the store are kept while it is away, and say so", "[worker][queue][metrics]") {
    fixture f;
    f.work(f.claim());
    (void)f.store.accept({.job = "scripted", .trigger = "manual", .actor = "test", .message = {}}, {});
    CHECK(f.store.pause("scripted", {"somebody"}, "a test"));
    const auto read = f.store.read_figures();
    f.counts.store_read(&read);
    auto found = f.read();
    CHECK(found.at("worker_store_up") == 1);
    CHECK(found.at("worker_runs{job_name=\"scripted\",state=\"queued\"}") == 1);
    CHECK(found.at("worker_runs{job_name=\"scripted\",state=\"running\"}") == 0);
    CHECK(found.at("worker_job_paused{job_name=\"scripted\"}") == 1);
    const auto success = found.at("worker_job_last_success_timestamp_seconds{job_name=\"scripted\"}");
    CHECK(success > 1e9);
    const auto expected = found.at("worker_job_next_expected_timestamp_seconds{job_name=\"scripted\"}");
    CHECK(std::abs(expected - success - 7 * 3600) < 1);
    CHECK(found.at("worker_job_late{job_name=\"scripted\"}") == 0);
    CHECK_FALSE(found.contains("worker_job_last_dead_timestamp_seconds{job_name=\"scripted\"}"));
    const auto when = found.at("worker_store_read_timestamp_seconds");

    f.databases.production.run("ALTER TABLE tidesync.run RENAME TO hidden");
    {
        const run_queue queue{f.store, f.runs, "w", {.claim = 100ms}};
        REQUIRE(eventually([&] { return f.read().at("worker_store_up") == 0; }));
    }
    found = f.read();
    CHECK(found.at("worker_store_read_timestamp_seconds") == when);
    CHECK(found.at("worker_runs{job_name=\"scripted\",state=\"queued\"}") == 1);
    CHECK(found.at("worker_db_errors_total{class=\"other\",db=\"run_store\"}") > 0);
    CHECK(found.at("worker_db_errors_total{class=\"connection\",db=\"run_store\"}") == 0);
    CHECK(found.contains("worker_db_pool_connections{db=\"run_store_beats\",state=\"idle\"}"));
    f.databases.production.run("ALTER TABLE tidesync.hidden RENAME TO run");
}

TEST_CASE("a heartbeat without an answer is counted", "[worker][runner][metrics]") {
    fixture f;
    f.job.script = [&](const jobs::run_context&) -> jobs::result {
        (void)eventually([&] { return f.read().at("worker_heartbeat_failures_total") > 0; });
        return {};
    };
    const auto run = f.claim();
    f.databases.production.run("ALTER TABLE tidesync.run RENAME COLUMN heartbeat_at TO hidden");
    f.runs.start(run);
    CHECK(eventually([&] { return f.read().at("worker_heartbeat_failures_total") > 0; }));
    f.databases.production.run("ALTER TABLE tidesync.run RENAME COLUMN hidden TO heartbeat_at");
    REQUIRE(f.runs.wait(run.run_id, 15s));
}

TEST_CASE("a worker tells Prometheus of its runs, and goes on telling while the store is away", "[worker][delivery]") {
    const pair_of_databases databases;
    databases.run_on_both("CREATE TABLE product (id int PRIMARY KEY, name text CHECK (name <> 'refused'))");
    databases.slave.run("ALTER TABLE product DROP CONSTRAINT product_name_check");
    databases.slave.run("INSERT INTO product SELECT i, 'new' FROM generate_series(1, 100) i");
    serving worker{worker_environment(databases)};
    const auto read = [&] {
        const auto answer = request(worker.port(), "GET", "/metrics");
        REQUIRE(answer.status == 200);
        return read_metrics(answer.body);
    };
    const auto of_job = [](const std::string& name, const std::string& label) {
        return name + "{job_name=\"slave-to-prod\"" + (label.empty() ? "" : "," + label) + "}";
    };
    REQUIRE(worker.deliver({}).status == 200);
    databases.slave.run("UPDATE product SET name = 'refused' WHERE id = 1");
    CHECK(worker.deliver({.id = "msg_2", .jti = "jwt_2"}).status == 489);
    CHECK(worker.deliver({.id = "msg_2", .jti = "jwt_3"}).status == 489); // attached: no further run
    databases.slave.run("UPDATE product SET name = 'new' WHERE id = 1");
    const auto dead = databases.production.value("SELECT run_id FROM tidesync.run WHERE state = 'dead'");
    CHECK(worker.as_person("POST", "/api/runs/" + dead + "/retry").status == 202);
    REQUIRE(eventually([&] { return read().at(of_job("worker_runs_finished_total", "outcome=\"succeeded\"")) == 2; }));
    CHECK(worker.as_person("POST", "/api/jobs/slave-to-prod/pause", R"({"reason":"a test"})").status == 200);
    CHECK(worker.as_person("POST", sync_route).status == 409);

    const auto now = std::stod(databases.production.value("SELECT extract(epoch FROM clock_timestamp())"));
    REQUIRE(eventually([&] { return read().contains(of_job("worker_job_last_dead_timestamp_seconds", "")); }));
    auto found = read();
    CHECK(found.at(of_job("worker_runs_created_total", "trigger=\"qstash\"")) == 2);
    CHECK(found.at(of_job("worker_runs_created_total", "trigger=\"redrive\"")) == 1);
    CHECK(found.at(of_job("worker_runs_created_total", "trigger=\"manual\"")) == 1);
    CHECK(found.at(of_job("worker_runs_finished_total", "outcome=\"dead\"")) == 1);
    CHECK(found.at(of_job("worker_runs_finished_total", "outcome=\"skipped\"")) == 1);
    CHECK(found.at(of_job("worker_rows_total", "op=\"inserted\"")) == 100);
    CHECK(found.at(of_job("worker_rows_total", "op=\"read\"")) == 200);
    CHECK(found.at(of_job("worker_phase_duration_seconds_count", "phase=\"apply\"")) == 3);
    CHECK(found.at(of_job("worker_job_last_success_timestamp_seconds", "")) > now - 60);
    CHECK(found.at("worker_schedule_last_delivery_timestamp_seconds{source=\"qstash\"}") > now - 60);
    CHECK(found.at("worker_store_up") == 1);
    CHECK(found.at("worker_http_request_duration_seconds_count{route=\"" + std::string{sync_route} + "\"}") == 4);

    databases.production.run("ALTER SCHEMA tidesync RENAME TO hidden");
    REQUIRE(eventually([&] { return read().at("worker_store_up") == 0; }));
    const auto asked = std::chrono::steady_clock::now();
    found = read();
    CHECK(std::chrono::steady_clock::now() - asked < 2s);
    CHECK(found.at(of_job("worker_job_last_success_timestamp_seconds", "")) > now - 60);
}
