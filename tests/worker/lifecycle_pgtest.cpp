#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"
#include "tests/support/serving.hpp"
#include "tests/worker/environment.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

struct fixture {
    pair_of_databases databases;
    variables environment = worker_environment(databases);

    fixture() {
        databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
        databases.slave.run("INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 10) i");
    }
};

std::uint16_t admin_port(process& worker) {
    const auto log = worker.err();
    const auto line = log.substr(log.rfind('\n', log.find(R"("listening")")) + 1);
    return nlohmann::json::parse(line.substr(0, line.find('\n'))).at("admin_port").get<std::uint16_t>();
}

} // namespace

TEST_CASE("with a second listener the first answers deliveries and nothing else", "[worker][lifecycle]") {
    fixture f;
    f.environment["TIDESYNC_ADMIN_LISTEN"] = "127.0.0.1:0";
    serving worker{f.environment};
    const auto people = admin_port(worker.worker());
    REQUIRE(people != worker.port());

    const auto delivered = worker.deliver({});
    CHECK(delivered.status == 200);
    CHECK(worker.as_person("POST", sync_route).status / 100 == 2); // the route takes both
    CHECK(request(worker.port(), "POST", "/api/qstash/failure").status == 401);
    for (const auto* hidden :
         {"/livez", "/readyz", "/metrics", "/openapi.json", "/api/runs", "/api/jobs", "/api/audit",
          "/api/background/sync/schedule"}) {
        CAPTURE(hidden);
        const auto answer = worker.as_person("GET", hidden);
        CHECK(answer.status == 404);
        CHECK(contains(answer.body, "TIDESYNC_ADMIN_LISTEN"));
        CHECK(request(people, "GET", hidden).status != 404);
    }
    CHECK(request(people, "GET", "/livez").status == 200);
    CHECK(
        request(people, "POST", sync_route, delivery_headers({}), "{}").status == 200); // every route: the run is known
    CHECK(contains(request(people, "GET", "/metrics").body, R"(worker_http_requests_total{code="404")"));
}

TEST_CASE("a worker that drains says so until it has drained", "[worker][lifecycle]") {
    fixture f;
    f.environment["TIDESYNC_ADMIN_LISTEN"] = "127.0.0.1:0";
    f.databases.run_on_both("CREATE TABLE held (id int PRIMARY KEY, name text); INSERT INTO held VALUES (1, 'a')");
    f.databases.slave.run("UPDATE held SET name = 'b'");
    serving worker{f.environment};
    const auto people = admin_port(worker.worker());
    CHECK(request(people, "GET", "/readyz").status == 200);

    pqxx::connection application{f.databases.production.url()};
    pqxx::work row{application};
    row.exec("UPDATE held SET name = 'held'");
    http_answer delivered;
    std::jthread delivery{[&] { delivered = worker.deliver({}); }};
    const auto is_running = [&] {
        return f.databases.production.value("SELECT count(*) FROM tidesync.run WHERE state = 'running'") == "1";
    };
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (!is_running()) REQUIRE(std::chrono::steady_clock::now() < until);
    worker.worker().signal(SIGTERM);
    REQUIRE(worker.logs("draining"));
    CHECK(request(people, "GET", "/readyz").status == 503);
    CHECK(request(people, "GET", "/livez").status == 200); // killing it now would only lose the run
    // What comes now and is a run of its own is for others to do: here nothing begins any more.
    const auto late = worker.deliver({.id = "msg_2", .jti = "jwt_2", .body = R"({"dry_run": true})"});
    CHECK(late.status == 202);
    CHECK(contains(late.body, R"("status":"queued")"));
    row.abort();
    CHECK(worker.worker().wait(20s) == 0);
    delivery.join();
    CHECK(delivered.status == 200);

    const serving other{f.environment};
    const auto until_done = std::chrono::steady_clock::now() + 20s;
    while (f.databases.production.value("SELECT count(*) FROM tidesync.run WHERE state = 'succeeded'") != "2")
        REQUIRE(std::chrono::steady_clock::now() < until_done);
}

