// The whole circle: the worker's schedule at the local scheduler, its messages back at the worker. Nothing is
// simulated.
#include "tests/catch.hpp"
#include "tests/support/canned_server.hpp"
#include "tests/support/scheduler_process.hpp"
#include "tests/support/serving.hpp"
#include "tests/worker/environment.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

/// A scheduler, a worker whose address it knows, and a table that differs.
struct circle {
    pair_of_databases databases;
    database kept{database::on::production};
    scheduler_process scheduler{kept};
    variables environment = worker_environment(databases);

    circle() {
        databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
        databases.slave.run("INSERT INTO item SELECT i, 'item ' || i FROM generate_series(1, 10) i");
        const auto at = fmt::format("127.0.0.1:{}", unused_port());
        environment["TIDESYNC_LISTEN"] = at;
        environment["TIDESYNC_PUBLIC_URL"] = "http://" + at;
        environment["QSTASH_URL"] = scheduler.url();
        environment["QSTASH_TOKEN"] = scheduler_process::token;
    }

    [[nodiscard]] finished run(const std::vector<std::string>& arguments) const {
        return run_tidesync(arguments, environment);
    }

    /// How QStash keeps the main schedule.
    [[nodiscard]] nlohmann::json stored() const {
        return nlohmann::json::parse(scheduler.call("GET", "/v2/schedules/tidesync-slave-to-prod").body);
    }

    [[nodiscard]] nlohmann::json document(const std::vector<std::string>& arguments, int status = 0) const {
        const auto result = run(arguments);
        INFO(result.out << result.err);
        REQUIRE(result.status == status);
        return nlohmann::json::parse(result.out);
    }
};

template <typename Condition>
bool comes_true(Condition&& condition) {
    const auto until = std::chrono::steady_clock::now() + 15s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(20ms);
    }
    return true;
}

} // namespace

TEST_CASE("a created schedule calls the worker when it is triggered, and the run says so", "[worker][schedule]") {
    const circle c;
    const serving worker{c.environment};
    const auto created = c.document({"schedule", "create", "--json"});
    CHECK(created.at("scheduleId") == "tidesync-slave-to-prod");
    CHECK(c.document({"schedule", "create", "--json"}).at("scheduleId") == created.at("scheduleId"));
    const auto listed = c.document({"schedule", "list", "--json"}).at("schedules");
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].at("cron") == "0 */6 * * *");

    const auto stored = nlohmann::json::parse(c.scheduler.call("GET", "/v2/schedules/tidesync-slave-to-prod").body);
    CHECK(stored.at("destination") == c.environment.at("TIDESYNC_PUBLIC_URL") + sync_route);
    CHECK(stored.at("failureCallback") == c.environment.at("TIDESYNC_PUBLIC_URL") + "/api/qstash/failure");
    CHECK(stored.at("retries") == 2);
    CHECK(stored.at("method") == "POST");
    CHECK(stored.at("timeout") == 30);

    const auto message = c.document({"schedule", "trigger", "--json"}).at("messageId").get<std::string>();
    CHECK(comes_true([&] { return c.databases.production.value("SELECT count(*) FROM item") == "10"; }));
    CHECK(comes_true([&] {
        const auto runs = nlohmann::json::parse(worker.as_person("GET", "/api/runs").body).at("runs");
        return runs.size() == 1 && runs[0].at("state") == "succeeded";
    }));
    const auto runs = nlohmann::json::parse(worker.as_person("GET", "/api/runs").body).at("runs");
    CHECK(runs[0].at("trigger") == "qstash");
    CHECK(runs[0].at("messages") == nlohmann::json{message});
    CHECK(c.run({"schedule", "delete"}).status == 0);
    CHECK(c.document({"schedule", "list", "--json"}).at("schedules").empty());
}

