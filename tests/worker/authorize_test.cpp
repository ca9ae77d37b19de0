#include "tests/catch.hpp"
#include "worker/authorize.hpp"

#include "qstash/sign.hpp"

#include <random>

using namespace tidesync;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::sys_seconds now{1'800'000'000s};
constexpr const char* current = "sig_4fTestCurrentKeyOnlyForTests9z";
constexpr const char* next = "sig_8hTestNextKeyOnlyForTestsPqrs";
constexpr const char* token = "an-admin-token-only-for-tests-7Qx2";
constexpr const char* route = "/api/background/sync/slave-to-prod";

settings configured() {
    settings values;
    values.signing_keys = {{"current", current}, {"next", next}};
    values.public_url = "https://sync.example.com";
    values.admin_token = secret{token};
    return values;
}

http_request plain() {
    http_request request;
    request.method = "POST";
    request.target = route;
    request.body = "{}";
    return request;
}

std::string signature(const std::string& url, const char* key = current) {
    return qstash::sign({.url = url, .body = "{}", .jti = "jwt_1", .iat = now}, key);
}

http_request signed_request(const char* key = current) {
    auto request = plain();
    request.headers = {
        {"upstash-signature", signature(std::string{"https://sync.example.com"} + route, key)},
        {"upstash-message-id", "msg_1"}};
    return request;
}

std::string reason(const http_request& request, worker::access needs = worker::access::signature_or_token) {
    const auto who = authorize(request, configured(), now, needs);
    const auto* refusal = std::get_if<refused>(&who);
    return refusal != nullptr ? refusal->reason : "";
}

} // namespace

TEST_CASE("a signed delivery is QStash's, whichever key signed it", "[worker][authorize]") {
    for (const auto* key : {current, next}) {
        const auto who = authorize(signed_request(key), configured(), now, worker::access::signature_or_token);
        REQUIRE(std::holds_alternative<signed_delivery>(who));
        CHECK(std::get<signed_delivery>(who).message_id == "msg_1");
        CHECK(std::get<signed_delivery>(who).claims.jti == "jwt_1");
        CHECK(std::get<signed_delivery>(who).key_label == (key == current ? "current" : "next"));
    }
}

TEST_CASE("the admin token is a person's", "[worker][authorize]") {
    auto request = plain();
    for (const auto* scheme : {"Bearer ", "bearer ", "BEARER "}) {
        request.headers = {{"authorization", std::string{scheme} + token}};
        CHECK(
            std::holds_alternative<bearer>(authorize(request, configured(), now, worker::access::signature_or_token)));
    }
}

TEST_CASE("a wrong token is refused, however near it is", "[worker][authorize]") {
    const std::string good = token;
    for (const auto& wrong :
         {std::string{}, good.substr(0, good.size() - 1), good + "x", std::string(64UL * 1024, 'a'),
          std::string{"AN-ADMIN-TOKEN-ONLY-FOR-TESTS-7QX2"}}) {
        auto request = plain();
        request.headers = {{"authorization", "Bearer " + wrong}};
        CAPTURE(wrong.size());
        CHECK_FALSE(reason(request).empty());
    }
    auto request = plain();
    request.headers = {{"authorization", std::string{"Basic "} + token}};
    CHECK(reason(request) == "not a bearer token");
}

TEST_CASE("the manual header opens nothing", "[worker][authorize]") {
    auto request = plain();
    request.headers = {{"x-manual-trigger", "true"}};
    CHECK(reason(request) == "manual header only");
}

TEST_CASE("a bad signature is not rescued by a good token", "[worker][authorize]") {
    auto request = signed_request("sig_someone_elses_key_entirely");
    request.headers.emplace_back("authorization", std::string{"Bearer "} + token);
    CHECK(reason(request) == "wrong_key");
    request = signed_request();
    request.headers.front().second.clear();
    request.headers.emplace_back("authorization", std::string{"Bearer "} + token);
    CHECK(reason(request) == "missing");
}

TEST_CASE("two signatures or two tokens are refused even when both are good", "[worker][authorize]") {
    auto request = signed_request();
    request.headers.push_back(request.headers.front());
    CHECK(reason(request) == "several signatures");
    request = plain();
    request.headers = {
        {"authorization", std::string{"Bearer "} + token}, {"authorization", std::string{"Bearer "} + token}};
    CHECK_FALSE(reason(request).empty());
}

