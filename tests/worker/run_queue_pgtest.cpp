#include "tests/catch.hpp"
#include "tests/support/database.hpp"
#include "tests/support/scripted_job.hpp"
#include "worker/run_queue.hpp"

#include <atomic>
#include <set>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

/// One worker process, as far as runs are concerned.
struct worker_process {
    worker_process(const database& where, scripted_job& job, std::string name)
        : store{where.address(), 2s}
        , runs{store, {&job}, {}}
        , queue{store, runs, std::move(name), {.claim = 100ms}} {}

    run_store store;
    runner runs;
    run_queue queue;
};

struct fixture {
    pair_of_databases databases;
    run_store store{databases.production.address()};
    scripted_job job;

    fixture() { store.register_job({.name = "scripted"}); }

    std::string ask() {
        return store.accept({.job = "scripted", .trigger = "manual", .actor = "test", .message = {}}, {}).run_id;
    }
    bool ends(const std::string& run_id, const std::string& state, std::chrono::milliseconds patience = 15s) {
        const auto until = std::chrono::steady_clock::now() + patience;
        while (store.find(run_id)->state != state) {
            if (std::chrono::steady_clock::now() > until) return false;
            std::this_thread::sleep_for(10ms);
        }
        return true;
    }
};

} // namespace

TEST_CASE("what waits in line is done by itself, one after the other", "[worker][queue][threads]") {
    fixture f;
    std::atomic<int> at_once = 0;
    std::atomic<int> most = 0;
    f.job.script = [&](const jobs::run_context&) -> jobs::result {
        most = std::max<int>(most, ++at_once);
        std::this_thread::sleep_for(20ms);
        --at_once;
        return {};
    };
    worker_process one{f.databases.production, f.job, "one"};
    worker_process two{f.databases.production, f.job, "two"};
    std::set<std::string> ids;
    for (int i = 0; i < 10; ++i) {
        ids.insert(f.ask());
        std::this_thread::sleep_for(15ms);
    }
    for (const auto& id : ids) CHECK(f.ends(id, "succeeded"));
    CHECK(most == 1);
    CHECK(f.job.calls == static_cast<int>(ids.size()));
}

TEST_CASE("a failure that passes is tried again, by whoever is there", "[worker][queue][threads]") {
    fixture f;
    f.job.script = [&](const jobs::run_context&) -> jobs::result {
        if (f.job.calls < 2) return {jobs::retry{0s, {jobs::failure_code::busy, "busy", "wait"}}, {}};
        return {};
    };
    worker_process one{f.databases.production, f.job, "one"};
    const auto id = f.ask();
    REQUIRE(f.ends(id, "retry_wait"));
    f.databases.production.run("UPDATE tidesync.run SET run_after = now()"); // the pause is over
    CHECK(f.ends(id, "succeeded"));
    CHECK(f.store.find(id)->attempt == 2);
}

TEST_CASE(
    "a worker that stops beating loses its run to another one, and changes nothing more", "[worker][queue][threads]") {
    fixture f;
    std::atomic<int> stopped = 0;
    f.job.script = [&](const jobs::run_context& run) -> jobs::result {
        if (f.job.calls > 1) return {};
        while (!run.stop.stop_requested()) std::this_thread::sleep_for(5ms);
        ++stopped;
        return {jobs::give_up{{jobs::failure_code::stopped, "stopped", "again"}}, {}};
    };
    worker_process one{f.databases.production, f.job, "one"};
    const auto id = f.ask();
    REQUIRE(f.ends(id, "running"));
    // As if its process stood still: its beats come too late. (One that commits before anybody looks saves the run.)
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (f.store.find(id)->crashes == 0 && std::chrono::steady_clock::now() < give_up)
        f.databases.production.run("UPDATE tidesync.run SET lease_expires_at = now() - interval '1 s' "
                                   "WHERE state = 'running' AND crashes = 0");
    REQUIRE(f.ends(id, "succeeded"));
    CHECK(f.store.find(id)->crashes == 1);
    const auto until = std::chrono::steady_clock::now() + 5s;
    while (stopped == 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(10ms);
    CHECK(stopped == 1);
    CHECK(f.ends(id, "succeeded", 0ms));
}

TEST_CASE("the end of a run whose last attempt fell silent is what that attempt did", "[worker][queue]") {
    fixture f;
    const auto accepted =
        f.store.accept({.job = "scripted", .trigger = "manual", .actor = "test", .message = {}}, "gone/1/a");
    REQUIRE(accepted.claimed);
    f.databases.production.run("UPDATE tidesync.run SET crashes = 2, lease_expires_at = now() - interval '1 s'");
    std::string wanted = "dead";
    SECTION("nothing") {}
    SECTION("everything") {
        wanted = "succeeded";
        f.job.found = [] { return jobs::report{}; };
    }
    SECTION("what, nobody can tell at first") {
        wanted = "succeeded";
        f.job.found = [asked = 0]() mutable -> jobs::settlement {
            if (asked++ == 0) return jobs::retry{.after = {}, .why = {jobs::failure_code::unreachable, "m", "h"}};
            return jobs::report{};
        };
    }
    const worker_process one{f.databases.production, f.job, "one"};
    CHECK(f.ends(accepted.run_id, wanted));
    CHECK(f.job.calls == 0); // it was only looked at
    CHECK(f.store.find(accepted.run_id)->attempt == 0);
}

TEST_CASE("the loops go on while the store is away, and find what waits when it is back", "[worker][queue]") {
    fixture f;
    worker_process one{f.databases.production, f.job, "one"};
    f.databases.production.run("ALTER TABLE tidesync.run RENAME TO hidden");
    std::this_thread::sleep_for(300ms);
    const auto before = one.queue.last_turn();
    std::this_thread::sleep_for(1s);
    CHECK(one.queue.last_turn() > before); // alive, though nothing works
    f.databases.production.run("ALTER TABLE tidesync.hidden RENAME TO run");
    CHECK(f.ends(f.ask(), "succeeded"));
}

TEST_CASE("a worker that stops takes nothing more", "[worker][queue][threads]") {
    fixture f;
    worker_process one{f.databases.production, f.job, "one"};
    one.queue.stop();
    const auto id = f.ask();
    std::this_thread::sleep_for(400ms);
    CHECK(f.store.find(id)->state == "queued");
    worker_process two{f.databases.production, f.job, "two"};
    CHECK(f.ends(id, "succeeded"));
}
