#include "tests/catch.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/serving.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

/// One table, 100 rows on the slave, 50 older ones in production; and a worker.
struct fixture {
    pair_of_databases databases;
    variables environment = worker_environment(databases);

    fixture() {
        databases.run_on_both(
            "CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL CHECK (name <> 'refused'))");
        databases.slave.run("INSERT INTO product SELECT i, 'new ' || i FROM generate_series(1, 100) i");
        databases.production.run("INSERT INTO product SELECT i, 'old ' || i FROM generate_series(1, 50) i");
    }

    [[nodiscard]] std::string runs() const { return databases.production.value("SELECT count(*) FROM tidesync.run"); }
    [[nodiscard]] std::string changed_rows() const {
        return databases.production.value("SELECT count(*) FROM product WHERE name LIKE 'new %'");
    }
};

/// The application, holding a row that the sync has to change.
class held_row {
public:
    explicit held_row(const database& production)
        : connection_{production.url()}
        , transaction_{connection_} {
        transaction_.exec("UPDATE product SET name = name WHERE id = 1");
    }
    void let_go() { transaction_.abort(); }

private:
    pqxx::connection connection_;
    pqxx::work transaction_;
};

nlohmann::json json(const http_answer& answer) { return nlohmann::json::parse(answer.body); }

template <typename Condition>
bool eventually(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(50ms);
    }
    return true;
}

} // namespace

TEST_CASE("a signed delivery runs the job and answers with its statistics", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    const auto answer = worker.deliver({});
    CAPTURE(answer.body);
    REQUIRE(answer.status == 200);
    const auto document = json(answer);
    CHECK(document.at("success") == true);
    CHECK(document.at("type") == "scheduled");
    CHECK(document.at("statistics").at("total_records") == 100);
    CHECK(document.at("statistics").at("inserted") == 50);
    CHECK(document.at("statistics").at("updated") == 50);
    CHECK(f.changed_rows() == "100");

    const auto run = worker.as_person("GET", "/api/runs/" + document.at("run").get<std::string>());
    CHECK(run.status == 200);
    CHECK(json(run).at("state") == "succeeded");
    CHECK(json(run).at("trigger") == "qstash");
    CHECK(json(run).at("messages") == nlohmann::json{"msg_1"});
    CHECK(json(run).at("report").at("tables").size() == 1);
    const auto runs = json(worker.as_person("GET", "/api/runs")).at("runs");
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].at("messages") == nlohmann::json{"msg_1"});
    CHECK(worker.as_person("GET", "/api/runs/none").status == 404);
    CHECK(worker.as_person("GET", "/api/runs/00000000-0000-0000-0000-000000000000").status == 404);
    CHECK(request(worker.port(), "GET", "/api/runs").status == 401);
}

TEST_CASE("a redelivery attaches to the run of its message", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    const auto first = worker.deliver({.id = "msg_a", .jti = "jwt_1"});
    const auto again = worker.deliver({.id = "msg_a", .jti = "jwt_2"});
    const auto same_token = worker.deliver({.id = "msg_a", .jti = "jwt_1"});
    CHECK(again.status == 200);
    CHECK(same_token.status == 200);
    CHECK(json(first).at("run") == json(again).at("run"));
    CHECK(json(first).at("run") == json(same_token).at("run"));
    CHECK(f.runs() == "1");
    CHECK(f.databases.production.value("SELECT deliveries FROM tidesync.message") == "3");
}

TEST_CASE("a token that comes with another message id is a replay", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    CHECK(worker.deliver({.id = "msg_a", .jti = "jwt_1"}).status == 200);
    CHECK(worker.deliver({.id = "msg_b", .jti = "jwt_1"}).status == 401);
    CHECK(f.runs() == "1");
    CHECK(worker.logs("replay"));
}

TEST_CASE("a message id with another body is a conflict that QStash must not repeat", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    CHECK(worker.deliver({.id = "msg_a", .jti = "jwt_1", .body = "{}"}).status == 200);
    const auto answer = worker.deliver({.id = "msg_a", .jti = "jwt_2", .body = "{ }"});
    CHECK(answer.status == 489);
    CHECK(answer.headers.at("upstash-nonretryable-error") == "true");
    CHECK(f.runs() == "1");
}

