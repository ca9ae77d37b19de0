#include "tests/catch.hpp"
#include "tests/worker/environment.hpp"
#include "worker/checks.hpp"
#include "worker/settings.hpp"

using namespace tidesync::tests;
using namespace tidesync::worker;

namespace {

constexpr const char* good_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

environment with(const std::string& name, const std::string& value) {
    auto env = complete();
    env["TIDESYNC_ALARM_URL"] = "https://hooks.example.com/in?token=canary";
    env["TIDESYNC_ALARM_SECRET"] = good_secret;
    env[name] = value;
    return env;
}

} // namespace

TEST_CASE("alarms go nowhere unless it is said where", "[worker][settings]") {
    const auto loaded = load_settings(complete(), purpose::serve);
    CHECK(loaded.problems.empty());
    CHECK(loaded.values.alarms.url.empty());
}

TEST_CASE("alarms have an address and a secret, for all who make runs", "[worker][settings]") {
    for (const auto what_for : {purpose::serve, purpose::job, purpose::setup}) {
        const auto loaded = load_settings(with("X", ""), what_for);
        CAPTURE(loaded.problems);
        CHECK(loaded.problems.empty());
        CHECK(loaded.values.alarms.url.reveal() == "https://hooks.example.com/in?token=canary");
        CHECK(loaded.values.alarms.key.reveal().size() == 24);
        CHECK_FALSE(mention(loaded.notes, "TIDESYNC_ALARM"));
    }
    CHECK(load_settings(with("TIDESYNC_ALARM_URL", "http://127.0.0.1:8080/hook"), purpose::serve).problems.empty());
    std::string told;
    for (const auto& line : good_settings(load_settings(with("X", ""), purpose::serve))) told += line.text + '\n';
    CHECK(told.find("alarms go to hooks.example.com\n") != std::string::npos);
    CHECK(told.find("canary") == std::string::npos);
}

TEST_CASE(
    "pings go nowhere unless it is said where, and the address is kept as what is put behind it",
    "[worker][settings]") {
    CHECK(load_settings(complete(), purpose::serve).values.ping_url.empty());
    auto env = complete();
    env["TIDESYNC_PING_URL"] = "https://hc.example.com/canary//";
    for (const auto what_for : {purpose::serve, purpose::job}) {
        const auto loaded = load_settings(env, what_for);
        CHECK(loaded.problems.empty());
        CHECK(loaded.values.ping_url.reveal() == "https://hc.example.com/canary");
        std::string told;
        for (const auto& line : good_settings(loaded)) told += line.text + '\n';
        CHECK(told.find("pings go to hc.example.com\n") != std::string::npos);
        CHECK(told.find("canary") == std::string::npos);
    }
}

TEST_CASE("a bad address or secret of alarms is named and not repeated", "[worker][settings]") {
    struct wrong {
        const char* name;
        const char* value;
        const char* expected;
    };
    const wrong cases[] = {
        {"TIDESYNC_ALARM_URL", "http://hooks.example.com/canary", "must be https unless"},
        {"TIDESYNC_ALARM_URL", "hooks.example.com/canary", "expected https://"},
        {"TIDESYNC_ALARM_URL", "ftp://hooks.example.com/canary", "expected https://"},
        {"TIDESYNC_ALARM_URL", "https://user:canary@hooks.example.com/", "without user or fragment"},
        {"TIDESYNC_ALARM_URL", "https://hooks.example.com/#canary", "without user or fragment"},
        {"TIDESYNC_ALARM_URL", "https://hooks.example.com/a?b=c d", "expected https://"},
        {"TIDESYNC_ALARM_URL", "https://hooks.example.com:0/canary", "expected https://"},
        {"TIDESYNC_PING_URL", "https://hc.example.com/canary?a=b", "without user, query or fragment"},
        {"TIDESYNC_PING_URL", "http://hc.example.com/canary", "must be https unless"},
        {"TIDESYNC_PING_URL", "canary", "expected https://"},
        {"TIDESYNC_ALARM_SECRET", "", "not set: expected what alarms are signed with"},
        {"TIDESYNC_ALARM_SECRET", "canary", "24 to 64 bytes in base64"},
        {"TIDESYNC_ALARM_SECRET", "whsec_canary", "openssl rand -base64 32"}};
    for (const auto& wrong : cases) {
        const auto loaded = load_settings(with(wrong.name, wrong.value), purpose::serve);
        CAPTURE(wrong.value, loaded.problems);
        REQUIRE(loaded.problems.size() == 1);
        CHECK(loaded.problems.front().starts_with(wrong.name));
        CHECK(mention(loaded.problems, wrong.expected));
        CHECK_FALSE(mention(loaded.problems, "canary"));
    }
    CHECK(mention(load_settings(with("TIDESYNC_ALARM_URL", ""), purpose::serve).notes, "TIDESYNC_ALARM_SECRET"));
}
