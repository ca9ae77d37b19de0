#include "tests/catch.hpp"
#include "tests/support/destination.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/scripted_job.hpp"
#include "tests/support/serving.hpp"
#include "worker/pings.hpp"
#include "worker/run_queue.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync::tests;
using namespace std::chrono_literals;
namespace worker = tidesync::worker;

namespace {

struct fixture {
    pair_of_databases databases;
    destination hook;
    variables environment = worker_environment(databases);

    fixture() {
        databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY)");
        databases.slave.run("INSERT INTO item VALUES (1)");
        environment["TIDESYNC_PING_URL"] = hook.url("/canary-of-the-path/");
    }
    [[nodiscard]] std::vector<std::string> pings() const {
        std::vector<std::string> targets;
        for (const auto& request : hook.requests()) targets.push_back(request.method + ' ' + request.target);
        return targets;
    }
};

std::string run_of(const http_answer& answer) {
    return nlohmann::json::parse(answer.body).at("run").get<std::string>();
}

} // namespace

TEST_CASE("a worker pings of its runs, once each, and keeps the address to itself", "[worker][delivery][ping]") {
    const fixture f;
    serving worker{f.environment};
    const auto good = worker.deliver({});
    REQUIRE(good.status == 200);
    CHECK(worker.deliver({}).status == 200);                                          // attached
    CHECK(worker.as_person("POST", sync_route, R"({"dry_run":true})").status == 200); // writes nothing
    f.databases.production.run("ALTER TABLE item ADD CHECK (id < 2)");
    f.databases.slave.run("INSERT INTO item VALUES (2)");
    const auto bad = worker.as_person("POST", sync_route);
    REQUIRE(bad.status == 500);
    REQUIRE(f.hook.await(4));
    const auto id = run_of(good);
    const auto dead = run_of(bad);
    CHECK(
        f.pings() == std::vector<std::string>{
                         "GET /canary-of-the-path/start?rid=" + id, "GET /canary-of-the-path?rid=" + id,
                         "GET /canary-of-the-path/start?rid=" + dead, "POST /canary-of-the-path/fail?rid=" + dead});
    CHECK(f.hook.requests().at(3).body.starts_with("data_refused: "));
    const auto metrics = request(worker.port(), "GET", "/metrics").body;
    CHECK(read_metrics(metrics).at("worker_pings_total{outcome=\"failed\"}") == 0);
    CHECK(metrics.find("canary") == std::string::npos);
    CHECK(worker.worker().err().find("canary") == std::string::npos);
}

TEST_CASE("a run from the command line pings before the command ends, a check does not", "[worker][commands][ping]") {
    const fixture f;
    CHECK(run_tidesync({"check", "slave-to-prod"}, f.environment).status == 1);
    CHECK(run_tidesync({"run", "slave-to-prod", "--dry-run"}, f.environment).status == 0);
    CHECK(f.pings().empty());
    const auto ended = run_tidesync({"run", "slave-to-prod"}, f.environment);
    CHECK(ended.status == 0);
    CHECK(f.pings().size() == 2);
    CHECK(f.hook.requests().back().path() == "/canary-of-the-path");
    auto unreachable = f.environment;
    unreachable["TIDESYNC_PING_URL"] = "http://127.0.0.1:1/canary";
    const auto alone = run_tidesync({"run", "slave-to-prod"}, unreachable);
    CHECK(alone.status == 0);
    CHECK(alone.err.find("canary") == std::string::npos);
}

TEST_CASE("a run that killed its workers pings from where it was found dead", "[worker][queue][ping]") {
    const pair_of_databases databases;
    const destination hook;
    worker::run_store store{databases.production.address()};
    scripted_job job;
    store.register_job({.name = "scripted"});
    const auto run = store.accept({.job = "scripted", .trigger = "manual", .actor = "test", .message = {}}, "w");
    REQUIRE(run.claimed);
    databases.production.run("UPDATE tidesync.run SET crashes = 2, lease_expires_at = now() - interval '1 s'");
    worker::pings to{worker::secret{hook.url("/p")}, "scripted", {}, {}};
    worker::runner runs{store, {&job}, {}, nullptr, {&to}};
    const worker::run_queue queue{store, runs, "w", {}};
    REQUIRE(hook.await(1));
    CHECK(hook.requests().front().target == "/p/fail?rid=" + run.run_id);
    CHECK(hook.requests().front().body.starts_with("lost: the worker w fell silent"));
}
