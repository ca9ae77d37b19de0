#include "qstash/verify.hpp"

#include "tests/catch.hpp"
#include "tests/qstash/vectors.hpp"

#include <chrono>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace tidesync::qstash;
using namespace tidesync::qstash::testing;
using namespace std::chrono_literals;

namespace {

const std::vector<signing_key> both_keys{{"current", std::string(current_key)}, {"next", std::string(next_key)}};

/// A delivery of v1 that is genuine; a test changes what it is about. No tolerance, so that limits are exact.
struct attempt {
    std::string token{v1.token};
    std::string body{v1.body};
    std::vector<signing_key> keys = both_keys;
    std::vector<std::string> urls{std::string(v1.url)};
    std::chrono::sys_seconds now = vectors_iat + 1s;
    verify_settings settings{.clock_tolerance = 0s};
};

verification check(const attempt& a) { return verify({a.token, a.body}, a.keys, a.urls, a.now, a.settings); }

/// The name of the verdict: it reads better in a failed test, and the names are part of the promise.
std::string why(const attempt& a) { return std::string(to_string(check(a).result)); }

std::string why_claims(const raw_claims& claims) { return why({.token = forge(claims.text())}); }

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::string with_header(std::string_view header) { return forge(raw_claims{}.text(), header); }

/// A part of v1's token, counted from 0.
std::string part(int index) {
    std::string token(v1.token);
    for (; index > 0; --index) token.erase(0, token.find('.') + 1);
    return token.substr(0, token.find('.'));
}

} // namespace

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
    CHECK(why_claims({.iss = quoted("upstash")}) == "wrong_issuer");
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

// --- Header and algorithm

TEST_CASE("only HS256 is accepted", "[qstash][verify]") {
    // Signed with HMAC-SHA256 under the right key, so that nothing but the header can be the reason.
    const std::vector<std::string> refused{
        R"({"alg":"none"})",  R"({"alg":"NONE"})",    R"({"alg":"nOnE"})",    R"({"alg":"RS256"})",
        R"({"alg":"ES256"})", R"({"alg":"PS256"})",   R"({"alg":"HS384"})",   R"({"alg":"HS512"})",
        R"({"alg":"hs256"})", R"({"alg":"HS256 "})",  R"({"alg":" HS256"})",  R"({"alg":"HS256\u0000"})",
        R"({"alg":""})",      R"({"alg":["HS256"]})", R"({"alg":{"a":"b"}})", R"({"alg":256})",
        R"({"alg":null})",    R"({"alg":true})",      R"({"typ":"JWT"})",     "{}",
        R"({"ALG":"HS256"})", R"({"Alg":"HS256"})"};
    for (const auto& header : refused) {
        CAPTURE(header);
        const auto found = check({.token = with_header(header)});
        CHECK(to_string(found.result) == "wrong_algorithm");
        CHECK_FALSE(found.key_index);
        CHECK_FALSE(found.claims);
    }
    for (const auto* header :
         {R"({"alg":"HS256"})", R"({"typ":"JWT","alg":"HS256"})", R"({"alg":"\u0048S256"})", R"( { "alg" : "HS256" } )",
          R"({"alg":"HS256","typ":"other","cty":"x"})"}) {
        CAPTURE(header);
        CHECK(why({.token = with_header(header)}) == "genuine");
    }
}

TEST_CASE("a longer HMAC under the right key is refused", "[qstash][verify]") {
    // The official JavaScript receiver accepts these; they were made outside this repository.
    CHECK(
        why(
            {.token = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9." + part(1) +
                      ".2PHnS2rYnHS5pwMGSucLuVzjD9iyvb7_xKiNygGFp99IDxIllm07aEiu3DWixv2ir2HhUhhTmZPpHDc_syAtoQ"}) ==
        "wrong_algorithm");
    CHECK(
        why(
            {.token = "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9." + part(1) +
                      ".yDKgIfcwovKHA0kGmAF9c1MV4qmBz9uLbXqRL1fxP3vRKAKH6IdogHHyZqUGA7rX"}) == "wrong_algorithm");
}

