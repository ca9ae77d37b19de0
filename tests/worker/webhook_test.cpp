#include "tests/catch.hpp"
#include "worker/webhook.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

constexpr const char* text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

} // namespace

TEST_CASE("a webhook is signed as the libraries of Standard Webhooks test it", "[worker][alarm]") {
    const auto key = webhook_key(text);
    REQUIRE(key);
    CHECK(key->size() == 24);
    CHECK(
        sign_webhook("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})", *key) ==
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST_CASE("a secret of a webhook is whsec_ and enough bytes in base64", "[worker][alarm]") {
    CHECK(webhook_key("whsec_" + std::string(32, 'A')));          // 24 bytes
    CHECK(webhook_key("whsec_" + std::string(84, 'A') + "AA==")); // 64
    CHECK(webhook_key("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD/w"));
    for (const auto* wrong :
         {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
          "WHSEC_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"}) {
        CAPTURE(wrong);
        CHECK_FALSE(webhook_key(wrong));
    }
    CHECK_FALSE(webhook_key("whsec_" + std::string(88, 'A')));
}

TEST_CASE("every try of an alarm has its id and body, and a timestamp and signature of its own", "[worker][alarm]") {
    const alarm_receiver to{secret{"https://example.com/hook?token=t"}, secret{*webhook_key(text)}};
    due_alarm alarm{
        .alarm_id = "5b6f",
        .type = "run.dead",
        .made_at = "2026-11-21T06:00:00.000Z",
        .data = {{"job", "j"}},
        .tries = 1,
        .now = 1614265330};
    const auto first = webhook_request(to, alarm);
    alarm.tries = 2;
    alarm.now += 20;
    const auto second = webhook_request(to, alarm);
    CHECK(first.method == "POST");
    CHECK(first.url == "https://example.com/hook?token=t");
    CHECK(first.body == R"({"type":"run.dead","timestamp":"2026-11-21T06:00:00.000Z","data":{"job":"j"}})");
    CHECK(second.body == first.body);
    const auto header = [](const auto& request, std::string_view name) {
        for (const auto& [given, value] : request.headers)
            if (given == name) return value;
        return std::string{"none"};
    };
    CHECK(header(first, "webhook-id") == "5b6f");
    CHECK(header(second, "webhook-id") == "5b6f");
    CHECK(header(first, "webhook-timestamp") == "1614265330");
    CHECK(header(second, "webhook-timestamp") == "1614265350");
    CHECK(header(first, "webhook-signature") != header(second, "webhook-signature"));
    CHECK(header(first, "Content-Type") == "application/json");
}
