#include "tests/catch.hpp"
#include "tests/support/canned_server.hpp"
#include "tests/support/serving.hpp"
#include "worker/run_store.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync::tests;
using namespace tidesync::worker;

namespace {

struct fixture {
    pair_of_databases databases;
    variables environment = worker_environment(databases);

    fixture() {
        databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY)");
        databases.slave.run("INSERT INTO item VALUES (1)");
    }

    [[nodiscard]] std::string value(std::string_view sql) const { return databases.production.value(sql); }
    [[nodiscard]] std::string actions() const {
        return value("SELECT string_agg(action, ' ' ORDER BY id) FROM tidesync.audit");
    }
    [[nodiscard]] finished tell(const std::vector<std::string>& words) const {
        return run_tidesync(words, environment);
    }
};

} // namespace

TEST_CASE("what people do on the command line stands in the audit, once, and what failed does not", "[worker][audit]") {
    const fixture f;
    CHECK(f.tell({"pause", "slave-to-prod", "--reason", "too early"}).status == 3);
    REQUIRE(f.tell({"run", "slave-to-prod"}).status == 0);
    const auto run = f.value("SELECT run_id FROM tidesync.run");
    CHECK(f.tell({"runs", "cancel", run}).status == 3); // it has ended
    CHECK(f.tell({"runs", "retry", run}).status == 3);
    REQUIRE(f.tell({"pause", "slave-to-prod", "--reason", "schema\nchange"}).status == 0);
    CHECK(f.tell({"run", "slave-to-prod"}).status == 3); // skipped, and asked for
    REQUIRE(f.tell({"resume", "slave-to-prod"}).status == 0);
    const auto skipped = f.value("SELECT run_id FROM tidesync.run WHERE state = 'skipped'");
    REQUIRE(f.tell({"runs", "retry", skipped}).status == 0);
    const auto redriven = f.value("SELECT run_id FROM tidesync.run WHERE trigger = 'redrive'");
    REQUIRE(f.tell({"runs", "cancel", redriven}).status == 0);
    REQUIRE(f.tell({"token", "create", "--name", "ci", "--scope", "trigger"}).status == 0);
    REQUIRE(f.tell({"token", "revoke", "ci"}).status == 0);
    CHECK(f.actions() == "run.trigger job.pause run.trigger job.resume run.retry run.cancel token.create token.revoke");
    CHECK(
        f.value("SELECT bool_and(actor LIKE 'cli %' AND remote <> '' AND request_id IS NULL) FROM tidesync.audit") ==
        "t");
    CHECK(f.value("SELECT run_id FROM tidesync.audit WHERE action = 'run.cancel'") == redriven);
    CHECK(f.value("SELECT detail->>'retry_of' FROM tidesync.audit WHERE action = 'run.retry'") == skipped);
    CHECK(f.value("SELECT detail->>'reason' FROM tidesync.audit WHERE action = 'job.pause'") == "schema?change");
    CHECK(f.value("SELECT count(DISTINCT detail->>'token') FROM tidesync.audit WHERE action LIKE 'token.%'") == "1");

    const auto shown = f.tell({"audit"});
    for (const auto* part : {"run.trigger", "cli ", "schema?change", "token.revoke"})
        CHECK(shown.out.find(part) != std::string::npos);
    const auto entries = nlohmann::json::parse(f.tell({"audit", "--json", "--limit", "2"}).out).at("entries");
    REQUIRE(entries.size() == 2);
    CHECK(entries.at(0).at("action") == "token.revoke");
    CHECK(f.tell({"audit", "--limit", "0"}).status == 64);
}