TEST_CASE("an unsigned token is refused for its algorithm", "[qstash][verify]") {
    const auto none = base64url::encode(R"({"alg":"none","typ":"JWT"})");
    CHECK(why({.token = none + "." + part(1) + "."}) == "wrong_algorithm");
    CHECK(why({.token = none + "." + part(1)}) == "malformed");
    CHECK(why({.token = part(0) + "." + part(1) + "."}) == "malformed");
}

TEST_CASE("a token cannot bring or choose its key, nor an extension", "[qstash][verify]") {
    const std::vector<std::string> refused{
        R"("crit":["exp"])",
        R"("crit":[])",
        R"("crit":["b64"],"b64":false)",
        R"("b64":false)",
        R"("jwk":{"kty":"oct","k":"AAAA"})",
        R"("jku":"https://evil.example/keys")",
        R"("kid":"../../dev/null")",
        R"("kid":null)",
        R"("x5u":"https://evil.example/cert")",
        R"("x5c":["AAAA"])",
        R"("x5t":"AAAA")",
        R"("x5t#S256":"AAAA")",
        R"("\u006bid":"1")", // spelled otherwise
    };
    for (const auto& member : refused) {
        CAPTURE(member);
        CHECK(why({.token = with_header(R"({"alg":"HS256",)" + member + "}")}) == "wrong_algorithm");
    }
}

TEST_CASE("the header is judged before any key is tried", "[qstash][verify]") {
    const auto token = forge(raw_claims{}.text(), R"({"alg":"HS512"})", "sig_some_other_key_of_32_bytes__");
    CHECK(why({.token = token}) == "wrong_algorithm");
}

// --- Form

TEST_CASE("a token that is not three clean parts is malformed", "[qstash][verify]") {
    const std::string token(v1.token);
    const auto head = part(0);
    const auto payload = part(1);
    const auto mac = part(2);
    const std::vector<std::string> malformed{
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c",
        " ",
        "null",
        "Bearer " + token,
        head,
        head + "." + payload,
        token + ".",
        token + "." + mac,
        "." + token,
        token + "." + mac + "." + mac,
        head + ".." + mac,
        " " + token,
        token + " ",
        token + "\n",
        token + ",",
        token + "," + token, // two headers joined
        head + "=." + payload + "." + mac,
        head + "." + payload + "=." + mac,
        token + "=",
        token + "==",
        "." + payload + "." + mac,
        token.substr(0, token.size() - 1),
        token.substr(0, token.size() - 4),
        token + "AAAA",
        head + "." + payload + ".A",
        head + "." + payload + "." + mac.substr(0, 42) + "Z", // bits left over: Y, Z and
        head + "." + payload + "." + mac.substr(0, 42) + "b", // b differ in nothing else
        std::string("\0", 1),
        token + std::string(1, '\0'),
        "\xff\xfe.\xff.\xff",
        "\xc3\xa9" + token};
    for (const auto& text : malformed) {
        CAPTURE(text);
        CHECK(why({.token = text}) == "malformed");
    }
    CHECK(why({.token = head + "." + part(1) + "." + std::string(43, 'A')}) == "wrong_key"); // well formed, but zeros
}

TEST_CASE("a token of more than 8 KiB is malformed, however it is signed", "[qstash][verify]") {
    const auto of_size = [](std::size_t bytes) {
        const auto claims = [](std::size_t fill) {
            return forge(raw_claims{.more = R"("fill":)" + quoted(std::string(fill, 'x'))}.text());
        };
        std::size_t fill = 0;
        while (claims(fill).size() < bytes) ++fill;
        return claims(fill);
    };
    const auto longest = of_size(8192 - 1);
    REQUIRE(longest.size() <= 8192);
    CHECK(why({.token = longest}) == "genuine");
    const auto longer = of_size(8193);
    REQUIRE(longer.size() <= 8196);
    CHECK(why({.token = longer}) == "malformed");
    for (const std::size_t size : {std::size_t{64} << 10, std::size_t{16} << 20}) {
        CHECK(why({.token = std::string(size, 'A')}) == "malformed");
        CHECK(why({.token = std::string(size, '.')}) == "malformed");
        CHECK(why({.token = part(0) + "." + std::string(size, 'A') + "." + part(2)}) == "malformed");
    }
}

