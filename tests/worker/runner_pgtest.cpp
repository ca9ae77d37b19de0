#include "tests/catch.hpp"
#include "tests/support/database.hpp"
#include "tests/support/scripted_job.hpp"
#include "worker/runner.hpp"

#include <atomic>
#include <set>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

struct fixture {
    pair_of_databases databases;
    run_store store{databases.production.address()};
    run_store quick{databases.production.address(), 3s}; ///< beats twice a second
    scripted_job job;

    fixture() { store.register_job({.name = "scripted"}); }

    claimed_run claim() {
        const auto accepted =
            store.accept({.job = "scripted", .trigger = "manual", .actor = "test", .message = {}}, "w");
        REQUIRE(accepted.claimed);
        return *accepted.claimed;
    }

    std::string state(const claimed_run& run) { return store.find(run.run_id)->state; }
};

jobs::result wait_for_stop(const jobs::run_context& run) {
    while (!run.stop.stop_requested()) std::this_thread::sleep_for(5ms);
    return {jobs::give_up{{jobs::failure_code::stopped, "stopped", "again"}}, {}};
}

} // namespace

TEST_CASE("a failure that passes with time is left to a later attempt", "[worker][runner][threads]") {
    fixture f;
    f.job.script = [](const jobs::run_context&) -> jobs::result {
        return {jobs::retry{100s, {jobs::failure_code::busy, "busy", "wait"}}, {}};
    };
    runner runs{f.store, {&f.job}, {}};
    const auto run = f.claim();
    runs.start(run);
    REQUIRE(runs.wait(run.run_id, 10s));
    CHECK(f.job.calls == 1);
    CHECK(f.state(run) == "retry_wait");
    CHECK(f.store.find(run.run_id)->error.at("code") == "busy");
    CHECK(f.databases.production.value("SELECT run_after > now() + interval '95 s' FROM tidesync.run") == "t");
    CHECK(f.databases.production.value("SELECT outcome FROM tidesync.attempt") == "retry");
}

TEST_CASE("pauses grow from attempt to attempt, by chance, and are never shorter than asked", "[worker][runner]") {
    const std::vector<std::chrono::milliseconds> whole{5s, 15s, 45s, 2min, 5min, 5min};
    std::set<std::chrono::milliseconds> seen;
    for (std::size_t i = 0; i < whole.size(); ++i)
        for (int n = 0; n < 50; ++n) {
            const auto pause = pause_before_next(static_cast<int>(i) + 1, 0s);
            CHECK(pause >= whole[i] / 2);
            CHECK(pause <= whole[i]);
            seen.insert(pause);
        }
    CHECK(seen.size() > 100);
    CHECK(pause_before_next(1, 1h) == 1h);
}

TEST_CASE("a cancelled run is felt at the next beat and ends as cancelled", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.quick, {&f.job}, {}};
    const auto run = f.claim();
    runs.start(run);
    CHECK(f.store.cancel(run.run_id, {"somebody"}) == "running");
    REQUIRE(runs.wait(run.run_id, 5s));
    CHECK(f.state(run) == "cancelled");
}

TEST_CASE("a run past its deadline is stopped at the next beat and is dead", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.quick, {&f.job}, {}};
    const auto run = f.claim();
    f.databases.production.run("UPDATE tidesync.run SET deadline_at = now()");
    runs.start(run);
    REQUIRE(runs.wait(run.run_id, 5s));
    CHECK(f.state(run) == "dead");
}

TEST_CASE("a worker whose beats do not get through gives its run back before the lease ends", "[worker][runner]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.quick, {&f.job}, {}};
    const auto run = f.claim();
    pqxx::connection holder{f.databases.production.url()};
    {
        pqxx::work holding{holder}; // every beat hangs at its row
        holding.exec("SELECT FROM tidesync.run FOR UPDATE");
        runs.start(run);
        std::this_thread::sleep_for(2700ms); // of 3 s
        CHECK_FALSE(runs.has_room());
    }
    REQUIRE(runs.wait(run.run_id, 15s));
    CHECK(f.state(run) == "retry_wait"); // nobody had taken it yet: it is anybody's again
    CHECK(f.store.find(run.run_id)->attempt == 0);
}

TEST_CASE("a worker has room for so many runs, and for none once it drains", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.store, {&f.job}, {.runs_max = 1}};
    CHECK(runs.has_room());
    runs.start(f.claim());
    CHECK_FALSE(runs.has_room());
    runs.drain(0s);
    CHECK_FALSE(runs.has_room());
}

