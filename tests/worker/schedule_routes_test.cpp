#include "tests/catch.hpp"
#include "tests/support/canned_server.hpp"
#include "tests/support/routes.hpp"

#include "jobs/stores/postgres/failure.hpp"
#include "qstash/sign.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync;
using namespace tidesync::worker;
using tests::body_of;
using tests::canned_answer;
using tests::canned_server;
using tests::containing;
using tests::handle;
using tests::header_lines;
using tests::request_line;

namespace {

constexpr const char* admin = "an-admin-token-only-for-tests-7Qx2";
constexpr const char* route = "/api/background/sync/schedule";
constexpr const char* stored =
    R"({"scheduleId":"tidesync-slave-to-prod","cron":"0 */6 * * *","createdAt":1754565618803,"method":"POST",)"
    R"("destination":"https://sync.example.com/api/background/sync/slave-to-prod","body":"{}","retries":2,)"
    R"("header":{"Content-Type":["application/json"]},"isPaused":true})";

/// A worker whose QStash is played. The run store is never asked.
struct fixture {
    explicit fixture(std::vector<canned_answer> script)
        : qstash{std::move(script)} {
        config.public_url = "https://sync.example.com";
        config.admin_token = secret{admin};
        config.qstash_url = qstash.url();
        config.qstash_token = secret{"hunter2secret"};
        with.record = [this](const audit_entry& what) { audit.push_back(what); };
    }

    canned_server qstash;
    settings config;
    run_store store{postgres::address{}};
    runner runs{store, {}, {}};
    services with{config, store, runs, {"slave-to-prod"}, "test"};
    std::vector<audit_entry> audit;

    http_response ask(const std::string& method, const std::string& body = {}) {
        http_request request;
        request.method = method;
        request.target = route;
        request.headers = {{"authorization", std::string{"Bearer "} + admin}};
        request.body = body;
        return handle(with, request);
    }
};

nlohmann::json json(const http_response& answer) { return nlohmann::json::parse(answer.body); }

std::string code(const http_response& answer) { return json(answer).at("error").at("code"); }

bool has_line(const std::string& request, const std::string& line) {
    const auto lines = header_lines(request);
    return std::ranges::find(lines, line) != lines.end();
}

} // namespace

TEST_CASE("the schedule route lists what QStash keeps", "[worker][schedule]") {
    fixture f{{tests::json_answer(200, std::string{"["} + stored + "]")}};
    const auto answer = f.ask("GET");
    CAPTURE(answer.body);
    REQUIRE(answer.status == 200);
    const auto document = json(answer);
    CHECK(document.at("success") == true);
    REQUIRE(document.at("schedules").size() == 1);
    CHECK(document.at("schedules")[0].at("scheduleId") == "tidesync-slave-to-prod");
    CHECK(document.at("schedules")[0].at("paused") == true);
    CHECK(request_line(f.qstash.requests().at(0)) == "GET /v2/schedules HTTP/1.1");
}

TEST_CASE("create tells QStash everything and keeps a paused schedule paused", "[worker][schedule]") {
    fixture f{
        {tests::json_answer(200, stored), tests::json_answer(200, R"({"scheduleId":"tidesync-slave-to-prod"})"),
         tests::answer(200)}};
    const auto answer = f.ask("POST", R"({"action":"create","parameters":{"dry_run":true}})");
    CAPTURE(answer.body);
    REQUIRE(answer.status == 200);
    CHECK(json(answer) == nlohmann::json{{"success", true}, {"scheduleId", "tidesync-slave-to-prod"}});
    const auto requests = f.qstash.requests();
    REQUIRE(requests.size() == 3);
    CHECK(
        request_line(requests[1]) ==
        "POST /v2/schedules/https://sync.example.com/api/background/sync/slave-to-prod HTTP/1.1");
    for (const auto* line :
         {"upstash-cron: 0 */6 * * *", "upstash-schedule-id: tidesync-slave-to-prod", "upstash-retries: 2",
          "upstash-timeout: 30s", "upstash-failure-callback: https://sync.example.com/api/qstash/failure",
          "upstash-failure-callback-retries: 5", "content-type: application/json"}) {
        CAPTURE(line, requests[1]);
        CHECK(has_line(requests[1], line));
    }
    CHECK(body_of(requests[1]) == R"({"dry_run":true})");
    CHECK_THAT(request_line(requests[2]), containing("/v2/schedules/tidesync-slave-to-prod/pause"));
}

