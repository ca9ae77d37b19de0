// Two workers behind one address and two schedulers behind another: every connection goes to the next of them, so that
// hardly anything is answered by whoever answered before.
#include "tests/catch.hpp"
#include "tests/faults/proxy.hpp"
#include "tests/support/canned_server.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/scheduler_process.hpp"
#include "tests/support/serving.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

struct cluster {
    pair_of_databases databases;
    database kept{database::on::production};
    scheduler_process first_scheduler{kept};
    scheduler_process second_scheduler{kept};
    proxy qstash{std::vector{first_scheduler.port(), second_scheduler.port()}};
    std::vector<std::uint16_t> ports{unused_port(), unused_port()};
    proxy address{ports};
    variables environment = worker_environment(databases);
    std::vector<std::unique_ptr<serving>> workers;

    cluster() {
        databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
        databases.slave.run("INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 10) i");
        databases.production.run("INSERT INTO item VALUES (1, 'old')");
        environment["TIDESYNC_PUBLIC_URL"] = fmt::format("http://127.0.0.1:{}", address.port());
        environment["QSTASH_URL"] = fmt::format("http://127.0.0.1:{}", qstash.port());
        environment["QSTASH_TOKEN"] = scheduler_process::token;
        for (const auto port : ports) {
            environment["TIDESYNC_LISTEN"] = fmt::format("127.0.0.1:{}", port);
            workers.push_back(std::make_unique<serving>(environment));
        }
        environment["TIDESYNC_LISTEN"] = fmt::format("127.0.0.1:{}", address.port()); // for whoever asks a worker
    }

    [[nodiscard]] finished tell(const std::vector<std::string>& words) const {
        return run_tidesync(words, environment);
    }
    [[nodiscard]] http_answer as_person(
        const std::string& method, const std::string& target, const std::string& body = {}, headers with = {}) const {
        with.emplace_back("Authorization", fmt::format("Bearer {}", admin_token));
        return request(address.port(), method, target, with, body);
    }
    [[nodiscard]] std::string value(std::string_view sql) const { return databases.production.value(sql); }
    void await(const database& where, std::string_view sql, std::string_view expected) const {
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (where.value(sql) != expected) {
            CAPTURE(sql, expected, where.value(sql));
            REQUIRE(std::chrono::steady_clock::now() < until);
            std::this_thread::sleep_for(20ms);
        }
    }
};

nlohmann::json json(const http_answer& answer) { return nlohmann::json::parse(answer.body); }

} // namespace

TEST_CASE("two workers and two schedulers, each pair behind one address, are one of each", "[worker][replicas]") {
    const cluster c;
    const auto set_up = c.tell({"setup"}); // every step of it, and a message there and back
    INFO(set_up.out << set_up.err);
    REQUIRE(set_up.status == 0);
    CHECK(json(c.as_person("GET", "/api/background/sync/schedule")).at("schedules").size() == 1);

    const auto before = std::stoi(c.value("SELECT count(*) FROM tidesync.message"));
    for (int i = 0; i < 6; ++i) CHECK(c.tell({"schedule", "trigger"}).status == 0);
    c.await(c.databases.production, "SELECT count(*) FROM tidesync.message", std::to_string(before + 6));
    c.await(c.databases.production, "SELECT count(*) FROM tidesync.run WHERE finished_at IS NULL", "0");
    c.await(c.kept, "SELECT count(*) FROM tidesync_qstash.message WHERE state <> 'delivered'", "0");
    CHECK(c.value("SELECT max(deliveries) FROM tidesync.message") == "1"); // by one scheduler, to one worker
    CHECK(c.value("SELECT count(*) FROM item WHERE name = 'n' || id") == "10");
    for (const auto port : c.ports) { // both were called, whoever of them made the runs
        int delivered = 0;
        for (const auto& [series, value] : read_metrics(request(port, "GET", "/metrics").body))
            if (series.starts_with("worker_deliveries_total") && series.find(R"(source="qstash")") != std::string::npos)
                delivered += static_cast<int>(value);
        CHECK(delivered > 0);
    }

    const auto paused = c.as_person("POST", "/api/jobs/slave-to-prod/pause", R"({"reason": "a release"})");
    CHECK(paused.status == 200);
    for (int i = 0; i < 2; ++i)
        CHECK(json(c.as_person("GET", "/api/jobs")).at("jobs").at(0).at("pause").at("reason") == "a release");
    CHECK(c.as_person("POST", "/api/jobs/slave-to-prod/resume").status == 200);

    const headers key{{"Idempotency-Key", "once"}};
    const auto one = json(c.as_person("POST", "/api/jobs/slave-to-prod/runs", "{}", key));
    const auto other = json(c.as_person("POST", "/api/jobs/slave-to-prod/runs", "{}", key));
    CHECK(one.at("run") == other.at("run"));
    for (int i = 0; i < 2; ++i)
        CHECK(c.as_person("GET", "/api/runs/" + one.at("run").get<std::string>()).status == 200);

    CHECK(c.tell({"schedule", "pause"}).status == 0);
    const auto stored = [&](const scheduler_process& of) {
        return nlohmann::json::parse(of.call("GET", "/v2/schedules/tidesync-slave-to-prod").body).at("isPaused");
    };
    CHECK(stored(c.first_scheduler) == true);
    CHECK(stored(c.second_scheduler) == true);
}

TEST_CASE("a run is cancelled by way of the worker that does not have it", "[worker][replicas]") {
    const cluster c;
    pqxx::connection application{c.databases.production.url()};
    pqxx::work row{application};
    row.exec("UPDATE item SET name = 'held' WHERE id = 1");
    http_answer answer;
    std::jthread trigger{[&] { answer = c.workers.at(0)->as_person("POST", sync_route); }};
    c.await(c.databases.production, "SELECT count(*) FROM tidesync.run WHERE state = 'running'", "1");
    const auto run = c.value("SELECT run_id FROM tidesync.run");
    CHECK(c.workers.at(1)->as_person("POST", "/api/runs/" + run + "/cancel").status == 202);
    c.await(c.databases.production, "SELECT state FROM tidesync.run", "cancelled");
    trigger.join();
    CHECK(answer.status / 100 == 2);
    row.abort();
    CHECK(c.value("SELECT count(*) FROM item") == "1");
}