TEST_CASE("the schedule route does what the command does", "[worker][schedule]") {
    const circle c;
    serving worker{c.environment};
    const auto post = [&](const std::string& body) {
        const auto answer = worker.as_person("POST", "/api/background/sync/schedule", body);
        INFO(answer.body);
        CHECK(answer.status == 200);
        return nlohmann::json::parse(answer.body);
    };
    CHECK(
        post(R"({"action":"create","timezone":"Europe/Berlin","cron":"0 4 * * *"})").at("scheduleId") ==
        "tidesync-slave-to-prod");
    auto listed = nlohmann::json::parse(worker.as_person("GET", "/api/background/sync/schedule").body).at("schedules");
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].at("cron") == "CRON_TZ=Europe/Berlin 0 4 * * *");
    post(R"({"action":"pause"})");
    CHECK(
        nlohmann::json::parse(c.scheduler.call("GET", "/v2/schedules/tidesync-slave-to-prod").body).at("isPaused") ==
        true);
    post(R"({"action":"resume"})");
    CHECK(post(R"({"action":"trigger-manual"})").contains("messageId"));
    CHECK(comes_true([&] { return c.databases.production.value("SELECT count(*) FROM item") == "10"; }));
    post(R"({"action":"delete"})");
    CHECK(worker.as_person("POST", "/api/background/sync/schedule", R"({"action":"delete"})").status == 404);
    CHECK_THAT(worker.worker().err(), !containing("QStash did not do it")); // a caller's mistake asks nobody to act
}

TEST_CASE("setup finds everything in place, and says when somebody paused the schedule", "[worker][setup]") {
    const circle c;
    const serving worker{c.environment};
    auto result = c.run({"setup"});
    INFO(result.out << result.err);
    CHECK(result.status == 0);
    CHECK_THAT(result.out, containing("came back signed"));
    CHECK_THAT(result.out, !containing("problem"));
    CHECK(c.databases.production.value("SELECT count(*) FROM item") == "0"); // it tried with dry runs only
    CHECK(c.run({"schedule", "pause"}).status == 0);
    result = c.run({"setup"});
    CHECK(result.status == 0);
    CHECK_THAT(result.out, containing("paused (by a person, the route or QStash)"));
    CHECK_THAT(result.out, containing("until `tidesync schedule resume tidesync-slave-to-prod`"));
    CHECK_THAT(result.out, containing("everything works, but a schedule is paused: see above"));
    CHECK_THAT(result.out, !containing("everything is in place"));
}

TEST_CASE(
    "setup makes a schedule for each group, at its slots, and QStash's message runs it", "[worker][setup][groups]") {
    circle c;
    c.databases.run_on_both("CREATE TABLE log (id int PRIMARY KEY)");
    c.databases.slave.run("INSERT INTO log VALUES (1)");
    const temporary_file job_file{
        "jobs: {slave-to-prod: {groups: {logs: {tables: [public.log], slot_every_s: 3600}}}}\n"};
    c.environment["TIDESYNC_CONFIG"] = job_file.path;
    const serving worker{c.environment};
    const auto result = c.run({"setup"});
    INFO(result.out << result.err);
    CHECK(result.status == 0);
    const auto listed = c.document({"schedule", "list", "--json"}).at("schedules");
    REQUIRE(listed.size() == 2);
    const auto stored =
        nlohmann::json::parse(c.scheduler.call("GET", "/v2/schedules/tidesync-slave-to-prod-logs").body);
    CHECK(stored.at("cron") == "0 * * * *");
    CHECK(stored.at("destination") == c.environment.at("TIDESYNC_PUBLIC_URL") + "/api/jobs/slave-to-prod-logs/runs");
    CHECK(c.run({"schedule", "trigger", "tidesync-slave-to-prod-logs"}).status == 0);
    CHECK(comes_true([&] { return c.databases.production.value("SELECT count(*) FROM log") == "1"; }));
    CHECK(c.databases.production.value("SELECT count(*) FROM item") == "0");
    const auto found = c.run({"doctor"});
    INFO(found.out);
    CHECK_THAT(found.out, containing("tables of slave-to-prod-logs"));
    CHECK_THAT(found.out, containing("`0 * * * *` and slot_every_s (3600) mean the same ticks"));
    CHECK(c.run({"schedule", "pause", "tidesync-slave-to-prod-logs"}).status == 0);
    CHECK_THAT(c.run({"doctor"}).out, containing("`tidesync schedule resume tidesync-slave-to-prod-logs`"));
}

