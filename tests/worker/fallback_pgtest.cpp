// The third way in, as the CronJob and the timer take it: `ensure JOB --slot current --wait`, a process of its own that
// goes straight to the run store.
#include "tests/catch.hpp"
#include "tests/faults/proxy.hpp"
#include "tests/support/serving.hpp"

#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> fallback{"ensure", "slave-to-prod", "--slot", "current", "--wait"};

struct fixture {
    pair_of_databases databases;
    variables environment = worker_environment(databases);
    variables pod; ///< the fallback's environment: it has neither keys nor the admin token, which may be what is broken

    fixture() {
        environment["TIDESYNC_LEASE"] = "3";
        databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
        databases.slave.run("INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 10) i");
        databases.production.run("INSERT INTO item VALUES (1, 'old')");
        for (const auto* name : {"SLAVE_DATABASE_URL", "PROD_DATABASE_URL", "TIDESYNC_LEASE"})
            pod[name] = environment.at(name);
    }

    [[nodiscard]] std::string value(std::string_view sql) const { return databases.production.value(sql); }
    [[nodiscard]] std::string runs() const {
        return value("SELECT coalesce(string_agg(trigger || ' ' || state, ',' ORDER BY created_at), 'none') "
                     "FROM tidesync.run");
    }
    [[nodiscard]] std::string synced_rows() const { return value("SELECT count(*) FROM item WHERE name = 'n' || id"); }
    void await(std::string_view sql, std::string_view expected) const {
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (value(sql) != expected) {
            CAPTURE(sql, expected, value(sql));
            REQUIRE(std::chrono::steady_clock::now() < until);
            std::this_thread::sleep_for(20ms);
        }
    }
};

std::unique_ptr<process> start_fallback(const fixture& f) {
    auto words = fallback;
    words.insert(words.begin(), tidesync_binary());
    return std::make_unique<process>(words, f.pod);
}

/// The application, holding the row that every run has to change.
class held_row {
public:
    explicit held_row(const fixture& f)
        : connection_{f.databases.production.url()}
        , transaction_{connection_} {
        transaction_.exec("UPDATE item SET name = 'held' WHERE id = 1");
    }
    void let_go() { transaction_.abort(); }

private:
    pqxx::connection connection_;
    pqxx::work transaction_;
};

constexpr const char* somebody_waits =
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";

} // namespace

TEST_CASE("fallback: QStash served the slot, so that nothing is done", "[worker][fallback]") {
    const fixture f;
    const serving worker{f.environment};
    REQUIRE(worker.deliver({}).status == 200);
    REQUIRE(f.runs() == "qstash succeeded");
    const auto found = run_tidesync(fallback, f.pod);
    CHECK(found.status == 0);
    CHECK(found.err.find("nothing to do") != std::string::npos);
    CHECK(f.runs() == "qstash succeeded");
    CHECK(f.value("SELECT count(*) FROM tidesync.attempt") == "1");
}

TEST_CASE("fallback: QStash is silent, so that one run is made, and shows in the metrics", "[worker][fallback]") {
    const fixture f;
    const serving worker{f.environment};
    const auto shown = [&](const std::string& name) {
        return request(worker.port(), "GET", "/metrics").body.find(name + "{") != std::string::npos;
    };
    CHECK_FALSE(shown("worker_job_last_fallback_timestamp_seconds"));
    CHECK(run_tidesync(fallback, f.pod).status == 0);
    CHECK(f.runs() == "cronjob succeeded");
    CHECK(f.synced_rows() == "10");
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (!shown("worker_job_last_fallback_timestamp_seconds")) {
        REQUIRE(std::chrono::steady_clock::now() < until);
        std::this_thread::sleep_for(200ms);
    }
    CHECK(run_tidesync(fallback, f.pod).status == 0); // the slot is served now
    CHECK(f.runs() == "cronjob succeeded");
}