TEST_CASE("health asks the worker of this machine", "[worker][lifecycle]") {
    fixture f;
    f.environment["TIDESYNC_ADMIN_LISTEN"] = "127.0.0.1:0";
    serving worker{f.environment};
    const auto ask = [&](std::vector<std::string> words, const std::string& setting, std::uint16_t port) {
        words.insert(words.begin(), "health");
        return run_tidesync(words, {{setting, fmt::format("0.0.0.0:{}", port)}}); // no other setting is needed
    };
    const auto people = admin_port(worker.worker());
    const auto alive = ask({}, "TIDESYNC_ADMIN_LISTEN", people);
    CHECK(alive.status == 0);
    CHECK(alive.out == "alive\n");
    CHECK(ask({}, "TIDESYNC_LISTEN", people).out == "alive\n");
    CHECK(ask({"--ready"}, "TIDESYNC_ADMIN_LISTEN", people).out == "ready\n");
    const auto wrong = ask({}, "TIDESYNC_LISTEN", worker.port());
    CHECK(wrong.status == 1);
    CHECK(contains(wrong.err, "answers 404: there is no such route"));

    worker.worker().signal(SIGTERM);
    CHECK(worker.worker().wait(20s) == 0);
    const auto gone = ask({}, "TIDESYNC_ADMIN_LISTEN", people);
    CHECK(gone.status == 1);
    CHECK(contains(gone.err, "is `tidesync serve` running"));
    const auto unknown = ask({}, "TIDESYNC_ADMIN_LISTEN", 0);
    CHECK(unknown.status == 78);
    CHECK(contains(unknown.err, "TIDESYNC_ADMIN_LISTEN has port 0"));
}

TEST_CASE("pre-stop waits and needs no settings", "[worker][lifecycle]") {
    const auto began = std::chrono::steady_clock::now();
    CHECK(run_tidesync({"pre-stop", "--sleep", "1"}, {}).status == 0);
    CHECK(std::chrono::steady_clock::now() - began >= 1s);
    CHECK(run_tidesync({"pre-stop"}, {}).status == 64);
    CHECK(run_tidesync({"pre-stop", "--sleep", "0"}, {}).status == 64);
}

TEST_CASE("migrate --await changes nothing and ends once somebody has migrated", "[worker][lifecycle][migrate]") {
    const database production{database::on::production};
    const database kept{database::on::production};
    const variables environment{{"PROD_DATABASE_URL", production.url()}};
    const auto in_vain = run_tidesync({"migrate", "--await", "1"}, environment);
    CHECK(in_vain.status == 78);
    CHECK(contains(in_vain.err, "after 1 s of waiting: schema tidesync"));
    CHECK(contains(in_vain.err, "run `tidesync migrate`"));
    CHECK(production.value("SELECT to_regnamespace('tidesync') IS NULL") == "t");
    const auto scheduler = run_tidesync({"migrate", "--await", "1"}, {{"TIDESYNC_QSTASH_DATABASE_URL", kept.url()}});
    CHECK(scheduler.status == 78);
    CHECK(contains(scheduler.err, "schema tidesync_qstash"));

    process waiting{{tidesync_binary(), "migrate", "--await", "30", "--json"}, environment};
    CHECK_FALSE(waiting.wait(1500ms));
    REQUIRE(run_tidesync({"migrate"}, environment).status == 0);
    CHECK(waiting.wait(10s) == 0);
    CHECK(nlohmann::json::parse(waiting.out()).at("success") == true);

    const login_role stranger{production};
    const auto denied = run_tidesync({"migrate", "--await", "1"}, {{"PROD_DATABASE_URL", stranger.url()}});
    CHECK(denied.status == 78);
    CHECK(contains(denied.err, "permission denied"));
    const variables nobody{{"PROD_DATABASE_URL", "postgresql://a:only-for-tests@127.0.0.1:1/x"}};
    const auto away = run_tidesync({"migrate", "--await", "1"}, nobody);
    CHECK(away.status == 3);
    CHECK_FALSE(contains(away.err, "only-for-tests"));
    CHECK(run_tidesync({"migrate", "--await", "1", "--grant-to", "x"}, environment).status == 64);
}

TEST_CASE("migrate --await ends early when told to, and when no waiting helps", "[worker][lifecycle][migrate]") {
    const database production{database::on::production};
    const variables environment{{"PROD_DATABASE_URL", production.url()}};
    process stopped{{tidesync_binary(), "migrate", "--await", "30"}, environment};
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (!contains(stopped.err(), "waiting: ")) REQUIRE(std::chrono::steady_clock::now() < until);
    stopped.signal(SIGTERM);
    CHECK(stopped.wait(5s) == 3);

    REQUIRE(run_tidesync({"migrate"}, environment).status == 0);
    production.run("INSERT INTO tidesync.schema_version (part, version) VALUES ('run_store', 999)");
    const auto newer = run_tidesync({"migrate", "--await", "600"}, environment);
    CHECK(newer.status == 78);
    CHECK(contains(newer.err, "use the newer binary"));
}

