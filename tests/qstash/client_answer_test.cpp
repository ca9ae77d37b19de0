#include "qstash/client_answer.hpp"

#include "tests/catch.hpp"

#include <typeinfo>

using namespace tidesync::qstash;
using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view token = "TOK.SECRET=";

answer_reader reader(int status, std::string body, http_fields headers = {}) {
    return {"a call", "https://q.example.com", token, http_answer{status, std::move(headers), std::move(body)}};
}

milliseconds_since_epoch at_ms(std::int64_t ms) { return milliseconds_since_epoch{std::chrono::milliseconds{ms}}; }

template <typename Error = api_error, typename Action>
std::string error_of(Action action) {
    try {
        static_cast<void>(action());
    } catch (const Error& e) {
        return e.what();
    }
    return "no such error";
}

} // namespace

TEST_CASE("a schedule is read with all it has", "[qstash][client]") {
    const auto read = reader(200, R"({"scheduleId":"scd_5RLBWxdLydTNr99CiaTBCRb6UtrU",
        "cron":"CRON_TZ=Europe/Berlin 0 4 * * *","createdAt":1754565618803,"destination":"https://example.com/job",
        "method":"PUT","header":{"Content-Type":["application/json"],"x-a":"1","X-B":["1","2"]},
        "body":"{\"hello\":\"world\"}","retries":3,"retryDelayExpression":"1000","delay":30,"timeout":120,
        "callback":"https://cb","failureCallback":"https://fcb","isPaused":true,"callerIP":"203.0.113.7",
        "labels":["nightly","b"],"label":"nightly","lastScheduleTime":1754618400041,"nextScheduleTime":1754704800000,
        "lastScheduleStates":{"msg_26h":"SUCCESS","msg_27h":"FAIL"},"error":"quota exceeded",
        "queueName":"q","unknown":{"a":[1,{}]}})")
                          .schedule();
    CHECK(read.schedule_id == "scd_5RLBWxdLydTNr99CiaTBCRb6UtrU");
    CHECK(read.cron == "CRON_TZ=Europe/Berlin 0 4 * * *");
    CHECK(read.destination == "https://example.com/job");
    CHECK(read.method == "PUT");
    CHECK(
        read.headers ==
        decltype(read.headers){{"Content-Type", {"application/json"}}, {"X-A", {"1"}}, {"X-B", {"1", "2"}}});
    CHECK(read.body == R"({"hello":"world"})");
    CHECK(read.retries == 3);
    CHECK(read.retry_delay == "1000");
    CHECK(read.delay == 30s);
    CHECK(read.timeout == 2min);
    CHECK(read.callback == "https://cb");
    CHECK(read.failure_callback == "https://fcb");
    CHECK(read.labels == std::vector<std::string>{"nightly", "b"});
    CHECK(read.paused);
    CHECK(read.caller_ip == "203.0.113.7");
    CHECK(read.created_at == at_ms(1754565618803));
    CHECK(read.last_tick == at_ms(1754618400041));
    CHECK(read.next_tick == at_ms(1754704800000));
    CHECK(read.last_states == std::map<std::string, std::string>{{"msg_26h", "SUCCESS"}, {"msg_27h", "FAIL"}});
    CHECK(read.error == "quota exceeded");
}

TEST_CASE("members that are missing or of another kind are empty", "[qstash][client]") {
    const auto read = reader(200, R"([{"scheduleId":"a"},
        {"scheduleId":"b","cron":5,"createdAt":"soon","destination":null,"method":[],"header":[1],"body":{},
         "retries":"3.5","delay":-1,"timeout":1e300,"isPaused":null,"labels":{},"label":"l","callerIp":"203.0.113.7",
         "lastScheduleTime":0,"nextScheduleTime":18446744073709551615,"lastScheduleStates":["x"],"error":false},
        {}])")
                          .schedules();
    REQUIRE(read.size() == 3);
    for (const auto& one : read) {
        CHECK(one.cron.empty());
        CHECK(one.destination.empty());
        CHECK(one.method.empty());
        CHECK(one.headers.empty());
        CHECK(one.body.empty());
        CHECK_FALSE(one.retries);
        CHECK_FALSE(one.delay);
        CHECK_FALSE(one.timeout);
        CHECK_FALSE(one.paused);
        CHECK_FALSE(one.created_at);
        CHECK_FALSE(one.last_tick);
        CHECK_FALSE(one.next_tick);
        CHECK(one.last_states.empty());
        CHECK(one.error.empty());
    }
    CHECK(read[0].schedule_id == "a");
    CHECK(read[1].caller_ip == "203.0.113.7");
    CHECK(read[1].labels == std::vector<std::string>{"l"});
    CHECK(read[2].schedule_id.empty());
}