TEST_CASE("what QStash did not sign makes no run and is told nothing", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    const auto refused = [&](const http_answer& answer, std::string_view reason) {
        CAPTURE(reason, answer.body);
        CHECK(answer.status == 401);
        CHECK(json(answer).at("error").at("code") == "unauthorized");
        CHECK(answer.body.find(reason) == std::string::npos);
        CHECK(worker.logs(reason));
    };
    refused(worker.deliver({.key = "sig_anotherKeyThatIsNotOurs12345"}), "wrong_key");
    refused(worker.deliver({.age = 10min}), "expired");
    refused(worker.deliver({.url = "https://sync.example.com/other"}), "url_mismatch");
    refused(request(worker.port(), "POST", sync_route, {{"Upstash-Signature", ""}}, "{}"), "missing");
    refused(request(worker.port(), "POST", sync_route, {{"Upstash-Signature", "a.b.c"}}, "{}"), "malformed");
    refused(request(worker.port(), "POST", sync_route, {}, "{}"), "no credential");
    refused(request(worker.port(), "POST", sync_route, {{"x-manual-trigger", "true"}}, "{}"), "manual header only");
    refused(
        request(
            worker.port(), "POST", sync_route, {{"Upstash-Signature", signature({})}, {"Upstash-Message-Id", "m"}},
            R"({"dry_run":true})"),
        "body_mismatch");
    refused(
        request(
            worker.port(), "POST", sync_route,
            {{"Upstash-Signature", "a.b.c"}, {"Authorization", fmt::format("Bearer {}", admin_token)}}, "{}"),
        "malformed");
    CHECK(f.runs() == "0");
    CHECK(f.changed_rows() == "0");
}

TEST_CASE("the next key opens too, and its use is logged", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    CHECK(worker.deliver({.key = next_key}).status == 200);
    CHECK(worker.logs("signed with the next key"));
}

TEST_CASE("a person triggers the same route with the token", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    for (const auto* method : {"POST", "GET"}) {
        const auto answer = worker.as_person(method, sync_route);
        CAPTURE(method, answer.body);
        CHECK(answer.status == 200);
        CHECK(json(answer).at("type") == "manual");
        CHECK(answer.headers.at("cache-control") == "no-store");
    }
    CHECK(f.runs() == "2");
    CHECK(f.databases.production.value("SELECT DISTINCT trigger FROM tidesync.run") == "manual");
}

TEST_CASE("the manual header labels a signed delivery", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    const auto answer = worker.deliver({.more = {{"x-manual-trigger", "true"}}});
    CHECK(json(answer).at("type") == "manual");
    CHECK(f.databases.production.value("SELECT trigger FROM tidesync.run") == "qstash");
}

TEST_CASE("a dry run is asked for in the body and writes nothing", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    const auto answer = worker.as_person("POST", "/api/jobs/slave-to-prod/runs", R"({"dry_run": true})");
    CAPTURE(answer.body);
    CHECK(answer.status == 200);
    CHECK(json(answer).at("dry_run") == true);
    CHECK(json(answer).at("statistics").at("inserted") == 50);
    CHECK(f.changed_rows() == "0");
}

TEST_CASE("impossible requests say why, and end QStash's retries", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    for (const auto* body : {"not json", "[]", "3", R"({"dry_run": "yes"})", R"({"unknown": 1})"}) {
        CAPTURE(body);
        CHECK(worker.as_person("POST", sync_route, body).status == 400);
        const auto queue = worker.deliver({.id = "msg_x", .jti = std::string{"jwt_"} + body, .body = body});
        // A jti is visible ASCII; those with blanks are refused before the body is looked at.
        const bool readable = std::string_view{body}.find(' ') == std::string_view::npos;
        CHECK(queue.status == (readable ? 489 : 401));
    }
    CHECK(worker.as_person("POST", "/api/jobs/unknown/runs").status == 404);
    CHECK(f.runs() == "0");
}