TEST_CASE("a job that throws ends dead, not the process", "[worker][runner][threads]") {
    fixture f;
    f.job.script = [](const jobs::run_context&) -> jobs::result { throw std::logic_error{"a defect"}; };
    runner runs{f.store, {&f.job}, {}};
    const auto run = f.claim();
    runs.start(run);
    REQUIRE(runs.wait(run.run_id, 10s));
    CHECK(f.state(run) == "dead");
    CHECK(f.store.find(run.run_id)->error.at("code") == "internal");
}

TEST_CASE(
    "a run that production refuses although it holds its lease says that its store is behind", "[worker][runner]") {
    fixture f;
    const jobs::failure refusal{
        jobs::failure_code::superseded, "a newer run has passed: with token 57", "nothing to do"};
    f.job.script = [&](const jobs::run_context&) -> jobs::result { return {jobs::give_up{refusal}, {}}; };
    runner runs{f.store, {&f.job}, {}};
    const auto run = f.claim();
    runs.start(run);
    REQUIRE(runs.wait(run.run_id, 10s));
    const auto error = f.store.find(run.run_id)->error;
    CHECK(error.at("code") == "store_behind");
    CHECK_THAT(error.at("message").get<std::string>(), containing("token 57"));
    CHECK_THAT(error.at("hint").get<std::string>(), containing("`tidesync doctor`"));
}

TEST_CASE("draining stops what takes longer and releases it", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.store, {&f.job}, {}};
    const auto run = f.claim();
    runs.start(run);
    CHECK_FALSE(runs.wait(run.run_id, 50ms));
    runs.drain(50ms);
    CHECK(f.state(run) == "retry_wait");
}

TEST_CASE("an interrupted run is cancelled", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.store, {&f.job}, {}};
    const auto run = f.claim();
    runs.start(run);
    runs.interrupt(run.run_id);
    REQUIRE(runs.wait(run.run_id, 10s));
    CHECK(f.state(run) == "cancelled");
}

TEST_CASE("a run over its time limit is stopped at the next beat", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.quick, {&f.job}, {.run_time = 0s}};
    const auto run = f.claim();
    runs.start(run);
    REQUIRE(runs.wait(run.run_id, 15s));
    CHECK(f.state(run) == "dead");
    CHECK(f.store.find(run.run_id)->error.at("code") == "time_limit");
}

TEST_CASE("a run whose lease was lost is stopped at the next beat and stores nothing", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.quick, {&f.job}, {}};
    const auto run = f.claim();
    runs.start(run);
    f.databases.production.run("UPDATE tidesync.run SET lease_token = lease_token + 100");
    REQUIRE(runs.wait(run.run_id, 15s));
    CHECK(f.state(run) == "running"); // the new owner's, untouched
}

TEST_CASE(
    "a process that is given its own lost run again ends the old attempt and works on", "[worker][runner][threads]") {
    fixture f;
    std::atomic<bool> first_stopped = false;
    f.job.script = [&](const jobs::run_context& run) -> jobs::result {
        if (f.job.calls > 1) return {};
        auto result = wait_for_stop(run);
        first_stopped = true;
        return result;
    };
    runner runs{f.store, {&f.job}, {}};
    const auto first = f.claim();
    runs.start(first);
    while (f.job.calls == 0) std::this_thread::sleep_for(1ms);
    f.databases.production.run("UPDATE tidesync.run SET lease_expires_at = now() - interval '1 s'");
    REQUIRE(f.store.bury_lost(1).size() == 1);
    f.databases.production.run("UPDATE tidesync.run SET run_after = now() - interval '1 s'");
    const auto second = f.store.claim_next("w", {"scripted"});
    REQUIRE(second);
    REQUIRE(second->run_id == first.run_id);
    runs.start(*second);
    REQUIRE(runs.wait(first.run_id, 10s));
    CHECK(first_stopped);
    CHECK(f.state(first) == "succeeded");
}

TEST_CASE("a run that is started while draining is released at once", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.store, {&f.job}, {}};
    runs.drain(0s);
    const auto run = f.claim();
    runs.start(run);
    REQUIRE(runs.wait(run.run_id, 10s));
    CHECK(f.state(run) == "retry_wait");
}