TEST_CASE("a signature counts for the configured address and this very target", "[worker][authorize]") {
    auto request = plain();
    request.headers = {
        {"upstash-message-id", "msg_1"}, {"host", "evil.example.com"}, {"x-forwarded-host", "evil.example.com"}};
    request.headers.emplace_back("upstash-signature", signature(std::string{"https://evil.example.com"} + route));
    CHECK(reason(request).starts_with("url_mismatch"));
    request.headers.back().second = signature("https://sync.example.com/api/jobs/slave-to-prod/runs");
    CHECK(reason(request).starts_with("url_mismatch"));
    request.headers.back().second = signature(std::string{"https://sync.example.com"} + route);
    CHECK(reason(request).empty());
    request.target += "?x=1";
    CHECK(reason(request).starts_with("url_mismatch"));
}

TEST_CASE("a delivery without a usable message id is refused", "[worker][authorize]") {
    for (const auto& id :
         {std::string{}, std::string{"with blank"}, std::string{"line\nbreak"}, std::string(257, 'a')}) {
        auto request = signed_request();
        request.headers.back().second = id;
        CHECK(reason(request) == "message id missing or malformed");
    }
    auto request = signed_request();
    request.headers.emplace_back("upstash-message-id", "msg_2");
    CHECK(reason(request) == "message id missing or malformed");
}

TEST_CASE("a signature does not open routes that are for people", "[worker][authorize]") {
    CHECK_FALSE(reason(signed_request(), worker::access::token).empty());
}

TEST_CASE("a token does not open routes that are for QStash alone", "[worker][authorize]") {
    auto request = plain();
    request.headers = {{"authorization", std::string{"Bearer "} + token}};
    CHECK_FALSE(reason(request, worker::access::signature).empty());
    CHECK(reason(request, worker::access::token).empty());
    CHECK(reason(signed_request(), worker::access::signature).empty());
    CHECK_FALSE(reason(plain(), worker::access::signature).empty());
}

TEST_CASE("every region's keys are tried, and the one that matched is known", "[worker][authorize]") {
    auto config = configured();
    constexpr const char* region_next = "sig_2kTestRegionKeyOnlyForTestsXy";
    config.signing_keys.push_back({"eu-central-1/current", "sig_3mTestRegionKeyOnlyForTestsXy"});
    config.signing_keys.push_back({"eu-central-1/next", region_next});
    struct expected {
        const char* key;
        const char* label;
        bool by_next_key;
    };
    const expected cases[] = {
        {current, "current", false},
        {next, "next", true},
        {"sig_3mTestRegionKeyOnlyForTestsXy", "eu-central-1/current", false},
        {region_next, "eu-central-1/next", true}};
    for (const auto& expected : cases) {
        auto request = signed_request(expected.key);
        request.headers.emplace_back("upstash-region", "US-EAST-1"); // the caller's word: selects nothing
        const auto who = authorize(request, config, now, worker::access::signature);
        CAPTURE(expected.label);
        REQUIRE(std::holds_alternative<signed_delivery>(who));
        CHECK(std::get<signed_delivery>(who).key_label == expected.label);
        CHECK(std::get<signed_delivery>(who).by_next_key == expected.by_next_key);
    }
    CHECK(reason(signed_request(region_next)) == "wrong_key"); // where that region is not configured
}

TEST_CASE("no header without a credential opens anything", "[worker][authorize]") {
    std::mt19937 random{20261121};
    const std::vector<std::string> names = {
        "x-manual-trigger",
        "upstash-message-id",
        "upstash-retried",
        "upstash-region",
        "upstash-caller-ip",
        "host",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "cookie",
        "origin",
        "x-middleware-subrequest",
        "forwarded"};
    const std::vector<std::string> values = {"true", "1", "127.0.0.1", "localhost", "Bearer", token, current, "*", ""};
    for (int i = 0; i < 10'000; ++i) {
        auto request = plain();
        for (unsigned n = random() % 6; n > 0; --n)
            request.headers.emplace_back(names[random() % names.size()], values[random() % values.size()]);
        const auto who = authorize(request, configured(), now, worker::access::signature_or_token);
        REQUIRE(std::holds_alternative<refused>(who));
    }
}