TEST_CASE("setup leaves a schedule alone that calls another server", "[worker][setup]") {
    circle c;
    const auto here = c.environment.at("TIDESYNC_PUBLIC_URL");
    c.environment["TIDESYNC_PUBLIC_URL"] = "http://localhost:9";
    REQUIRE(c.run({"schedule", "create", "--cron", "7 3 * * *"}).status == 0);
    c.environment["TIDESYNC_PUBLIC_URL"] = here;
    const serving worker{c.environment};
    const auto before = c.stored();
    auto result = c.run({"setup"});
    INFO(result.out << result.err);
    CHECK(result.status == 3);
    CHECK_THAT(result.out, containing("calls http://localhost:9" + std::string{sync_route}));
    CHECK_THAT(result.out, containing("would call " + here + sync_route));
    CHECK_THAT(result.out, containing("`tidesync schedule create --cron '7 3 * * *'` replaces it"));
    CHECK_THAT(result.out, containing("came back signed")); // all that could be found out comes first
    CHECK(c.stored() == before);
    REQUIRE(c.run({"schedule", "create", "--cron", "7 3 * * *"}).status == 0);
    CHECK(c.run({"setup"}).status == 0);
}

TEST_CASE("setup says what it puts right and what that was before", "[worker][setup]") {
    const circle c;
    const serving worker{c.environment};
    const auto here = c.environment.at("TIDESYNC_PUBLIC_URL");
    REQUIRE(
        c.scheduler
            .call(
                "POST", "/v2/schedules/" + here + sync_route,
                {{"Upstash-Cron", "7 3 * * *"},
                 {"Upstash-Schedule-Id", "tidesync-slave-to-prod"},
                 {"Upstash-Method", "PUT"},
                 {"Upstash-Timeout", "9s"}})
            .status == 200);
    const auto result = c.run({"setup"});
    INFO(result.out << result.err);
    CHECK(result.status == 0);
    CHECK_THAT(result.out, containing("method POST, was PUT"));
    CHECK_THAT(result.out, containing("failure callback " + here + "/api/qstash/failure, was not set"));
    CHECK_THAT(result.out, containing("timeout 30s, was 9s"));
    CHECK(c.stored().at("method") == "POST");
    CHECK(c.stored().at("cron") == "7 3 * * *");
    CHECK_THAT(c.run({"setup"}).out, containing("is as it should be"));
}

TEST_CASE("setup takes keys that were rotated once, and those of further regions", "[worker][setup]") {
    circle c;
    c.environment["US_EAST_1_QSTASH_CURRENT_SIGNING_KEY"] = "sig_2aTestUsCurrentKeyOnlyForTests5";
    c.environment["US_EAST_1_QSTASH_NEXT_SIGNING_KEY"] = "sig_3bTestUsNextKeyOnlyForTests77Q";
    const serving worker{c.environment};
    auto result = c.run({"setup"});
    INFO(result.out << result.err);
    CHECK(result.status == 0);
    CHECK_THAT(result.out, containing("us-east-1/next were not compared: another region's"));
    REQUIRE(c.scheduler.call("POST", "/v2/keys/rotate").status == 200);
    result = c.run({"setup"});
    INFO(result.out << result.err);
    CHECK(result.status == 0);
    CHECK_THAT(result.out, containing("the keys were rotated once"));
    REQUIRE(c.scheduler.call("POST", "/v2/keys/rotate").status == 200);
    result = c.run({"setup"});
    CHECK(result.status == 78);
    CHECK_THAT(result.out, containing("none of the signing keys"));
}

TEST_CASE("setup survives whatever answers in the worker's place", "[worker][setup]") {
    circle c;
    for (const auto* body :
         {R"({"success": 1, "error": {"message": 5, "hint": []}})", R"({"success": false, "error": "odd"})",
          R"({"success": true, "message": {}})", "[]", "<html>"}) {
        for (const int status : {200, 500}) {
            const canned_server odd{{json_answer(status, body), json_answer(200, R"({"runs": [{"messages": 1}]})")}};
            c.environment["TIDESYNC_LISTEN"] = fmt::format("127.0.0.1:{}", odd.port());
            const auto document = c.document({"setup", "--json"}, 3);
            CAPTURE(body, status);
            CHECK(document.at("success") == false);
            CHECK(document.at("message") == "not ready yet: nothing was changed at QStash");
        }
    }
    CHECK(c.document({"schedule", "list", "--json"}).at("schedules").empty());
}

