#include "tests/catch.hpp"
#include "worker/answers.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync;
using namespace tidesync::worker;

namespace {

run_view run_in(std::string state) {
    run_view run;
    run.run_id = "5f1e9927-a798-46ae-9ff7-c72350e28889";
    run.job = "slave-to-prod";
    run.state = std::move(state);
    run.finished_at = "2026-11-21T06:00:02.000Z";
    return run;
}

nlohmann::json body(const http_response& answer) { return nlohmann::json::parse(answer.body); }

std::string header(const http_response& answer, std::string_view name) {
    for (const auto& [found, value] : answer.headers)
        if (found == name) return value;
    return {};
}

} // namespace

TEST_CASE("a run that succeeded answers with its statistics", "[worker][answers]") {
    auto run = run_in("succeeded");
    jobs::report report;
    report.tables.push_back({.name = "a", .total = 10, .inserted = 1, .updated = 2, .unchanged = 7});
    report.tables.push_back({.name = "b", .total = 5, .inserted = 0, .updated = 1, .unchanged = 4});
    run.report = report;
    const auto answer = run_answer(run, decision::created, "scheduled", true);
    CHECK(answer.status == 200);
    const auto document = body(answer);
    CHECK(document.at("success") == true);
    CHECK(document.at("type") == "scheduled");
    CHECK(document.at("run") == run.run_id);
    CHECK(document.at("message") == "slave-to-prod: 1 rows inserted, 3 updated");
    const auto& statistics = document.at("statistics");
    CHECK(statistics.at("total_records") == 15);
    CHECK(statistics.at("inserted") == 1);
    CHECK(statistics.at("updated") == 3);
    CHECK(statistics.at("unchanged") == 11);
    CHECK(statistics.at("deleted") == 0);
    CHECK(statistics.at("sync_completed_at") == "2026-11-21T06:00:02.000Z");
    CHECK_FALSE(document.contains("tables"));
    CHECK(success_document(run, "manual", true).at("tables").size() == 2);
}

TEST_CASE("a run that is alive answers 202 with its address", "[worker][answers]") {
    const auto answer = run_answer(run_in("running"), decision::coalesced, "scheduled", true);
    CHECK(answer.status == 202);
    CHECK(header(answer, "Location") == "/api/runs/5f1e9927-a798-46ae-9ff7-c72350e28889");
    CHECK(body(answer).at("status") == "running");
    CHECK(body(answer).at("decision") == "coalesced");
}

TEST_CASE("a dead run ends QStash's retries and is an error for a person", "[worker][answers]") {
    auto run = run_in("dead");
    run.error = {{"code", "data_refused"}, {"message", "m"}, {"hint", "h"}};
    const auto queue = run_answer(run, decision::attached, "scheduled", true);
    CHECK(queue.status == 489);
    CHECK(header(queue, "Upstash-NonRetryable-Error") == "true");
    const auto person = run_answer(run, decision::created, "manual", false);
    CHECK(person.status == 500);
    CHECK(header(person, "Upstash-NonRetryable-Error").empty());
    for (const auto& answer : {queue, person}) {
        CHECK(body(answer).at("success") == false);
        CHECK(body(answer).at("error").at("code") == "data_refused");
        CHECK(body(answer).at("run") == run.run_id);
    }
}

TEST_CASE("a run that waits for its turn or its next attempt is on its way", "[worker][answers]") {
    for (const auto* state : {"queued", "retry_wait"}) {
        const auto answer = run_answer(run_in(state), decision::created, "scheduled", true);
        CHECK(answer.status == 202);
        CHECK(body(answer).at("status") == state);
        CHECK_FALSE(header(answer, "Location").empty());
    }
}

TEST_CASE(
    "a paused job is a success to QStash, which could repair nothing, and a conflict to a person",
    "[worker][answers]") {
    auto run = run_in("skipped");
    run.error = {{"code", "paused"}, {"message", "paused by ann"}, {"hint", "h"}};
    const auto queue = run_answer(run, decision::skipped, "scheduled", true);
    CHECK(queue.status == 200);
    CHECK(body(queue).at("status") == "skipped");
    CHECK(body(queue).at("message") == "paused by ann");
    const auto person = run_answer(run, decision::skipped, "manual", false);
    CHECK(person.status == 409);
    CHECK(body(person).at("error").at("code") == "paused");
}

TEST_CASE("no answer may be cached", "[worker][answers]") {
    CHECK(header(run_answer(run_in("running"), decision::created, "manual", false), "Cache-Control") == "no-store");
    CHECK(header(error_answer(401, "unauthorized", "m", "h"), "Cache-Control") == "no-store");
}