TEST_CASE(
    "a change is in the audit before QStash is asked, and what became of a refused one after", "[worker][audit]") {
    fixture f{{tests::json_answer(404, R"({"error":"not found"})")}};
    CHECK(f.ask("POST", R"({"action":"pause","scheduleId":"scd_1"})").status == 404);
    REQUIRE(f.audit.size() == 2);
    CHECK(f.audit[0].action == "schedule.pause");
    CHECK(f.audit[0].who.actor == "admin token");
    CHECK(f.audit[0].detail == nlohmann::json{{"schedule", "scd_1"}});
    CHECK(f.audit[1].detail.at("answered") == 404);

    fixture silent{{tests::json_answer(200, "[]")}};
    silent.with.record = [](const audit_entry&) {
        throw postgres::error{"run store", "writing", "", "nobody answers"};
    };
    CHECK(silent.ask("POST", R"({"action":"pause"})").status == 503);
    CHECK(silent.qstash.requests().empty()); // what cannot be written down is not done
}

TEST_CASE("a first create pauses nothing", "[worker][schedule]") {
    fixture f{
        {tests::json_answer(404, R"({"error":"not found"})"),
         tests::json_answer(200, R"({"scheduleId":"tidesync-slave-to-prod"})")}};
    CHECK(f.ask("POST", R"({"action":"create"})").status == 200);
    CHECK(f.qstash.requests().size() == 2);
}

TEST_CASE("trigger-manual publishes what the schedule would, labelled as manual", "[worker][schedule]") {
    fixture f{{tests::json_answer(200, stored), tests::json_answer(200, R"({"messageId":"msg_7"})")}};
    const auto answer = f.ask("POST", R"({"action":"trigger-manual"})");
    CAPTURE(answer.body);
    REQUIRE(answer.status == 200);
    CHECK(json(answer).at("messageId") == "msg_7");
    const auto publish = f.qstash.requests().at(1);
    CAPTURE(publish);
    CHECK(
        request_line(publish) ==
        "POST /v2/publish/https://sync.example.com/api/background/sync/slave-to-prod HTTP/1.1");
    CHECK(has_line(publish, "upstash-forward-x-manual-trigger: true"));
    CHECK(has_line(publish, "upstash-timeout: 30s")); // QStash did not tell that of the schedule
    CHECK(body_of(publish) == "{}");
    CHECK_THAT(publish, containing("edup"));
}

TEST_CASE("delete, pause and resume reach the schedule they name", "[worker][schedule]") {
    for (const auto& [action, line] :
         {std::pair{"delete", "DELETE /v2/schedules/scd_1 "}, std::pair{"pause", "/v2/schedules/scd_1/pause "},
          std::pair{"resume", "/v2/schedules/scd_1/resume "}}) {
        fixture f{{tests::answer(200)}};
        const auto answer = f.ask("POST", nlohmann::json{{"action", action}, {"scheduleId", "scd_1"}}.dump());
        CAPTURE(action, answer.body);
        CHECK(answer.status == 200);
        CHECK(json(answer).at("scheduleId") == "scd_1");
        CHECK_THAT(request_line(f.qstash.requests().at(0)), containing(line));
    }
}

