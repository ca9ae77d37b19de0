#include "tests/catch.hpp"
#include "tests/support/database.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/serving.hpp"
#include "worker/run_store.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

struct fixture {
    pair_of_databases databases;
    run_store store{databases.production.address()};

    fixture() { store.register_job({.name = "j", .slot_every = 3600s, .grace = 600s}); }

    void registered(const std::string& ago) const {
        databases.production.run("UPDATE tidesync.job SET registered_at = now() - interval '" + ago + "'");
    }
    /// Makes a run that ended well so long ago.
    void succeeded(const std::string& ago, bool dry_run = false) {
        const auto run =
            store.accept({.job = "j", .trigger = "manual", .actor = "test", .dry_run = dry_run, .message = {}}, "w");
        REQUIRE(run.claimed);
        REQUIRE(store.end(*run.claimed, {.how = run_end::kind::succeeded}, {}, std::nullopt) == "succeeded");
        databases.production.run(
            "SET LOCAL session_replication_role = replica; UPDATE tidesync.run SET finished_at = now() - interval '" +
            ago + "' WHERE run_id = '" + run.run_id + "'");
    }
    bool late() { return store.list_jobs().at(0).late; }
};

} // namespace

TEST_CASE("a job that never succeeded is late a slot and a grace after it was made known", "[worker][store][late]") {
    fixture f;
    CHECK_FALSE(f.late());
    CHECK(f.store.note_lateness().empty());
    f.registered("69 minutes");
    CHECK_FALSE(f.late());
    f.registered("71 minutes");
    CHECK(f.late());
    f.succeeded("0 s", true); // a dry run brings nothing over
    CHECK(f.late());
    const auto changes = f.store.note_lateness();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].job == "j");
    CHECK(changes[0].late);
    CHECK(changes[0].last_success.empty());
    CHECK(f.store.note_lateness().empty()); // told once
    f.succeeded("0 s");
    CHECK_FALSE(f.late());
    const auto over = f.store.note_lateness();
    REQUIRE(over.size() == 1);
    CHECK_FALSE(over[0].late);
    CHECK(over[0].because == "succeeded");
    CHECK_FALSE(over[0].late_since.empty());
    CHECK(f.store.note_lateness().empty());
}

TEST_CASE("a job is late when its last success is, however long it is known", "[worker][store][late]") {
    fixture f;
    f.succeeded("71 minutes"); // known for a moment only
    CHECK(f.late());
    f.registered("5 days");
    f.succeeded("69 minutes");
    CHECK_FALSE(f.late());
    f.store.register_job({.name = "j", .slot_every = 3600s, .grace = 60s}, run_store::rules::keep);
    CHECK_FALSE(f.late()); // somebody else's rules do not count
    f.store.register_job({.name = "j", .slot_every = 3600s, .grace = 60s});
    CHECK(f.late());
    CHECK(f.store.note_lateness().size() == 1);
    f.store.register_job({.name = "j", .slot_every = 3600s, .grace = 7200s});
    CHECK(f.store.note_lateness().at(0).because == "expected_later");
}

TEST_CASE("a paused job is not late, and has a whole slot when it is resumed", "[worker][store][late]") {
    fixture f;
    f.succeeded("3 hours");
    CHECK(f.store.note_lateness().at(0).late);
    CHECK(f.store.pause("j", {"somebody"}, "a test"));
    CHECK_FALSE(f.late());
    CHECK(f.store.note_lateness().at(0).because == "paused");
    CHECK(f.store.resume("j", {"somebody"}) == true);
    CHECK_FALSE(f.late());
    CHECK(f.store.note_lateness().empty());
    f.databases.production.run("UPDATE tidesync.job SET resumed_at = now() - interval '71 minutes'");
    CHECK(f.late());
    CHECK(f.store.resume("j", {"somebody"}) == false); // it was not paused: that begins nothing anew
    CHECK(f.late());
}

TEST_CASE("of workers that look at the same moment one is told that a job is late", "[worker][store][late]") {
    fixture f;
    for (int round = 0; round < 5; ++round) {
        f.databases.production.run(
            "UPDATE tidesync.job SET registered_at = now() - interval '2 hours', late_since = NULL");
        std::atomic<std::size_t> told = 0;
        {
            std::vector<std::jthread> workers;
            for (int i = 0; i < 6; ++i) workers.emplace_back([&] { told += f.store.note_lateness().size(); });
        }
        CHECK(told == 1);
    }
}

TEST_CASE(
    "a late job is in the log once, in the list of jobs and in the metrics, until it is over", "[worker][delivery]") {
    const pair_of_databases databases;
    databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY)");
    databases.production.run(
        "INSERT INTO tidesync.job (name, registered_at) VALUES ('slave-to-prod', now() - interval '8 hours')");
    serving worker{worker_environment(databases)};
    const auto late = [&] {
        return nlohmann::json::parse(worker.as_person("GET", "/api/jobs").body).at("jobs").at(0).at("late").get<bool>();
    };
    const auto metric = [&] {
        const auto found = read_metrics(request(worker.port(), "GET", "/metrics").body);
        const auto series = found.find("worker_job_late{job_name=\"slave-to-prod\"}");
        return series == found.end() ? -1 : series->second;
    };
    const auto eventually = [](const auto& condition) {
        const auto until = std::chrono::steady_clock::now() + 30s;
        while (!condition() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(100ms);
        return condition();
    };
    const auto logged = [&](std::string_view text) {
        const auto log = worker.worker().err();
        std::size_t count = 0;
        for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
        return count;
    };
    CHECK(late());
    CHECK(eventually([&] { return metric() == 1; }));
    CHECK(logged("\"job is late\"") == 1);
    CHECK(worker.worker().err().find("Production is behind") != std::string::npos);
    REQUIRE(worker.deliver({}).status == 200);
    CHECK_FALSE(late());
    CHECK(eventually([&] { return metric() == 0; }));
    CHECK(logged("\"job is late\"") == 1);
    CHECK(logged("\"job is no longer late\"") == 1);
}