TEST_CASE(
    "a run longer than the delivery may wait answers 202, and every other request joins it", "[worker][delivery]") {
    fixture f;
    f.environment["TIDESYNC_DELIVERY_WAIT"] = "1";
    const serving worker{f.environment};
    held_row row{f.databases.production};
    const auto first = worker.deliver({.id = "msg_a", .jti = "jwt_1"});
    CAPTURE(first.body);
    REQUIRE(first.status == 202);
    const auto run = json(first).at("run").get<std::string>();
    CHECK(first.headers.at("location") == "/api/runs/" + run);
    CHECK(json(first).at("status") == "running");

    const auto again = worker.deliver({.id = "msg_a", .jti = "jwt_2"});
    CHECK(again.status == 202);
    CHECK(json(again).at("decision") == "attached");
    const auto other = worker.deliver({.id = "msg_b", .jti = "jwt_3"});
    CHECK(other.status == 202);
    CHECK(json(other).at("decision") == "coalesced");
    CHECK(json(other).at("run") == run);
    const auto shown = json(worker.as_person("GET", "/api/runs/" + run));
    CHECK(shown.at("state") == "running");
    CHECK(shown.at("alive") == true);

    row.let_go();
    CHECK(eventually([&] { return worker.deliver({.id = "msg_b", .jti = "jwt_4"}).status == 200; }));
    CHECK(f.changed_rows() == "100");
    CHECK(f.runs() == "1");
}

TEST_CASE(
    "a person's trigger during a run makes one more, and an Idempotency-Key no second one", "[worker][delivery]") {
    fixture f;
    f.environment["TIDESYNC_DELIVERY_WAIT"] = "1";
    const serving worker{f.environment};
    held_row row{f.databases.production};
    const auto first = worker.deliver({.id = "msg_a", .jti = "jwt_1"});
    REQUIRE(first.status == 202);
    const auto trigger = [&](const std::string& key, const std::string& body = "{}") {
        return request(
            worker.port(), "POST", sync_route,
            {{"Authorization", fmt::format("Bearer {}", admin_token)}, {"Idempotency-Key", key}}, body);
    };
    const auto person = trigger("deploy-42");
    REQUIRE(person.status == 202);
    CHECK(json(person).at("status") == "queued");
    CHECK(json(person).at("decision") == "queued");
    CHECK(json(person).at("run") != json(first).at("run"));
    CHECK(json(trigger("deploy-42")).at("decision") == "attached");
    CHECK(json(trigger("deploy-43")).at("decision") == "coalesced");
    CHECK(trigger("deploy-42", R"({"dry_run": true})").status == 409);
    CHECK(trigger(std::string(300, 'k')).status == 400);
    CHECK(trigger("").status == 400); // a variable that was not set
    row.let_go();
    CHECK(eventually([&] { return trigger("deploy-42").status == 200; })); // done, and told so ever after
    CHECK(f.runs() == "2");
}

TEST_CASE(
    "a paused job takes no work: 200 for QStash, 409 for a person, and it is written down", "[worker][delivery]") {
    const fixture f;
    const serving worker{f.environment};
    const auto pause = [&](const std::string& body) {
        return worker.as_person("POST", "/api/jobs/slave-to-prod/pause", body);
    };
    CHECK(pause("{}").status == 400);
    CHECK(pause(R"({"reason": ""})").status == 400);
    CHECK(worker.as_person("POST", "/api/jobs/unknown/pause", R"({"reason": "x"})").status == 404);
    CHECK(pause(R"({"reason": "schema change"})").status == 200);

    const auto delivered = worker.deliver({});
    CHECK(delivered.status == 200);
    CHECK(json(delivered).at("status") == "skipped");
    const auto person = worker.as_person("POST", sync_route);
    CHECK(person.status == 409);
    CHECK(json(person).at("error").at("code") == "paused");
    CHECK(person.body.find("schema change") != std::string::npos);
    const auto jobs = json(worker.as_person("GET", "/api/jobs")).at("jobs");
    CHECK(jobs.at(0).at("pause").at("reason") == "schema change");
    CHECK(f.changed_rows() == "0");
    CHECK(f.databases.production.value("SELECT string_agg(DISTINCT state, ',') FROM tidesync.run") == "skipped");

    const auto skipped = json(person).at("run").get<std::string>();
    CHECK(worker.as_person("POST", "/api/runs/" + skipped + "/retry").status == 409); // still paused
    CHECK(worker.as_person("POST", "/api/jobs/slave-to-prod/resume").status == 200);
    const auto again = worker.as_person("POST", "/api/runs/" + skipped + "/retry");
    CHECK(again.status == 202);
    const auto made = json(again).at("run").get<std::string>();
    CHECK(eventually([&] { return json(worker.as_person("GET", "/api/runs/" + made)).at("state") == "succeeded"; }));
    CHECK(json(worker.as_person("GET", "/api/runs/" + made)).at("retry_of") == skipped);
    CHECK(f.changed_rows() == "100");
}

