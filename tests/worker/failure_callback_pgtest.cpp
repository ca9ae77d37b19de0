#include "tests/catch.hpp"
#include "tests/support/serving.hpp"

#include "qstash/base64url.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace tidesync;
using namespace tidesync::tests;

namespace {

constexpr const char* failure_route = "/api/qstash/failure";

/// A worker with a table to sync.
struct fixture {
    pair_of_databases databases;
    variables environment = worker_environment(databases);

    fixture() { databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY)"); }

    [[nodiscard]] std::string alarms() const {
        return databases.production.value("SELECT count(*) FROM tidesync.delivery_alarm");
    }
    [[nodiscard]] std::string value(const std::string& column) const {
        return databases.production.value("SELECT " + column + " FROM tidesync.delivery_alarm");
    }
};

std::string base64(std::string_view bytes) {
    auto text = qstash::base64url::encode(bytes);
    std::ranges::replace(text, '-', '+');
    std::ranges::replace(text, '_', '/');
    return text + std::string((4 - text.size() % 4) % 4, '=');
}

nlohmann::json about(const std::string& message_id) {
    return {
        {"status", 503},
        {"header", {{"Content-Type", {"application/json"}}}},
        {"body", base64(R"({"success":false})")},
        {"retried", 3},
        {"maxRetries", 3},
        {"dlqId", "1725323658779-0"},
        {"sourceMessageId", message_id},
        {"url", std::string{public_url} + sync_route},
        {"method", "POST"},
        {"sourceBody", base64("{}")},
        {"createdAt", 1701198447054},
        {"scheduleId", "scd_1"}};
}

/// As QStash sends it: signed for this very route, with a message id of its own.
serving::message callback(const std::string& body, const std::string& jti = "jwt_callback") {
    return {
        .id = "msg_callback",
        .jti = jti,
        .body = body,
        .url = std::string{public_url} + failure_route,
        .route = failure_route};
}

nlohmann::json json(const http_answer& answer) { return nlohmann::json::parse(answer.body); }

std::size_t occurrences(const std::string& text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
    return count;
}

} // namespace

TEST_CASE("a message that QStash gave up is kept, logged and shown with its run", "[worker][callback]") {
    const fixture f;
    serving worker{f.environment};
    const auto run = json(worker.deliver({.id = "msg_a"})).at("run").get<std::string>();
    const auto answer = worker.deliver(callback(about("msg_a").dump()));
    CAPTURE(answer.body);
    CHECK(answer.status == 200);
    CHECK(json(answer) == nlohmann::json{{"success", true}});
    CHECK(f.value("run_id") == run);
    CHECK(worker.logs("delivery failed for good"));
    CHECK(worker.worker().err().find(R"("dlq_id":"1725323658779-0")") != std::string::npos);

    const auto history = json(worker.as_person("GET", "/api/runs"));
    REQUIRE(history.at("alarms").size() == 1);
    const auto& alarm = history.at("alarms").at(0);
    CHECK(alarm.at("message") == "msg_a");
    CHECK(alarm.at("schedule") == "scd_1");
    CHECK(alarm.at("status") == 503);
    CHECK(alarm.at("retried") == 3);
    CHECK(alarm.at("max_retries") == 3);
    CHECK(alarm.at("response") == R"({"success":false})");
    CHECK(alarm.at("run") == run);
    CHECK(alarm.at("received_at").get<std::string>().ends_with("Z"));
    CHECK(history.at("runs").at(0).at("delivery_alarm") == alarm);
    CHECK(json(worker.as_person("GET", "/api/runs/" + run)).at("delivery_alarm") == alarm);

    const auto table = run_tidesync({"runs"}, f.environment);
    CHECK(table.out.find("messages that QStash gave up") != std::string::npos);
    CHECK(table.out.find("1725323658779-0") != std::string::npos);
    CHECK(nlohmann::json::parse(run_tidesync({"runs", "--json"}, f.environment).out).at("alarms").at(0) == alarm);
}

TEST_CASE("a failure callback that comes again changes nothing", "[worker][callback]") {
    const fixture f;
    serving worker{f.environment};
    auto body = about("msg_a");
    for (const auto* jti : {"jwt_1", "jwt_1", "jwt_2"}) CHECK(worker.deliver(callback(body.dump(), jti)).status == 200);
    body["status"] = 418;
    CHECK(worker.deliver(callback(body.dump(), "jwt_3")).status == 200);
    CHECK(f.alarms() == "1");
    CHECK(f.value("status") == "503");
    CHECK(occurrences(worker.worker().err(), "delivery failed for good") == 1);
    const auto metrics = request(worker.port(), "GET", "/metrics").body;
    CHECK(
        metrics.find(R"(worker_deliveries_total{decision="attached",source="qstash_failure"} 3)") != std::string::npos);
}

TEST_CASE("a message that never reached us has an alarm without a run", "[worker][callback]") {
    const fixture f;
    const serving worker{f.environment};
    (void)worker.deliver({.id = "msg_a"});
    CHECK(worker.deliver(callback(about("msg_b").dump())).status == 200);
    CHECK(f.value("run_id").empty());
    CHECK_FALSE(json(worker.as_person("GET", "/api/runs")).at("runs").at(0).contains("delivery_alarm"));
}