TEST_CASE("numbers are read from text and from floating point as well", "[qstash][client]") {
    const auto read =
        reader(200, R"({"scheduleId":"a","createdAt":"1701198447054","retries":"3","delay":6e1,"isPaused":"true"})")
            .schedule();
    CHECK(read.created_at == at_ms(1701198447054));
    CHECK(read.retries == 3);
    CHECK(read.delay == 1min);
    CHECK(read.paused);
}

TEST_CASE(
    "a body that is no text comes in base64, and is needed whole where one schedule is asked for", "[qstash][client]") {
    CHECK(
        reader(200, R"({"scheduleId":"a","bodyBase64":"/+8AYg=="})").schedule().body == std::string("\xff\xef\0b", 4));
    CHECK(reader(200, R"({"scheduleId":"a","bodyBase64":"_-8AYg"})").schedule().body == std::string("\xff\xef\0b", 4));
    CHECK_THROWS_AS(reader(200, R"({"scheduleId":"a","bodyBase64":"%%"})").schedule(), api_error);
    CHECK(reader(200, R"([{"scheduleId":"a","bodyBase64":"%%"},{"scheduleId":"b"}])").schedules().size() == 2);
}

TEST_CASE("an empty list is no error in any of its forms", "[qstash][client]") {
    CHECK(reader(200, "[]").schedules().empty());
    CHECK(reader(200, "null").schedules().empty());
    CHECK(reader(200, R"({"events":[]})").logs().empty());
    CHECK(reader(200, R"({"cursor":"","logs":[]})").logs().empty());
    CHECK(reader(200, R"({"messages":[]})").dead_letters().empty());
}

TEST_CASE("log entries are read under both names of the list", "[qstash][client]") {
    for (const std::string name : {"events", "logs"}) {
        CAPTURE(name);
        const auto read = reader(200, R"({"cursor":"1686652644442-12",")" + name + R"(":[{"time":1686652644442,
            "messageId":"msg_1","state":"ERROR","url":"https://example.com","scheduleId":"scd_1","error":"refused",
            "responseStatus":503,"nextDeliveryTime":1686652656442,"timeout":30000},{"state":"CANCELLED"},
            {"state":"NEW_ONE","responseStatus":"404"}]})")
                              .logs();
        REQUIRE(read.size() == 3);
        CHECK(read[0].time == at_ms(1686652644442));
        CHECK(read[0].message_id == "msg_1");
        CHECK(read[0].state == "ERROR");
        CHECK(read[0].url == "https://example.com");
        CHECK(read[0].schedule_id == "scd_1");
        CHECK(read[0].error == "refused");
        CHECK(read[0].response_status == 503);
        CHECK(read[0].next_delivery == at_ms(1686652656442));
        CHECK(read[1].state == "CANCELED");
        CHECK(read[1].response_status == 0);
        CHECK(read[2].state == "NEW_ONE");
        CHECK(read[2].response_status == 404);
    }
}

TEST_CASE("dead letters are read, what their destination said at most 4 KiB", "[qstash][client]") {
    const auto read = reader(
                          200, R"({"messages":[{"dlqId":"1725323658779-0","messageId":"msg_1","url":"https://e.com",
        "scheduleId":"scd_1","responseStatus":500,"responseBody":")" +
                                   std::string(5000, 'x') + R"(",
        "createdAt":1725323658000},{"dlqId":"1-1","responseBodyBase64":"/+8="}]})")
                          .dead_letters();
    REQUIRE(read.size() == 2);
    CHECK(read[0].dlq_id == "1725323658779-0");
    CHECK(read[0].message_id == "msg_1");
    CHECK(read[0].url == "https://e.com");
    CHECK(read[0].schedule_id == "scd_1");
    CHECK(read[0].response_status == 500);
    CHECK(read[0].response_body == std::string(4096, 'x'));
    CHECK(read[0].created_at == at_ms(1725323658000));
    CHECK(read[1].response_body == "\xff\xef");
}

