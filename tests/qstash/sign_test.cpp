#include "qstash/sign.hpp"

#include "qstash/verify.hpp"
#include "tests/catch.hpp"
#include "tests/qstash/vectors.hpp"

#include <array>
#include <stdexcept>
#include <string>

using namespace tidesync::qstash;
using namespace tidesync::qstash::testing;
using namespace std::chrono_literals;

TEST_CASE("a token is made byte for byte as QStash makes it", "[qstash][sign]") {
    for (const auto& made : {v2, v3}) { // not v1: it has the older `nbf` and no padding
        CAPTURE(made.jti);
        CHECK(sign({.url = made.url, .body = made.body, .jti = made.jti, .iat = vectors_iat}, made.key) == made.token);
    }
}

TEST_CASE("a token that was signed here is genuine for its life and no longer", "[qstash][sign]") {
    const std::array keys{signing_key{"local", "sig_a_key_that_only_this_test_has"}};
    const std::array<std::string, 1> urls{"http://127.0.0.1:8090/api/background/sync/slave-to-prod?a=\"b\"&c=\\"};
    const std::string body("\0\xff{}", 4);
    const auto token =
        sign({.url = urls[0], .body = body, .jti = "jwt_1", .iat = vectors_iat, .life = 60s}, keys[0].value);
    const auto check = [&](std::chrono::sys_seconds now) {
        return to_string(verify({token, body}, keys, urls, now, {.clock_tolerance = 0s}).result);
    };
    CHECK(check(vectors_iat) == "genuine");
    CHECK(check(vectors_iat + 59s) == "genuine");
    CHECK(check(vectors_iat + 60s) == "expired");
}

TEST_CASE("what no receiver could trust or read is not signed", "[qstash][sign]") {
    CHECK_THROWS_AS(sign({.url = "http://a/", .body = "", .jti = "j", .iat = vectors_iat}, ""), std::invalid_argument);
    CHECK_THROWS_AS(
        sign({.url = "http://a/\xff", .body = "", .jti = "j", .iat = vectors_iat}, current_key), std::invalid_argument);
    CHECK_THROWS_AS(
        sign({.url = "http://a/", .body = "", .jti = "\xc3", .iat = vectors_iat}, current_key), std::invalid_argument);
}