TEST_CASE("a header or claims that readers could disagree about are malformed", "[qstash][verify]") {
    const auto claims = raw_claims{}.text();
    const std::vector<std::string> headers{
        "",
        "null",
        "[]",
        R"(["HS256"])",
        "\"HS256\"",
        R"({"alg":"HS256")",
        R"({"alg":"HS256"}})",
        R"({"alg":"HS256"}x)",
        R"({"alg":"HS256","alg":"HS256"})",
        R"({"alg":"none","alg":"HS256"})",
        R"({"alg":"HS256","\u0061lg":"none"})",
        R"({"alg":"HS256","typ":"JWT","typ":"JWT"})",
        std::string("{\"alg\":\"HS256\"}\0", 16),
        R"({"alg":"HS256","x":[[[[]]]]})",
        "{\"alg\":\"HS256\",\"typ\":\"\xff\"}",
        R"({'alg':'HS256'})"};
    for (const auto& header : headers) {
        CAPTURE(header);
        CHECK(why({.token = forge(claims, header)}) == "malformed");
    }

    std::string deep(1500, '[');
    const std::vector<std::string> payloads{
        "null",
        "[]",
        "1",
        "[" + claims + "]",
        claims + claims,
        claims + "x",
        claims.substr(0, claims.size() - 1),
        claims + '\0',
        claims + std::string("\0{}", 3),
        "{\"iss\":\"Upstash\",\"a\":" + deep,
        raw_claims{.more = R"("iss":"Upstash")"}.text(),
        raw_claims{.more = R"("exp":1735689900)"}.text(),
        raw_claims{.more = R"("exp":9999999999)"}.text(),
        raw_claims{.more = R"("sub":"https://evil.example/")"}.text(),
        raw_claims{.more = R"("\u0073ub":"https://evil.example/")"}.text(),
        raw_claims{.more = R"("a":1,"a":1)"}.text(),
        raw_claims{.more = R"("a":{"b":1,"b":2})"}.text(),
        raw_claims{.more = R"("a":[[[[]]]])"}.text(),
        raw_claims{.more = R"("a":{"b":{"c":{"d":{}}}})"}.text(),
        raw_claims{.more = "\"a\":\"\xff\""}.text(),
        raw_claims{.more = R"("a":1e999)"}.text()};
    for (const auto& payload : payloads) {
        CAPTURE(payload);
        const auto found = check({.token = forge(payload)});
        CHECK(to_string(found.result) == "malformed");
        CHECK(found.key_index == 0); // ours, but unreadable: that is worth an alarm
        CHECK_FALSE(found.claims);
    }
}

TEST_CASE("claims that are not ours to judge are ignored", "[qstash][verify]") {
    for (const auto* more :
         {R"("aud":"")", R"("aud":["a","b"])", R"("x":{"y":{"z":1}})", R"("x":1.5,"y":-3,"z":null)"}) {
        CAPTURE(more);
        CHECK(why_claims({.more = more}) == "genuine");
    }
}

// --- One changed bit

TEST_CASE("no bit of a token can be flipped", "[qstash][verify]") {
    for (const auto& made : {v1, v2, v3}) {
        attempt a{.body = std::string(made.body), .urls = {std::string(made.url)}};
        for (std::size_t bit = 0; bit < made.token.size() * 8; ++bit) {
            a.token = made.token;
            a.token[bit / 8] = static_cast<char>(static_cast<unsigned char>(a.token[bit / 8]) ^ (1U << (bit % 8)));
            if (check(a).genuine()) FAIL("genuine with a flipped bit: " << made.jti << " bit " << bit);
        }
    }
    SUCCEED("every single bit");
}

TEST_CASE("no bit of a body can be flipped", "[qstash][verify]") {
    for (const auto& made : {v1, v3}) {
        for (std::size_t bit = 0; bit < made.body.size() * 8; ++bit) {
            std::string body(made.body);
            body[bit / 8] = static_cast<char>(static_cast<unsigned char>(body[bit / 8]) ^ (1U << (bit % 8)));
            CAPTURE(made.jti, bit);
            CHECK(
                why({.token = std::string(made.token), .body = body, .urls = {std::string(made.url)}}) ==
                "body_mismatch");
        }
    }
}

TEST_CASE("no part of a token can be cut off, repeated or taken from another", "[qstash][verify]") {
    const std::string token(v1.token);
    for (std::size_t length = 0; length < token.size(); ++length) {
        CAPTURE(length);
        CHECK_FALSE(check({.token = token.substr(0, length)}).genuine());
        CHECK_FALSE(check({.token = token.substr(length + 1)}).genuine());
        CHECK_FALSE(check({.token = std::string(token).erase(length, 1)}).genuine());
        CHECK_FALSE(check({.token = std::string(token).insert(length, 1, token[length])}).genuine());
    }
    const auto other = forge(raw_claims{}.text());
    CHECK(why({.token = part(0) + "." + part(1) + other.substr(other.rfind('.'))}) == "wrong_key");
}

TEST_CASE("random tokens are refused and never throw", "[qstash][verify]") {
    constexpr unsigned seed = 20260801;
    CAPTURE(seed);
    std::mt19937 random{seed};
    const std::string likely = R"({}[]":,\ue-+.0123456789nulltruefalsealgHS256issUpstashexp)";
    const auto noise = [&](std::size_t bytes_max) {
        std::string text(random() % (bytes_max + 1), '\0');
        for (auto& byte : text)
            byte = random() % 8 == 0 ? static_cast<char>(random() & 0xff) : likely[random() % likely.size()];
        return text;
    };
    for (int round = 0; round < 2000; ++round) {
        CAPTURE(round);
        CHECK_FALSE(check({.token = noise(400)}).genuine());
        CHECK_FALSE(check({.token = forge(noise(60))}).genuine());
        CHECK_FALSE(check({.token = forge(raw_claims{}.text(), noise(60))}).genuine());
        std::string claims = raw_claims{}.text();
        claims[random() % claims.size()] = static_cast<char>(random() & 0xff);
        (void)check({.token = forge(claims)}); // some of these are genuine, such as another jti
    }
}

// --- Keys

TEST_CASE("a token is accepted under any of the keys, and the one that matched is named", "[qstash][verify]") {
    const signing_key& current = both_keys[0];
    const signing_key& next = both_keys[1];
    const signing_key empty{"unset", ""};
    const signing_key fresh{"fresh", "sig_some_other_key_of_32_bytes__"};
    struct row {
        std::string told;
        std::vector<signing_key> keys;
        std::string verdict;
        std::optional<std::size_t> key_index;
    };
    // Every delivery here is signed with `current`; the configuration around it changes.
    const std::vector<row> cases{
        {"signed by current", {current, next}, "genuine", 0},
        {"signed by next: a rotation that the configuration has not followed", {next, current}, "genuine", 1},
        {"signed by a key of another region", {next, fresh, current}, "genuine", 2},
        {"signed by the previous key: two rotations later", {next, fresh}, "wrong_key", std::nullopt},
        {"the next key is not set", {current, empty}, "genuine", 0},
        {"the current key is not set", {empty, current}, "genuine", 1},
        {"unknown, and an unset key", {next, empty}, "wrong_key", std::nullopt},
        {"no key is set", {empty, empty}, "no_keys", std::nullopt},
        {"no key at all", {}, "no_keys", std::nullopt}};
    for (const auto& [told, keys, verdict, key_index] : cases) {
        CAPTURE(told);
        const auto found = check({.keys = keys});
        CHECK(to_string(found.result) == verdict);
        CHECK(found.key_index == key_index);
        CHECK(found.claims.has_value() == key_index.has_value());
    }
    CHECK(why({.token = "", .keys = {}}) == "no_keys"); // nothing a sender does can hide that we cannot verify
}

TEST_CASE("the whole key counts, with its prefix", "[qstash][verify]") {
    CHECK(why({.keys = {{"without prefix", std::string(current_key.substr(4))}}}) == "wrong_key");
    CHECK(why({.keys = {{"with line break", std::string(current_key) + "\n"}}}) == "wrong_key");
    CHECK(why({.keys = {{"cut short", std::string(current_key.substr(0, 31))}}}) == "wrong_key");
}

TEST_CASE("a token signed with the empty key is refused where a key is unset", "[qstash][verify]") {
    // Made outside this repository: header and claims of v1, HMAC-SHA256 with no key.
    const auto token = part(0) + "." + part(1) + ".lbx6uSuvba4PaiiboHXcxm9EsqpIHynht_w1vWnMaX8";
    CHECK(why({.token = token, .keys = {both_keys[0], {"next", ""}}}) == "wrong_key");
    CHECK(why({.token = token, .keys = {{"current", ""}, {"next", ""}}}) == "no_keys");
}

// --- Issuer, subject, token id

TEST_CASE("the issuer is exactly Upstash", "[qstash][verify]") {
    for (const auto* issuer :
         {"", "\"\"", "\"upstash\"", "\"UPSTASH\"", "\"Upstash \"", "\" Upstash\"", "\"Upstash\\u0000\"",
          "\"Upstash.com\"", "[\"Upstash\"]", "null", "1"}) {
        CAPTURE(issuer);
        const auto found = check({.token = forge(raw_claims{.iss = issuer}.text())});
        CHECK(to_string(found.result) == "wrong_issuer");
        CHECK(found.key_index == 0);
        CHECK_FALSE(found.claims);
    }
    CHECK(why_claims({.iss = R"("\u0055pstash")"}) == "genuine"); // another spelling of the same text
}

TEST_CASE("the subject equals an accepted URL byte for byte", "[qstash][verify]") {
    const std::vector<std::string> other_urls{
        "http://worker.example.com/jobs/nightly-report",
        "https://worker.example.com:443/jobs/nightly-report",
        "https://WORKER.example.com/jobs/nightly-report",
        "https://worker.example.org/jobs/nightly-report",
        "https://worker.example.com.evil.example/jobs/nightly-report",
        "https://user@worker.example.com/jobs/nightly-report",
        "https://worker.example.com/jobs/nightly-report/",
        "https://worker.example.com//jobs/nightly-report",
        "https://worker.example.com/jobs/./nightly-report",
        "https://worker.example.com/jobs/Nightly-report",
        "https://worker.example.com/jobs/nightly%2Dreport",
        "https://worker.example.com/jobs/nightly-report?",
        "https://worker.example.com/jobs/nightly-report?x=1",
        "https://worker.example.com/jobs/nightly-report#a",
        "https://worker.example.com/jobs/nightly-repor",
        "https://worker.example.com/jobs/other",
        "https://worker.example.com",
        " https://worker.example.com/jobs/nightly-report",
        "https://w\xc3\xb6rker.example.com/"};
    for (const auto& url : other_urls) {
        CAPTURE(url);
        const auto found = check({.token = forge(raw_claims{.sub = quoted(url)}.text())});
        CHECK(to_string(found.result) == "url_mismatch");
        REQUIRE(found.claims);
        CHECK(found.claims->sub == url); // the log shows it beside what was accepted
        CHECK(why({.urls = {url}}) == "url_mismatch");
    }
    CHECK(why({.urls = {}}) == "url_mismatch"); // the check cannot be left out
    CHECK(why({.urls = {""}}) == "url_mismatch");
    CHECK(why({.urls = {other_urls[0], std::string(v1.url)}}) == "genuine");
    CHECK(why_claims({.sub = R"("https:\/\/worker.example.com\/jobs\/nightly\u002dreport")"}) == "genuine");
    CHECK(
        why(
            {.token =
                 forge(raw_claims{.sub = R"("https://a.example/?x=1\u0026y=2")"}.text()), // as Go's encoder writes &
             .urls = {"https://a.example/?x=1&y=2"}}) == "genuine");
}

TEST_CASE("a subject that is no text, empty or unfit for a log is malformed", "[qstash][verify]") {
    for (const auto* sub :
         {"", "\"\"", "null", "1", "[\"https://worker.example.com/jobs/nightly-report\"]",
          R"("https://worker.example.com/\n")", R"("a\u0000b")", R"("\u001b[31m")", R"("\u007f")"}) {
        CAPTURE(sub);
        CHECK(why({.token = forge(raw_claims{.sub = sub}.text()), .urls = {""}}) == "malformed");
    }
}

TEST_CASE("a token carries an id that can be stored", "[qstash][verify]") {
    for (const auto& jti :
         {std::string("a"), std::string("jwt_67kxXD6UBAk7DqU6hzuHMDdXFXfP"), std::string("!~"),
          std::string(256, 'j')}) {
        CAPTURE(jti);
        const auto found = check({.token = forge(raw_claims{.jti = quoted(jti)}.text())});
        CHECK(found.genuine());
        REQUIRE(found.claims);
        CHECK(found.claims->jti == jti);
    }
    for (const auto& jti :
         {std::string(), quoted(""), quoted(std::string(257, 'j')), quoted("a b"), quoted("a\\n"), quoted("a\\u0000"),
          quoted("\\u007f"), quoted("\xc3\xa9"), std::string("1"), std::string("null"), std::string(R"(["jwt"])")}) {
        CAPTURE(jti);
        CHECK(why_claims({.jti = jti}) == "malformed");
    }
}

// --- Body

TEST_CASE("the hash of the body is accepted with and without its padding", "[qstash][verify]") {
    CHECK(why_claims({.body = quoted("JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qsQ")}) == "genuine");
    CHECK(why_claims({.body = quoted("JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qsQ=")}) == "genuine");
}

TEST_CASE("any other text does not match the body", "[qstash][verify]") {
    const std::vector<std::string> mismatches{
        "",
        "=",
        "JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qsQ==",
        "JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qsQ ",
        "JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qsR=",                     // the same bytes to a lenient decoder
        "JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qs",                       // a prefix
        "JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qsQA",                     // one byte more
        "jbwpimywkbhkjtxe52yy3ie9v4pfb3q8d42tobx9qsq=",                     // lower case
        "25bc29226c9691b8642535dee76cb2dc87bd5783df07743c0f8dada015fdaac4", // hexadecimal
        "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",                     // of no body
        R"({\"job\":\"nightly-report\",\"n\":1})",                          // the body itself
    };
    for (const auto& claim : mismatches) {
        CAPTURE(claim);
        CHECK(why_claims({.body = quoted(claim)}) == "body_mismatch");
    }
    // The other base64 alphabet, where it differs.
    CHECK(
        why(
            {.token = forge(raw_claims{.body = quoted("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")}.text()),
             .body = ""}) == "body_mismatch");
    for (const auto* claim : {"", "null", "1", "[]", "{}", "true"}) {
        CAPTURE(claim);
        CHECK(why_claims({.body = claim}) == "malformed");
    }
}

TEST_CASE("the body counts as it arrived, byte for byte", "[qstash][verify]") {
    const std::string body(v1.body);
    const std::vector<std::string> changed{
        "",
        body + " ",
        body + "\n",
        " " + body,
        body.substr(1),
        body + std::string(1, '\0'),
        body + body,
        "\xef\xbb\xbf" + body,                  // a byte order mark
        R"({"job": "nightly-report", "n": 1})", // parsed and written again
        R"({"n":1,"job":"nightly-report"})",
        R"({"job":"nightly-report","n":1.0})",
        "\x1f\x8b\x08" + body,
        std::string(std::size_t{1} << 20, 'x')};
    for (const auto& other : changed) {
        CAPTURE(other.substr(0, 100));
        CHECK(why({.body = other}) == "body_mismatch");
    }
    const std::string binary("\0\xff\r\n\0", 5);
    const auto claim = quoted(base64url::encode(sha256(binary)));
    CHECK(why({.token = forge(raw_claims{.body = claim}.text()), .body = binary}) == "genuine");
}

// --- The order of the checks, and their names

TEST_CASE("the first check that failed is the reason", "[qstash][verify]") {
    // Wrong in everything; each step repairs the check that answered before.
    raw_claims claims{
        .iss = quoted("other"),
        .sub = quoted("https://evil.example/"),
        .exp = "1",
        .nbf = "1735690000",
        .iat = "0",
        .jti = quoted(""),
        .body = quoted("x")};
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
    claims.iss = quoted("Upstash");
    expect("malformed");
    claims.jti = quoted("jwt_1");
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
    claims.sub = quoted(v1.url);
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