TEST_CASE("a person cancels a run: what waits at once, what runs within a beat", "[worker][delivery]") {
    fixture f;
    f.environment["TIDESYNC_DELIVERY_WAIT"] = "1";
    f.environment["TIDESYNC_LEASE"] = "3";
    const serving worker{f.environment};
    held_row row{f.databases.production};
    const auto running = json(worker.deliver({.id = "msg_a", .jti = "jwt_1"})).at("run").get<std::string>();
    const auto waiting = json(worker.as_person("POST", sync_route)).at("run").get<std::string>();
    const auto cancel = [&](const std::string& run) {
        return worker.as_person("POST", "/api/runs/" + run + "/cancel");
    };
    CHECK(cancel(waiting).status == 200);
    CHECK(cancel(running).status == 202);
    CHECK(eventually([&] { return json(worker.as_person("GET", "/api/runs/" + running)).at("state") == "cancelled"; }));
    CHECK(cancel(running).status == 409);
    CHECK(cancel("5f1e9927-a798-46ae-9ff7-c72350e28880").status == 404);
    const auto again = worker.deliver({.id = "msg_a", .jti = "jwt_2"});
    CHECK(again.status == 200);
    CHECK(json(again).at("status") == "cancelled");
    row.let_go();
    CHECK(f.changed_rows() == "0");
}

TEST_CASE("a run that production refuses is dead: 489 for QStash, 500 for a person", "[worker][delivery]") {
    const fixture f;
    f.databases.slave.run("ALTER TABLE product DROP CONSTRAINT product_name_check; "
                          "INSERT INTO product VALUES (101, 'refused')");
    const serving worker{f.environment};
    for (const auto* jti : {"jwt_1", "jwt_2"}) { // the delivery itself, and QStash's next try
        const auto answer = worker.deliver({.jti = jti});
        CAPTURE(answer.body);
        CHECK(answer.status == 489);
        CHECK(json(answer).at("error").at("code") == "data_refused");
        CHECK(answer.body.find("product_name_check") != std::string::npos);
        CHECK(answer.body.find("public.product") != std::string::npos);
    }
    CHECK(worker.as_person("POST", sync_route).status == 500);
    CHECK(f.changed_rows() == "0");
    CHECK(f.databases.production.value("SELECT count(*) FROM product") == "50");
}

TEST_CASE("an unreachable run store is 503 without Retry-After, never a 2xx", "[worker][delivery]") {
    fixture f;
    auto store = std::make_unique<database>(database::on::production);
    f.environment["TIDESYNC_DATABASE_URL"] = store->url();
    REQUIRE(run_tidesync({"migrate"}, f.environment).status == 0);
    const serving worker{f.environment};
    CHECK(request(worker.port(), "GET", "/readyz").status == 200);
    store.reset();
    const auto answer = worker.deliver({});
    CHECK(answer.status == 503);
    CHECK(json(answer).at("error").at("code") == "store_unavailable");
    CHECK_FALSE(answer.headers.contains("retry-after"));
    CHECK(request(worker.port(), "GET", "/readyz").status == 503);
    CHECK(request(worker.port(), "GET", "/livez").status == 200);
    CHECK(f.changed_rows() == "0");
}

TEST_CASE("SIGTERM lets a run finish within the limit", "[worker][drain]") {
    const fixture f;
    serving worker{f.environment};
    held_row row{f.databases.production};
    http_answer answer;
    std::jthread delivery{[&] { answer = worker.deliver({}); }};
    REQUIRE(eventually([&] { return f.runs() == "1"; }));
    worker.worker().signal(SIGTERM);
    REQUIRE(worker.logs("draining"));
    CHECK(request(worker.port(), "GET", "/readyz").status == 503);
    const auto late = worker.deliver({.id = "msg_2", .jti = "jwt_2"}); // it came by a way that nobody has closed yet
    CHECK(late.status == 202);
    raw_connection kept{worker.port()};
    kept.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(kept.receive(10s).value_or(http_answer{}).headers["connection"] == "close"); // go elsewhere with the next one
    row.let_go();
    CHECK(worker.worker().wait(20s) == 0);
    delivery.join();
    CHECK(answer.status == 200);
    CHECK(json(late).at("run") == json(answer).at("run"));
    CHECK(f.changed_rows() == "100");
}

