#include "qstash/verify.hpp"

#include "tests/catch.hpp"
#include "tests/qstash/attempt.hpp"

#include <set>
#include <utility>

using namespace tidesync::qstash;
using namespace tidesync::qstash::testing;
using namespace std::chrono_literals;

// --- What the official receiver accepts and refuses

TEST_CASE("the vectors of the official receiver are genuine", "[qstash][verify]") {
    struct row {
        known_token made;
        std::chrono::sys_seconds now;
        std::size_t key_index;
    };
    const std::vector<row> cases{{v1, vectors_iat + 1s, 0}, {v2, vectors_iat, 1}, {v3, vectors_exp - 1s, 0}};
    for (const auto& [made, now, key_index] : cases) {
        CAPTURE(made.jti);
        const auto found = check(
            {.token = std::string(made.token),
             .body = std::string(made.body),
             .urls = {std::string(made.url)},
             .now = now});
        CHECK(to_string(found.result) == "genuine");
        CHECK(found.genuine());
        CHECK(found.key_index == key_index);
        REQUIRE(found.claims);
        CHECK(found.claims->jti == made.jti);
        CHECK(found.claims->sub == made.url);
        CHECK((found.claims->exp == vectors_exp));
        CHECK((found.claims->iat == vectors_iat));
    }
}

TEST_CASE("a changed delivery is refused for what was changed", "[qstash][verify]") {
    CHECK(why({.body = std::string(v1.body) + " "}) == "body_mismatch");
    CHECK(why({.urls = {std::string(v1.url) + "/"}}) == "url_mismatch");
    CHECK(why({.token = ""}) == "missing");
    CHECK(why({.keys = {{"other", "sig_some_other_key_of_32_bytes__"}}}) == "wrong_key");
    CHECK(why_claims({.iss = in_quotes("upstash")}) == "wrong_issuer");
    CHECK(why({.token = with_header(R"({"alg":"none","typ":"JWT"})")}) == "wrong_algorithm");
}

// --- Time

TEST_CASE("a token is refused from its exp on", "[qstash][verify]") {
    struct row {
        std::chrono::sys_seconds now;
        std::chrono::seconds tolerance;
        std::string verdict;
    };
    const std::vector<row> cases{
        {vectors_exp - 1s, 0s, "genuine"},   {vectors_exp, 0s, "expired"},       {vectors_exp, 1s, "genuine"},
        {vectors_exp + 1s, 1s, "expired"},   {vectors_exp + 4s, 5s, "genuine"},  {vectors_exp + 5s, 5s, "expired"},
        {vectors_exp + 24h, 60s, "expired"}, {vectors_exp - 1s, -1s, "genuine"}, // a negative one counts as none
        {vectors_exp, -1s, "expired"}};
    for (const auto& [now, tolerance, verdict] : cases) {
        CAPTURE((now - vectors_exp).count(), tolerance.count());
        CHECK(why({.now = now, .settings = {.clock_tolerance = tolerance}}) == verdict);
    }
}

TEST_CASE("a token is refused before its nbf", "[qstash][verify]") {
    CHECK(why({.now = vectors_iat}) == "genuine");
    CHECK(why({.now = vectors_iat - 1s}) == "not_yet_valid");
    CHECK(why({.now = vectors_iat - 1s, .settings = {.clock_tolerance = 1s}}) == "genuine");
    CHECK(why({.now = vectors_iat - 2s, .settings = {.clock_tolerance = 1s}}) == "not_yet_valid");
}

TEST_CASE("five seconds of clock error are tolerated by default", "[qstash][verify]") {
    CHECK(why({.now = vectors_exp + 4s, .settings = {}}) == "genuine");
    CHECK(why({.now = vectors_exp + 5s, .settings = {}}) == "expired");
    CHECK(why({.now = vectors_iat - 5s, .settings = {}}) == "genuine");
    CHECK(why({.now = vectors_iat - 6s, .settings = {}}) == "not_yet_valid");
}

TEST_CASE("a wrong clock is never reported as a wrong key", "[qstash][verify]") {
    // The official receiver tries the next key after an expired token, and then blames the signature.
    for (const auto& [now, verdict] :
         {std::pair{vectors_exp, "expired"}, std::pair{vectors_iat - 1s, "not_yet_valid"}}) {
        const auto found = check({.now = now});
        CHECK(to_string(found.result) == verdict);
        CHECK(found.key_index == 0);
        REQUIRE(found.claims);
        CHECK((found.claims->exp == vectors_exp)); // so that the log can show by how much
    }
}

TEST_CASE("times that are no whole number of seconds are malformed", "[qstash][verify]") {
    const std::vector<std::string> malformed{
        "\"1735689900\"",
        "1735689900.0",
        "1735689900.5",
        "1.7356899e9",
        "-1",
        "-0",
        "-1735689900",
        "null",
        "true",
        "[]",
        "[1735689900]",
        "{}",
        "\"\"",
        "9007199254740993", // above 2^53
        "9223372036854775807",
        "9223372036854775808", // 2^63 - 1, 2^63
        "18446744073709551615",
        "18446744073709551616", // 2^64 - 1, 2^64
        "1e400",
        "99999999999999999999999999999999999999"};
    for (const auto& value : malformed) {
        CAPTURE(value);
        CHECK(why_claims({.exp = value}) == "malformed");
        CHECK(why_claims({.nbf = value}) == "malformed");
        CHECK(why_claims({.iat = value}) == "malformed");
    }
    CHECK(why_claims({.exp = "0", .iat = "0"}) == "expired");
    CHECK(why_claims({.exp = "9007199254740992", .iat = ""}) == "life_too_long"); // 2^53 itself is a time
    CHECK(why_claims({.nbf = "9007199254740992"}) == "not_yet_valid");
}