TEST_CASE("an action over HTTP is written with its caller, address and request", "[worker][audit]") {
    const fixture f;
    const serving worker{f.environment};
    const auto with =
        headers{{"Authorization", std::string{"Bearer "} + admin_token}, {"X-Request-Id", "from-a-test-1"}};
    CHECK(request(worker.port(), "POST", sync_route, with, "{}").status == 200);
    CHECK(
        f.value("SELECT actor || '|' || remote || '|' || request_id || '|' || job FROM tidesync.audit") ==
        "admin token|127.0.0.1|from-a-test-1|slave-to-prod");
    CHECK(f.value("SELECT a.run_id = r.run_id FROM tidesync.audit a, tidesync.run r") == "t");
    CHECK(worker.deliver({}).status == 200); // QStash is no person
    CHECK(f.actions() == "run.trigger");
    CHECK(
        worker.as_person("POST", "/api/jobs/slave-to-prod/pause", R"({"reason":"x"})")
            .headers.at("x-request-id")
            .size() == 36);
    CHECK(worker.as_person("GET", "/api/audit").body.find("job.pause") != std::string::npos);
}

TEST_CASE("a schedule that a command changes stands in the audit where a run store is set", "[worker][audit]") {
    fixture f;
    canned_server qstash{{answer(200), answer(200)}};
    f.environment["QSTASH_URL"] = qstash.url();
    f.environment["QSTASH_TOKEN"] = "a-qstash-token-only-for-tests";
    CHECK(f.tell({"schedule", "pause", "scd_1"}).status == 0);
    CHECK(f.actions() == "schedule.pause");
    CHECK(f.value("SELECT detail->>'schedule' FROM tidesync.audit") == "scd_1");
    f.environment.erase("PROD_DATABASE_URL");
    CHECK(f.tell({"schedule", "resume", "scd_1"}).status == 0);
    CHECK(f.actions() == "schedule.pause");
    CHECK(qstash.requests().size() == 2);
}

TEST_CASE(
    "what could not be done leaves nothing in the audit, and what could not be written is not done",
    "[worker][audit]") {
    const fixture f;
    run_store store{f.databases.production.address()};
    store.register_job({.name = "slave-to-prod"});
    f.databases.production.run("ALTER TABLE tidesync.audit ADD CHECK (actor <> 'nobody')");
    CHECK_THROWS(store.pause("slave-to-prod", {"nobody"}, "x"));
    CHECK(f.value("SELECT paused_at IS NULL FROM tidesync.job") == "t");
    CHECK_THROWS(store.accept({.job = "slave-to-prod", .trigger = "manual", .actor = "nobody"}, {}));
    CHECK(f.value("SELECT count(*) FROM tidesync.run") == "0");
    CHECK(f.value("SELECT count(*) FROM tidesync.audit") == "0");
}

TEST_CASE("nobody changes the audit, and what is older than a year is forgotten in batches", "[worker][audit]") {
    const fixture f;
    run_store store{f.databases.production.address()};
    store.record({.who = {"ann"}, .action = "job.pause"});
    const auto& production = f.databases.production;
    CHECK_THROWS(production.run("UPDATE tidesync.audit SET actor = 'ben'"));
    CHECK_THROWS(production.run("DELETE FROM tidesync.audit"));
    CHECK_THROWS(production.run("TRUNCATE tidesync.audit"));
    production.run("INSERT INTO tidesync.audit (at, actor, action) SELECT now() - interval '365 days 1 minute', 'old', "
                   "'job.pause' FROM generate_series(1, 12)");
    production.run(
        "INSERT INTO tidesync.audit (at, actor, action) VALUES (now() - interval '364 days', 'ben', 'job.pause')");
    CHECK_THROWS(production.run("UPDATE tidesync.audit SET actor = 'ben' WHERE actor = 'old'"));
    CHECK_THROWS(production.run("DELETE FROM tidesync.audit WHERE actor = 'ben'"));
    production.run("INSERT INTO tidesync.token (id, name, scope, sha256, created_by, revoked_at, revoked_by) SELECT "
                   "'aaaaaaaaa' || x, 'a', 'read', sha256('a'), 'ann', now() - days * interval '1 day', 'ann' "
                   "FROM (VALUES ('a', 366), ('b', 364)) v(x, days)");
    CHECK(store.prune_audit(10) == 10);
    CHECK(store.prune_audit(10) == 2);
    CHECK(store.prune_audit(10) == 0);
    CHECK(f.value("SELECT string_agg(actor, ' ' ORDER BY actor) FROM tidesync.audit") == "ann ben");
    CHECK(f.value("SELECT string_agg(id, ' ') FROM tidesync.token") == "aaaaaaaaab");
}