TEST_CASE("SIGTERM rolls a longer run back, and another worker goes on with it", "[worker][drain]") {
    fixture f;
    f.environment["TIDESYNC_DRAIN_LIMIT"] = "1";
    auto worker = std::make_unique<serving>(f.environment);
    held_row row{f.databases.production};
    http_answer answer;
    std::jthread delivery{[&] { answer = worker->deliver({.id = "msg_a", .jti = "jwt_1"}); }};
    REQUIRE(eventually([&] { return f.runs() == "1"; }));
    worker->worker().signal(SIGTERM);
    CHECK(worker->worker().wait(20s) == 0);
    delivery.join();
    CHECK(answer.status == 202); // it is stored: QStash need not know
    row.let_go();
    CHECK(f.changed_rows() == "0");
    CHECK(f.databases.production.value("SELECT state FROM tidesync.run") == "retry_wait");
    CHECK(
        f.databases.production.value(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'tidesync_staging'::regnamespace") == "0");

    const serving successor{f.environment};
    REQUIRE(eventually([&] { return f.databases.production.value("SELECT state FROM tidesync.run") == "succeeded"; }));
    CHECK(f.databases.production.value("SELECT attempt FROM tidesync.run") == "1"); // giving back does not count
    const auto again = successor.deliver({.id = "msg_a", .jti = "jwt_2"});
    CHECK(again.status == 200);
    CHECK(json(again).at("run") == json(answer).at("run"));
    CHECK(f.changed_rows() == "100");
}

TEST_CASE("no log line holds a secret", "[worker][delivery]") {
    const fixture f;
    serving worker{f.environment};
    (void)worker.deliver({});
    (void)worker.deliver({.id = "msg_2", .jti = "jwt_2", .key = "sig_anotherKeyThatIsNotOurs12345"});
    (void)worker.as_person("POST", sync_route);
    worker.worker().signal(SIGTERM);
    REQUIRE(worker.worker().wait(20s) == 0);
    const auto log = worker.worker().err() + worker.worker().out();
    REQUIRE(log.find("run finished") != std::string::npos);
    const auto& url = f.databases.production.url();
    const auto password = url.substr(url.find(':', 13) + 1, url.find('@') - url.find(':', 13) - 1);
    for (const auto& secret : {std::string{current_key}, std::string{next_key}, std::string{admin_token}, password})
        CHECK(log.find(secret) == std::string::npos);
}

TEST_CASE(
    "a delivery that a guard stops is not tried again, and a person approves over HTTP", "[worker][delivery][guards]") {
    const fixture f;
    f.databases.slave.run("INSERT INTO product SELECT i, 'new ' || i FROM generate_series(101, 200) i");
    f.databases.production.run("INSERT INTO product SELECT i, 'old ' || i FROM generate_series(51, 200) i");
    const serving worker{f.environment};
    const auto stopped = worker.deliver({.id = "msg_guarded"});
    CHECK(stopped.status == 489);
    CHECK(stopped.headers.at("upstash-nonretryable-error") == "true");
    CHECK(json(stopped).at("error").at("code") == "guarded");
    CHECK(f.changed_rows() == "0");
    const auto id = json(stopped).at("run").get<std::string>();

    const auto refused = worker.as_person("POST", sync_route, "{}");
    CHECK(refused.status == 409);
    CHECK(json(refused).at("error").at("code") == "guarded");
    CHECK(worker.as_person("POST", sync_route, R"({"approve": "x"})").status == 400);
    CHECK(
        worker.as_person("POST", sync_route, fmt::format(R"({{"approve": "{}", "dry_run": true}})", id)).status == 400);
    const auto unknown = worker.as_person("POST", sync_route, R"({"approve": "0f0e0d0c-0000-4000-8000-000000000000"})");
    CHECK(unknown.status == 409);
    CHECK(json(unknown).at("error").at("code") == "conflict");

    const auto approved = worker.as_person("POST", sync_route, fmt::format(R"({{"approve": "{}"}})", id));
    CAPTURE(approved.body);
    CHECK(approved.status == 200);
    CHECK(f.changed_rows() == "200");
    CHECK(worker.as_person("POST", sync_route, fmt::format(R"({{"approve": "{}"}})", id)).status == 409);
    // The delivery, and the one who tried again without a word; what was approved is none.
    CHECK(
        read_metrics(request(worker.port(), "GET", "/metrics").body)
            .at("worker_guard_trips_total{job_name=\"slave-to-prod\"}") == 2);
}