TEST_CASE("fallback: QStash arrives while the fallback runs, and belongs to its run", "[worker][fallback]") {
    const fixture f;
    const serving worker{f.environment};
    held_row row{f};
    const auto pod = start_fallback(f);
    f.await(somebody_waits, "t");
    const auto delivered = worker.deliver({});
    CHECK(delivered.status == 202);
    CHECK(nlohmann::json::parse(delivered.body).at("decision") == "coalesced");
    row.let_go();
    CHECK(pod->wait(30s) == 0);
    CHECK(f.runs() == "cronjob succeeded");
    const auto again = worker.deliver({.id = "msg_1", .jti = "jwt_2"});
    CHECK(again.status == 200);
    CHECK(nlohmann::json::parse(again.body).at("run") == nlohmann::json::parse(delivered.body).at("run"));
    CHECK(f.runs() == "cronjob succeeded");
}

TEST_CASE("fallback: five at once make one run, and all of them end well", "[worker][fallback]") {
    const fixture f;
    held_row row{f};
    std::vector<std::unique_ptr<process>> pods;
    for (int i = 0; i < 5; ++i) pods.push_back(start_fallback(f));
    for (const auto& pod : pods) { // each has looked at the slot before the run may end
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (pod->err().find("slot") == std::string::npos) REQUIRE(std::chrono::steady_clock::now() < until);
    }
    row.let_go();
    int makers = 0;
    for (const auto& pod : pods) {
        CHECK(pod->wait(30s) == 0);
        makers += pod->err().find("made run") != std::string::npos ? 1 : 0;
    }
    CHECK(makers == 1);
    CHECK(f.runs() == "cronjob succeeded");
    CHECK(f.synced_rows() == "10");
}

TEST_CASE(
    "fallback: the Deployment is down, in the middle of a run, and the run is done all the same",
    "[worker][fallback]") {
    const fixture f;
    {
        held_row row{f};
        serving worker{f.environment};
        std::jthread delivery{[&] {
            try {
                (void)worker.deliver({});
            } catch (const std::runtime_error&) { // its worker dies
            }
        }};
        f.await(somebody_waits, "t");
        worker.worker().signal(SIGKILL);
        REQUIRE(worker.worker().wait(10s));
    }
    const auto taken = run_tidesync(fallback, f.pod); // QStash's run: it was made, and is still to be ended
    CAPTURE(taken.err);
    CHECK(taken.status == 0);
    CHECK(f.runs() == "qstash succeeded");

    // And the slot after, in which nobody calls.
    f.databases.production.run(
        "SET LOCAL session_replication_role = replica; UPDATE tidesync.run SET slot = slot - interval '6 hours', "
        "started_at = started_at - interval '12 hours'");
    f.databases.slave.run("INSERT INTO item VALUES (11, 'n11')");
    CHECK(run_tidesync(fallback, f.pod).status == 0);
    CHECK(f.runs() == "qstash succeeded,cronjob succeeded");
    CHECK(f.synced_rows() == "11");
}

TEST_CASE("fallback: the run store is down, so that it fails in a way that is tried again", "[worker][fallback]") {
    fixture f;
    const auto& url = f.databases.production.url();
    const auto colon = url.rfind(':');
    const auto slash = url.find('/', colon);
    proxy wire{static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1, slash - colon - 1)))};
    f.pod["PROD_DATABASE_URL"] = url.substr(0, colon + 1) + std::to_string(wire.port()) + url.substr(slash);
    wire.refuse();
    const auto failed = run_tidesync(fallback, f.pod);
    CAPTURE(failed.err);
    CHECK(failed.status == 3); // not 64 or 78, after which the CronJob's Job gives up
    CHECK(f.runs() == "none");
    wire.heal();
    CHECK(run_tidesync(fallback, f.pod).status == 0);
    CHECK(f.runs() == "cronjob succeeded");
    CHECK(f.synced_rows() == "10");
}