TEST_CASE("what QStash refuses is told with its own code and what to do", "[worker][schedule]") {
    struct one {
        canned_answer played;
        int status;
        const char* code;
        const char* hint;
    };
    const one cases[] = {
        {tests::json_answer(401, R"({"error":"invalid token"})"), 502, "qstash_refused", "QSTASH_TOKEN"},
        {tests::json_answer(404, R"({"error":"not found"})"), 404, "not_found", "`tidesync schedule create` makes it"},
        {tests::answer(404, "<html>nginx</html>"), 502, "qstash_unreachable", "QSTASH_URL"},
        {tests::json_answer(200, R"([{"scheduleId":"a"}])"), 502, "qstash_unreachable", "QSTASH_URL"},
        {tests::json_answer(400, R"({"error":"host a.b is not among the allowed destinations"})"), 502,
         "qstash_refused", "TIDESYNC_QSTASH_ALLOW_HOSTS"},
        {tests::json_answer(412, R"({"error":"too many schedules"})"), 502, "qstash_refused", "says why"}};
    for (const auto& one : cases) {
        fixture f{{one.played}};
        const auto answer = f.ask("POST", R"({"action":"trigger-manual"})");
        CAPTURE(answer.body);
        CHECK(answer.status == one.status);
        CHECK(code(answer) == one.code);
        CHECK_THAT(json(answer).at("error").at("hint").get<std::string>(), containing(one.hint));
        CHECK(answer.body.find("hunter2secret") == std::string::npos);
    }
}

TEST_CASE("a schedule that is missing is named", "[worker][schedule]") {
    const auto gone = tests::json_answer(404, R"({"error":"schedule not found"})");
    for (const auto* action : {"delete", "pause", "resume", "trigger-manual"}) {
        fixture f{{gone}};
        const auto answer = f.ask("POST", nlohmann::json{{"action", action}, {"scheduleId", "night"}}.dump());
        CAPTURE(action, answer.body);
        CHECK(answer.status == 404);
        CHECK(json(answer).at("error").at("message") == "QStash has no schedule night");
        CHECK_THAT(json(answer).at("error").at("hint").get<std::string>(), containing("schedule list"));
    }
}

TEST_CASE("nothing is created where what answers is not QStash", "[worker][schedule]") {
    fixture f{{tests::answer(404, "404 page not found\n"), tests::json_answer(200, R"({"scheduleId":"a"})")}};
    const auto answer = f.ask("POST", R"({"action":"create"})");
    CHECK(answer.status == 502);
    CHECK_THAT(json(answer).at("error").at("message").get<std::string>(), containing("is not QStash"));
    CHECK(f.qstash.requests().size() == 1);
}

TEST_CASE("who replaces a paused schedule hears that it could not be paused again", "[worker][schedule]") {
    fixture f{
        {tests::json_answer(200, stored), tests::json_answer(200, R"({"scheduleId":"tidesync-slave-to-prod"})"),
         tests::json_answer(500, R"({"error":"sorry"})")}};
    const auto answer = f.ask("POST", R"({"action":"create"})");
    CHECK(answer.status == 502);
    CHECK_THAT(
        json(answer).at("error").at("message").get<std::string>(),
        containing("the schedule was replaced but could not be paused again; it may tick: "
                   "`tidesync schedule pause tidesync-slave-to-prod`"));
}

TEST_CASE("a limit of QStash is 503 without Retry-After", "[worker][schedule]") {
    const auto limited = tests::answer(429, R"({"error":"limit"})", "Burst-RateLimit-Reset: 1999999999\r\n");
    fixture f{{limited, limited, limited}};
    const auto answer = f.ask("POST", R"({"action":"pause"})");
    CHECK(answer.status == 503);
    CHECK(code(answer) == "qstash_rate_limited");
    for (const auto& [name, value] : answer.headers) CHECK(name != "Retry-After");
}