TEST_CASE("an id that is given and empty is refused by every verb", "[worker][schedule]") {
    const circle c;
    REQUIRE(c.run({"schedule", "create"}).status == 0);
    for (const auto* verb : {"create", "get", "pause", "resume", "delete", "trigger"}) {
        const auto result = c.run({"schedule", verb, ""});
        CAPTURE(verb, result.err);
        CHECK(result.status == 64);
        CHECK_THAT(result.err, containing("leave it out for tidesync-slave-to-prod"));
    }
    CHECK(c.stored().at("isPaused") == false);
    const auto missing = c.run({"schedule", "get", "night"});
    CHECK(missing.status == 3);
    CHECK_THAT(missing.err, containing("QStash has no schedule night"));
}

TEST_CASE("the demo calls only a scheduler on this machine", "[worker][schedule]") {
    circle c;
    c.environment["QSTASH_URL"] = "https://qstash.upstash.io";
    const auto result = c.run({"demo"});
    CHECK(result.status == 78);
    CHECK_THAT(result.err, containing("QSTASH_URL is https://qstash.upstash.io"));
}

TEST_CASE("setup names what is wrong, and what to do: no worker, a wrong token, no scheduler", "[worker][setup]") {
    circle c;
    auto result = c.run({"setup"});
    CHECK(result.status == 3);
    CHECK_THAT(result.out, containing("tidesync serve"));
    CHECK(c.document({"schedule", "list", "--json"}).at("schedules").empty()); // what changes QStash comes last
    c.environment["QSTASH_TOKEN"] = "another-token-than-the-scheduler-has";
    result = c.run({"setup"});
    CHECK(result.status != 0);
    CHECK_THAT(result.out, containing("QSTASH_TOKEN"));
    CHECK_THAT(result.out + result.err, !containing("another-token-than-the-scheduler-has"));
    c.environment["QSTASH_URL"] = fmt::format("http://127.0.0.1:{}", unused_port());
    result = c.run({"setup"});
    CHECK(result.status != 0);
    CHECK_THAT(result.out, containing("QSTASH_URL"));
}

TEST_CASE("a message that QStash gives up becomes an alarm in the history", "[worker][schedule][callback]") {
    const circle c;
    c.databases.production.run("ALTER TABLE item ADD CONSTRAINT odd CHECK (id < 5)"); // the run must die
    const serving worker{c.environment};
    REQUIRE(c.run({"schedule", "create"}).status == 0);
    const auto message = c.document({"schedule", "trigger", "--json"}).at("messageId").get<std::string>();
    nlohmann::json alarms;
    CHECK(comes_true([&] {
        alarms = nlohmann::json::parse(worker.as_person("GET", "/api/runs").body).at("alarms");
        return !alarms.empty();
    }));
    REQUIRE(alarms.size() == 1);
    CHECK(alarms[0].at("message") == message);
    CHECK(alarms[0].at("status") == 489); // ours: the run had its tries
    CHECK(alarms[0].at("run").is_string());
    CHECK_THAT(c.run({"runs"}).out, containing("489"));
    const auto letters = nlohmann::json::parse(c.scheduler.call("GET", "/v2/dlq").body).at("messages");
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].at("dlqId") == alarms[0].at("dlq_id"));
}

TEST_CASE(
    "keys that the scheduler rotates do not stop its deliveries, and the worker says that it happened",
    "[worker][schedule]") {
    const circle c;
    serving worker{c.environment};
    REQUIRE(c.run({"schedule", "create"}).status == 0);
    REQUIRE(c.scheduler.call("POST", "/v2/keys/rotate").status == 200);
    REQUIRE(c.run({"schedule", "trigger"}).status == 0);
    CHECK(comes_true([&] { return c.databases.production.value("SELECT count(*) FROM item") == "10"; }));
    CHECK(worker.logs("signed with the next key"));
    CHECK_THAT(
        worker.as_person("GET", "/metrics").body, containing(R"(worker_signature_key_matches_total{key="next"} 1)"));
}