namespace {

/// Production, and what may be granted there.
struct granting {
    fixture f;
    const database& production = f.databases.production;
    login_role worker{production};
    variables owner{{"PROD_DATABASE_URL", production.url()}};

    granting() {
        production.run("DROP SCHEMA tidesync CASCADE; DROP SCHEMA tidesync_staging");
        production.run(fmt::format(
            "GRANT USAGE ON SCHEMA public TO {0}; GRANT SELECT, INSERT, UPDATE ON item TO {0}", worker.name()));
        f.environment["PROD_DATABASE_URL"] = worker.url();
    }
    [[nodiscard]] finished grant(const std::string& role) const {
        return run_tidesync({"migrate", "--grant-to", role}, owner);
    }
    [[nodiscard]] bool may(const std::string& privilege, const std::string& table) const {
        const auto asked = fmt::format("SELECT has_table_privilege('{}', '{}', '{}')", worker.name(), table, privilege);
        return production.value(asked) == "t";
    }
};

} // namespace

TEST_CASE("migrate --grant-to lets a role do what runs need, and no more", "[worker][lifecycle][migrate]") {
    granting g;
    const database kept{database::on::production};
    g.owner["TIDESYNC_QSTASH_DATABASE_URL"] = kept.url();
    const auto nobody = g.grant("no_such_role");
    CHECK(nobody.status == 78);
    CHECK(contains(nobody.err, "there is no role no_such_role"));
    CHECK(g.production.value("SELECT to_regclass('tidesync.run') IS NOT NULL") == "t"); // as it says
    CHECK(g.grant("no_such_role").status == 78);

    const auto granted = g.grant(g.worker.name());
    CAPTURE(granted.out, granted.err);
    CHECK(granted.status == 0);
    CHECK(contains(granted.out, "granted to role " + g.worker.name()));
    const auto again = g.grant(g.worker.name());
    CHECK(again.status == 0);
    CHECK(contains(again.out, "may do all that is needed in run_store already"));
    const auto run = run_tidesync({"run", "slave-to-prod"}, g.f.environment);
    CAPTURE(run.err);
    CHECK(run.status == 0);
    CHECK_FALSE(g.may("DELETE", "tidesync.applied"));
    CHECK_FALSE(g.may("UPDATE", "tidesync.audit"));
    CHECK_FALSE(g.may("TRUNCATE", "tidesync.run"));
    CHECK_FALSE(g.may("INSERT", "tidesync.schema_version"));
    CHECK(g.may("DELETE", "tidesync.run"));
    const auto keys = fmt::format("SELECT has_schema_privilege('{}', 'tidesync_qstash', 'USAGE')", g.worker.name());
    CHECK(kept.value(keys) == "f"); // they are everybody's who uses the scheduler

    g.owner.erase("PROD_DATABASE_URL");
    CHECK(g.grant(g.worker.name()).status == 0);
    CHECK(kept.value(keys) == "t");
}

TEST_CASE("a run store of its own is granted as well", "[worker][lifecycle][migrate]") {
    granting g;
    const database store{database::on::production};
    g.owner["TIDESYNC_DATABASE_URL"] = store.url();
    const auto at = store.url().substr(store.url().rfind('@'));
    const auto& as_worker = g.worker.url();
    g.f.environment["TIDESYNC_DATABASE_URL"] = as_worker.substr(0, as_worker.rfind('@')) + at;
    REQUIRE(g.grant(g.worker.name()).status == 0);
    const auto run = run_tidesync({"run", "slave-to-prod"}, g.f.environment);
    CAPTURE(run.out, run.err);
    CHECK(run.status == 0);
    store.run("DROP OWNED BY " + g.worker.name()); // or the role could not go
}

TEST_CASE(
    "grants by several at once all end well, and by somebody who may not, badly", "[worker][lifecycle][migrate]") {
    const granting g;
    REQUIRE(run_tidesync({"migrate"}, g.owner).status == 0);
    std::vector<std::unique_ptr<process>> several;
    const std::vector<std::string> words{tidesync_binary(), "migrate", "--grant-to", g.worker.name()};
    for (int i = 0; i < 5; ++i) several.push_back(std::make_unique<process>(words, g.owner));
    for (const auto& one : several) CHECK(one->wait(30s) == 0);

    const login_role other{g.production};
    const auto refused = run_tidesync({"migrate", "--grant-to", other.name()}, {{"PROD_DATABASE_URL", g.worker.url()}});
    CAPTURE(refused.out, refused.err);
    CHECK(refused.status == 3);
    CHECK(contains(refused.err, "permission denied"));
}