TEST_CASE("a QStash that does not answer is 504", "[worker][schedule]") {
    fixture f{{}};
    f.config.qstash_url = "http://127.0.0.1:" + std::to_string(tests::unused_port());
    const auto answer = f.ask("GET");
    CHECK(answer.status == 504);
    CHECK(code(answer) == "qstash_unreachable");
}

TEST_CASE("without QSTASH_TOKEN the schedule route says so", "[worker][schedule]") {
    fixture f{{}};
    f.config.qstash_token = secret{};
    for (const auto* method : {"GET", "POST"}) {
        const auto answer = f.ask(method, R"({"action":"pause"})");
        CHECK(answer.status == 503);
        CHECK(code(answer) == "not_configured");
    }
    CHECK(f.qstash.requests().empty());
}

TEST_CASE("what cannot be done is 400 and never reaches QStash", "[worker][schedule]") {
    fixture f{{}};
    for (const auto* body :
         {"", "{}", R"({"action":"explode"})", R"({"action":"create","timeout":5})",
          R"({"action":"create","cron":"never"})", R"({"action":"create","job":"unknown"})",
          R"({"action":"pause","scheduleId":"a/../b"})", R"({"action":"create","parameters":{"a":1}})"}) {
        const auto answer = f.ask("POST", body);
        CAPTURE(body, answer.body);
        CHECK(answer.status == 400);
        CHECK(code(answer) == "bad_request");
        CHECK_FALSE(json(answer).at("error").at("hint").get<std::string>().empty());
    }
    CHECK(f.qstash.requests().empty());
}

TEST_CASE("the schedule route is for the admin token only", "[worker][schedule]") {
    constexpr const char* key = "sig_4fTestCurrentKeyOnlyForTests9z";
    fixture f{{}};
    f.config.signing_keys = {{"current", key}};
    http_request request;
    request.target = route;
    for (const auto* method : {"GET", "POST"}) {
        request.method = method;
        CHECK(handle(f.with, request).status == 401);
        auto labelled = request;
        labelled.headers = {{"x-manual-trigger", "true"}};
        CHECK(handle(f.with, labelled).status == 401);
        auto as_queue = request; // genuine, and still none of QStash's business
        const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        as_queue.headers = {
            {"upstash-message-id", "msg_1"},
            {"upstash-signature",
             qstash::sign({.url = f.config.public_url + route, .body = "", .jti = "jwt_1", .iat = now}, key)}};
        CHECK(handle(f.with, as_queue).status == 401);
    }
    CHECK(f.qstash.requests().empty());
}

TEST_CASE("a refused caller is told what the route takes, whatever it sent", "[worker][routes]") {
    struct row {
        const char* method;
        const char* target;
        bool signature, token; ///< what the route takes
    };
    const row rows[] = {
        {"POST", "/api/background/sync/slave-to-prod", true, true},
        {"POST", "/api/qstash/failure", true, false},
        {"GET", "/api/runs", false, true}};
    fixture f{{}};
    const decltype(http_request::headers) sent[] = {
        {}, {{"authorization", "Bearer wrong"}}, {{"upstash-signature", "wrong"}}, {{"x-manual-trigger", "true"}}};
    for (const auto& row : rows)
        for (const auto& headers : sent) {
            http_request request;
            request.method = row.method;
            request.target = row.target;
            request.headers = headers;
            const auto answer = handle(f.with, request);
            CAPTURE(row.target, answer.body);
            CHECK(answer.status == 401);
            const auto error = json(answer).at("error");
            const auto says = [&](const char* member, const char* word) {
                return error.at(member).get<std::string>().find(word) != std::string::npos;
            };
            const bool labelled = !headers.empty() && headers.front().first == "x-manual-trigger" && row.token;
            CHECK(says("message", "signature") == row.signature);
            CHECK(says("message", "token") == row.token);
            CHECK(says("hint", "Upstash-Signature") == (row.signature && !labelled));
            CHECK(says("hint", "admin token") == row.token);
            CHECK(says("hint", "only a label") == labelled);
        }
}