TEST_CASE("exp is required, nbf and iat are not", "[qstash][verify]") {
    CHECK(why_claims({.exp = ""}) == "malformed");
    CHECK(why_claims({.nbf = ""}) == "genuine");
    CHECK(why_claims({.iat = ""}) == "genuine");
    CHECK(why_claims({.nbf = "", .iat = ""}) == "genuine");
}

TEST_CASE("a token that lives longer than ten minutes is refused", "[qstash][verify]") {
    const auto at = [](std::chrono::seconds after_iat) {
        return std::to_string((vectors_iat + after_iat).time_since_epoch().count());
    };
    struct row {
        std::string exp, iat, verdict;
        std::chrono::seconds tolerance = 0s;
    };
    // The clock stands at iat + 1 s.
    const std::vector<row> cases{
        {at(600s), at(0s), "genuine"},
        {at(601s), at(0s), "life_too_long"},
        {at(601s), at(0s), "life_too_long", 5s}, // both times are of the sender's clock: nothing to tolerate
        {at(2s), at(-599s), "life_too_long"},
        {at(601s), "", "genuine"}, // without iat the life from now on counts
        {at(602s), "", "life_too_long"},
        {at(606s), "", "genuine", 5s},
        {at(607s), "", "life_too_long", 5s},
        {at(300s), at(200s), "genuine"}, // our clock is slow
        {at(601s), at(1s), "genuine"},
        {at(602s), at(2s), "life_too_long"}, // a date ahead buys no longer life
        {at(100'300s), at(100'000s), "life_too_long"},
        {at(300s), at(301s), "malformed"}, // dead before it was made
        {at(300s), at(300s), "genuine"},
        {at(300s), "0", "life_too_long"}};
    for (const auto& [exp, iat, verdict, tolerance] : cases) {
        CAPTURE(exp, iat, tolerance.count());
        CHECK(
            why(
                {.token = forge(raw_claims{.exp = exp, .iat = iat}.text()),
                 .settings = {.clock_tolerance = tolerance}}) == verdict);
    }
    CHECK(why({.settings = {.token_life_max = 300s}}) == "genuine");
    CHECK(why({.settings = {.token_life_max = 299s}}) == "life_too_long");
}

TEST_CASE("clocks and settings beyond all reason do not overflow", "[qstash][verify]") {
    using std::chrono::seconds;
    using std::chrono::sys_seconds;
    CHECK(why({.now = sys_seconds::min()}) == "not_yet_valid");
    CHECK(why({.now = sys_seconds{}}) == "not_yet_valid");
    CHECK(why({.now = sys_seconds::max()}) == "expired");
    CHECK(why({.settings = {.clock_tolerance = seconds::max(), .token_life_max = seconds::max()}}) == "genuine");
    CHECK(why({.settings = {.clock_tolerance = seconds::min(), .token_life_max = seconds::max()}}) == "genuine");
    CHECK(why({.settings = {.token_life_max = seconds::min()}}) == "life_too_long");
    const attempt far{
        .token = forge(raw_claims{.exp = "9007199254740992", .nbf = "9007199254740992", .iat = "0"}.text()),
        .now = sys_seconds::max(),
        .settings = {.clock_tolerance = seconds::max(), .token_life_max = seconds::max()}};
    CHECK(why(far) == "genuine");
}

// --- The order of the checks, and their names

TEST_CASE("the first check that failed is the reason", "[qstash][verify]") {
    // Wrong in everything; each step repairs the check that answered before.
    raw_claims claims{
        .iss = in_quotes("other"),
        .sub = in_quotes("https://evil.example/"),
        .exp = "1",
        .nbf = "1735690000",
        .iat = "0",
        .jti = in_quotes(""),
        .body = in_quotes("x")};
    attempt a{.keys = {}};
    const auto expect = [&](std::string_view verdict) {
        if (!a.token.empty()) a.token = forge(claims.text());
        CHECK(why(a) == verdict);
    };
    a.token.clear();
    expect("no_keys");
    a.keys = {{"other", "sig_some_other_key_of_32_bytes__"}};
    expect("missing");
    a.token = "x";
    CHECK(why(a) == "malformed");
    a.token = with_header(R"({"alg":"HS512"})");
    CHECK(why(a) == "wrong_algorithm");
    expect("wrong_key");
    a.keys = both_keys;
    expect("wrong_issuer");
    claims.iss = in_quotes("Upstash");
    expect("malformed");
    claims.jti = in_quotes("jwt_1");
    expect("expired");
    claims.exp = "1735689900";
    expect("not_yet_valid");
    claims.nbf = "0";
    expect("life_too_long");
    claims.iat = "1735689600";
    expect("body_mismatch");
    a.body = v1.body;
    claims.body = raw_claims{}.body;
    expect("url_mismatch");
    claims.sub = in_quotes(v1.url);
    expect("genuine");
}

TEST_CASE("every verdict has a name of its own", "[qstash][verify]") {
    std::set<std::string_view> names;
    for (int value = static_cast<int>(verdict::genuine); value <= static_cast<int>(verdict::url_mismatch); ++value) {
        const auto name = to_string(static_cast<verdict>(value));
        CAPTURE(value);
        CHECK(name != "unknown");
        CHECK(names.insert(name).second);
        CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
    }
    CHECK(names.size() == 12);
}
