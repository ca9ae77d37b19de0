#include "tests/catch.hpp"
#include "tests/support/database.hpp"
#include "worker/runner.hpp"

#include <atomic>
#include <functional>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

/// A job that does what the test says. Stands in for real ones, which cannot fail on demand.
class scripted_job final : public jobs::job {
public:
    std::function<jobs::result(const jobs::run_context&)> script;
    std::atomic<int> calls = 0;

    [[nodiscard]] std::string_view name() const override { return "scripted"; }
    [[nodiscard]] jobs::result check(const jobs::run_context&) override { return {}; }
    [[nodiscard]] jobs::result sync(const jobs::run_context& run, jobs::sync_mode) override {
        ++calls;
        return script(run);
    }
};

struct fixture {
    pair_of_databases databases;
    run_store store{databases.production.address()};
    scripted_job job;

    fixture() { store.register_job("scripted"); }

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

TEST_CASE("a failure that passes with time is tried again within the run", "[worker][runner][threads]") {
    fixture f;
    f.job.script = [&](const jobs::run_context&) -> jobs::result {
        if (f.job.calls < 3) return {jobs::retry{0s, {jobs::failure_code::busy, "busy", "wait"}}, {}};
        return {};
    };
    runner runs{f.store, {&f.job}, {}};
    const auto run = f.claim();
    runs.start(run);
    REQUIRE(runs.wait(run.run_id, 10s));
    CHECK(f.job.calls == 3);
    CHECK(f.state(run) == "succeeded");
}

TEST_CASE("tries have an end", "[worker][runner][threads]") {
    fixture f;
    f.job.script = [](const jobs::run_context&) -> jobs::result {
        return {jobs::retry{0s, {jobs::failure_code::busy, "busy", "wait"}}, {}};
    };
    runner runs{f.store, {&f.job}, {}};
    const auto run = f.claim();
    runs.start(run);
    REQUIRE(runs.wait(run.run_id, 10s));
    CHECK(f.job.calls == 3);
    CHECK(f.state(run) == "dead");
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
    runs.interrupt();
    REQUIRE(runs.wait(run.run_id, 10s));
    CHECK(f.state(run) == "cancelled");
}

TEST_CASE("a run over its time limit is stopped at the next beat", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.store, {&f.job}, {.run_time = 0s}};
    const auto run = f.claim();
    runs.start(run);
    REQUIRE(runs.wait(run.run_id, 15s));
    CHECK(f.state(run) == "dead");
    CHECK(f.store.find(run.run_id)->error.at("code") == "time_limit");
}

TEST_CASE("a run whose lease was lost is stopped at the next beat and stores nothing", "[worker][runner][threads]") {
    fixture f;
    f.job.script = wait_for_stop;
    runner runs{f.store, {&f.job}, {}};
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
    const auto second = f.claim();
    REQUIRE(second.run_id == first.run_id);
    runs.start(second);
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