TEST_CASE("only QStash can report a failure, and only to this route", "[worker][callback]") {
    const fixture f;
    const serving worker{f.environment};
    const auto body = about("msg_a").dump();
    auto forged = callback(body);
    forged.key = "sig_anotherKeyThatIsNotOurs12345";
    CHECK(worker.deliver(forged).status == 401);
    auto for_the_sync_route = callback(body);
    for_the_sync_route.url = std::string{public_url} + sync_route;
    CHECK(worker.deliver(for_the_sync_route).status == 401);
    CHECK(worker.logs("url_mismatch"));
    auto to_the_sync_route = callback(body);
    to_the_sync_route.route = sync_route;
    CHECK(worker.deliver(to_the_sync_route).status == 401);
    auto late = callback(body);
    late.age = std::chrono::hours{1};
    CHECK(worker.deliver(late).status == 401);
    CHECK(worker.as_person("POST", failure_route, body).status == 401);
    CHECK(request(worker.port(), "POST", failure_route, {}, body).status == 401);
    CHECK(f.alarms() == "0");
}

TEST_CASE("a failure callback that cannot be read ends its retries", "[worker][callback]") {
    const fixture f;
    const serving worker{f.environment};
    int n = 0;
    for (const auto* body : {"", "garbage", "[]", "{}", R"({"sourceMessageId":7})", "\xff\xfe"}) {
        CAPTURE(body);
        const auto answer = worker.deliver(callback(body, fmt::format("jwt_{}", ++n)));
        CHECK(answer.status == 489);
        CHECK(answer.headers.at("upstash-nonretryable-error") == "true");
        CHECK(json(answer).at("error").at("code") == "bad_request");
    }
    CHECK(f.alarms() == "0");
}

TEST_CASE("a failure callback may leave things out and write numbers as strings", "[worker][callback]") {
    const fixture f;
    const serving worker{f.environment};
    CHECK(worker.deliver(callback(R"({"sourceMessageId":"msg_bare"})", "jwt_1")).status == 200);
    const auto bare = json(worker.as_person("GET", "/api/runs")).at("alarms").at(0);
    for (const auto* name :
         {"schedule", "url", "method", "status", "retried", "max_retries", "dlq_id", "response", "run"}) {
        CAPTURE(name);
        CHECK(bare.at(name).is_null());
    }
    CHECK(
        worker
            .deliver(
                callback(R"({"sourceMessageId":"msg_text","status":"500","retried":"2","maxRetries":"3"})", "jwt_2"))
            .status == 200);
    CHECK(
        f.databases.production.value("SELECT status || '/' || retried || '/' || max_retries FROM "
                                     "tidesync.delivery_alarm WHERE source_message_id = 'msg_text'") == "500/2/3");
    CHECK(run_tidesync({"runs"}, f.environment).status == 0);
}

TEST_CASE("hostile text in a failure callback is stored and shown harmlessly", "[worker][callback]") {
    const fixture f;
    serving worker{f.environment};
    auto body = about("msg_a");
    body["body"] = base64(std::string("\x1b]0;owned\x07'; DROP TABLE tidesync.run; --\n\0\xff\xc3", 44) + "größe");
    body["scheduleId"] = std::string("scd\n\x1b[2J\0x", 10);
    CHECK(worker.deliver(callback(body.dump())).status == 200);
    CHECK(f.value("response") == "]0;owned'; DROP TABLE tidesync.run; --größe");
    CHECK(f.value("schedule_id") == "scd[2Jx");
    const auto shown = run_tidesync({"runs"}, f.environment);
    CHECK(shown.out.find('\x1b') == std::string::npos);
    REQUIRE(worker.logs("delivery failed for good"));
    CHECK(worker.worker().err().find('\x1b') == std::string::npos);
}

TEST_CASE("a failure callback may be large, within limits, and only here", "[worker][callback]") {
    const fixture f;
    const serving worker{f.environment};
    auto body = about("msg_a");
    body["body"] = base64(std::string(1'000'000, 'x'));
    CHECK(worker.deliver(callback(body.dump(), "jwt_1")).status == 200);
    CHECK(f.value("length(response)") == "500");
    for (const auto* target : {failure_route, "/api/qstash/failure?x=1"}) {
        raw_connection announced{worker.port()};
        announced.send(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 2097153\r\n\r\n", target));
        const auto answer = announced.receive(std::chrono::seconds{20});
        REQUIRE(answer);
        CHECK(answer->status == 413);
        CHECK(answer->body.find("2048 KiB") != std::string::npos);
    }
    for (const auto* target : {sync_route, "/api/qstash/failure/", "/api/qstash/failures", "/none"}) {
        raw_connection announced{worker.port()};
        announced.send(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", target));
        const auto answer = announced.receive(std::chrono::seconds{20});
        CAPTURE(target);
        REQUIRE(answer);
        CHECK(answer->status == 413);
        CHECK(answer->body.find("64 KiB") != std::string::npos);
    }
}

TEST_CASE("a failure callback waits for a run store that is away", "[worker][callback]") {
    fixture f;
    auto store = std::make_unique<database>(database::on::production);
    f.environment["TIDESYNC_DATABASE_URL"] = store->url();
    REQUIRE(run_tidesync({"migrate"}, f.environment).status == 0);
    const serving worker{f.environment};
    store.reset();
    const auto answer = worker.deliver(callback(about("msg_a").dump()));
    CHECK(answer.status == 503);
    CHECK_FALSE(answer.headers.contains("upstash-nonretryable-error"));
}