TEST_CASE("a 2xx without the JSON that the call needs is an error that says what came", "[qstash][client]") {
    struct row {
        std::string body, said;
    };
    const std::vector<row> cases{
        {"", "an empty body"},
        {" \r\n", "an empty body"},
        {"OK", "2 bytes of another kind: OK"},
        {"<html>Sign in</html>", "another kind: <html>Sign in</html>"},
        {"5", "a JSON number"},
        {R"({"status":"accepted"})", "a JSON object with other members"},
        {R"({"scheduleId":5})", "a JSON object"},
        {R"(["a"])", "a JSON array"},
        {R"({"scheduleId":"a")", "17 bytes of JSON that cannot be read"},
        {"{\"scheduleId\":\"\xff\xfe\"}", "of JSON that cannot be read"},
        {"\xff\xfe", "2 bytes of another kind: ??"},
        {std::string("{\"scheduleId\":\"a\"}\0", 19), "of JSON that cannot be read"},
        {std::string("\0\0", 2), "2 bytes of another kind: ??"},
        {std::string(100'000, '['), "of JSON that cannot be read"},
        {R"({"scheduleId":"a","x":)" + std::string(40, '[') + std::string(40, ']') + "}", "that cannot be read"},
    };
    for (const auto& [body, said] : cases) {
        CAPTURE(said);
        CHECK_THAT(error_of([&] { return reader(200, body).created_id(); }), containing(said));
        CHECK_THROWS_AS(reader(200, body).schedule(), api_error);
        CHECK_THROWS_AS(reader(200, body).schedules(), api_error);
        CHECK_THROWS_AS(reader(200, body).published(), api_error);
        CHECK_THROWS_AS(reader(200, body).logs(), api_error);
        CHECK_THROWS_AS(reader(200, body).dead_letters(), api_error);
        CHECK_THROWS_AS(reader(200, body).keys(), api_error);
        CHECK_NOTHROW(reader(204, body).require_success()); // where the body says nothing, it may be anything
    }
}

TEST_CASE("brackets inside of text are no levels of JSON", "[qstash][client]") {
    CHECK(
        reader(200, R"({"x":"\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[","scheduleId":"a"})").created_id() == "a");
}

TEST_CASE("signing keys and headers of schedules never get into a message", "[qstash][client]") {
    CHECK_THAT(
        error_of([] { return reader(200, R"({"current":"sig_SECRET","following":"sig_SECRET"})").keys(); }),
        containing("a JSON object") && !containing("SECRET"));
    CHECK_THAT(
        error_of(
            [] { return reader(200, R"([{"scheduleId":"a","header":{"Authorization":["SECRET"]}},)").schedules(); }),
        containing("cannot be read") && !containing("SECRET"));
    const auto read = reader(200, R"({"current":"sig_1","next":"sig_2"})").keys();
    CHECK(read.current == "sig_1");
    CHECK(read.next == "sig_2");
}

TEST_CASE("a refusal says what the server said", "[qstash][client]") {
    const auto say = [](int status, std::string body) {
        return error_of([&] { return reader(status, std::move(body)).schedules(); });
    };
    CHECK(
        say(400, R"({"error":"Invalid cron expression empty spec string"})") ==
        "a call: answered 400: Invalid cron expression empty spec string");
    CHECK(say(405, "Method Not Allowed\n") == "a call: answered 405: Method Not Allowed ");
    CHECK(say(500, "") == "a call: answered 500: without a text");
    CHECK(say(500, R"({"error":5})") == R"(a call: answered 500: {"error":5})");
    CHECK(say(400, R"({"error":"a\u0000\u001b[31mb\u202ec"})") == "a call: answered 400: a??[31mb???c");
    CHECK(
        say(502, "<html>\n" + std::string(1000, 'x')) ==
        "a call: answered 502: <html> " + std::string(293, 'x') + "...");
    CHECK(
        say(400, R"({"error":")" + std::string(1000, 'x') + "\"}") ==
        "a call: answered 400: " + std::string(300, 'x') + "...");
}

TEST_CASE("a server that repeats the token cannot make a message tell it", "[qstash][client]") {
    const std::string said{token};
    CHECK(shown("Authorization: Bearer " + said + "; " + said, token) == "Authorization: Bearer (token); (token)");
    for (std::size_t before = 280; before < 310; ++before) {
        CAPTURE(before);
        const auto text = shown(std::string(before, 'x') + said, token);
        CHECK(text.find('T') == std::string::npos);
        CHECK(text.size() <= 303);
    }
    CHECK_THAT(error_of([&] { return reader(200, "you are " + said).schedules(); }), containing("you are (token)"));
    CHECK_THAT(
        error_of([&] { return reader(302, "", {{"location", "https://other/?t=" + said}}).schedules(); }),
        containing("https://other/?t=(token)"));
    CHECK_THAT(error_of([&] { return reader(400, said).schedules(); }), containing("400: (token)"));
    CHECK(shown("x", "").size() == 1);
}

TEST_CASE("each refusal has its class and its status", "[qstash][client]") {
    const auto call = [](int status, std::string body = {}) { return reader(status, std::move(body)).schedules(); };
    CHECK_THROWS_AS(call(401), unauthorized);
    CHECK_THROWS_AS(call(404, R"({"error":"schedule scd_1 not found"})"), not_found);
    CHECK_THROWS_AS(call(429), rate_limited);
    CHECK_THAT(
        error_of<unauthorized>([&] { return call(401, R"({"error":"unable to authenticate: invalid token"})"); }),
        containing("invalid token") && containing("region"));
    // The account is unknown where the token does not belong; that says nothing about the schedule.
    const std::string elsewhere = R"~({"error":"user (u_1) not found in this region (eu-central-1)"})~";
    CHECK_THROWS_AS(call(404, elsewhere), unauthorized);
    for (const int status : {199, 300, 302, 304, 400, 403, 405, 412, 418, 500, 501, 503, 599}) {
        CAPTURE(status);
        try {
            static_cast<void>(call(status));
            FAIL("it was no refusal");
        } catch (const api_error& e) {
            CHECK(e.status == status);
            CHECK(typeid(e) == typeid(api_error));
        }
    }
    for (const int status : {200, 201, 202, 204, 299}) CHECK_NOTHROW(reader(status, "").require_success());
}

TEST_CASE("what is no answer of QStash is never a missing schedule", "[qstash][client]") {
    for (const auto* body :
         {"", "404 page not found", "<html>Not Found</html>", "{}", R"({"message":"no Route matched"})",
          R"({"error":{"code":404}})", R"([{"error":"not found"}])", R"({"error":""})"}) {
        CAPTURE(body);
        CHECK_THAT(
            error_of<unreachable>([&] { return reader(404, body).schedule(); }),
            containing("what answers at https://q.example.com is not QStash"));
    }
    for (const auto* body : {"<html>Welcome</html>", R"([{"scheduleId":"a"}])", "null", R"({"id":"a"})"}) {
        CAPTURE(body);
        CHECK_THAT(
            error_of<unreachable>([&] { return reader(200, body).schedule(); }),
            containing("what answers at https://q.example.com is not QStash"));
    }
    CHECK_THROWS_AS(reader(200, R"({"schedules":[]})").schedules(), unreachable);
    CHECK_THROWS_AS(reader(200, "\n<!DOCTYPE html>").require_success(), unreachable);
}

TEST_CASE("a 429 tells the daily limit from the one per second, and when it ends", "[qstash][client]") {
    struct row {
        http_fields headers;
        rate_limited::kind which;
        std::optional<std::int64_t> reset;
    };
    using kind = rate_limited::kind;
    const std::vector<row> cases{
        {{}, kind::unknown, {}},
        {{{"ratelimit-limit", "1000"}, {"ratelimit-reset", "1754704800"}}, kind::daily, 1754704800},
        {{{"burst-ratelimit-limit", "100"}, {"burst-ratelimit-reset", "1754704801"}}, kind::burst, 1754704801},
        {{{"burst-ratelimit-limit", "100"}}, kind::burst, {}},
        {{{"burst-ratelimit-limit", "100"}, {"burst-ratelimit-reset", "1754704801500"}}, kind::burst, 1754704802},
        {{{"burst-ratelimit-limit", "100"}, {"burst-ratelimit-reset", "1"}}, kind::burst, {}},
        {{{"burst-ratelimit-limit", "100"}, {"burst-ratelimit-reset", "-1754704801"}}, kind::burst, {}},
        {{{"burst-ratelimit-limit", "100"}, {"burst-ratelimit-reset", "9223372036854775807"}}, kind::burst, {}},
        {{{"burst-ratelimit-limit", "100"}, {"burst-ratelimit-reset", "tomorrow"}}, kind::burst, {}},
    };
    for (const auto& [headers, which, reset] : cases) {
        CAPTURE(headers);
        try {
            static_cast<void>(reader(429, R"({"error":"too many"})", headers).schedules());
            FAIL("it was no refusal");
        } catch (const rate_limited& e) {
            CHECK(e.status == 429);
            CHECK(e.limit == which);
            CHECK(e.reset.has_value() == reset.has_value());
            if (reset) CHECK(e.reset == std::chrono::sys_seconds{std::chrono::seconds{*reset}});
        }
    }
}

TEST_CASE("a publish and a retry are answered in three forms", "[qstash][client]") {
    const auto once = reader(201, R"({"messageId":"msg_1"})").published();
    CHECK(once.message_id == "msg_1");
    CHECK_FALSE(once.deduplicated);
    CHECK(reader(202, R"({"messageId":"msg_1","deduplicated":true})").published().deduplicated);
    CHECK(reader(200, R"([{"messageId":"msg_2","deduplicated":true}])").published().message_id == "msg_2");
    CHECK(reader(201, R"({"cursor":"","responses":[{"messageId":"msg_3"}]})").published().message_id == "msg_3");
}
