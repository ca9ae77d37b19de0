#include "qstash/verify.hpp"

#include "tests/catch.hpp"
#include "tests/qstash/attempt.hpp"

#include <random>

using namespace tidesync::qstash;
using namespace tidesync::qstash::testing;
using namespace std::chrono_literals;

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
            return forge(raw_claims{.more = R"("fill":)" + in_quotes(std::string(fill, 'x'))}.text());
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
