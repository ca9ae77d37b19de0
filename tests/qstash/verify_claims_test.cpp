#include "qstash/verify.hpp"

#include "tests/catch.hpp"
#include "tests/qstash/attempt.hpp"

#include <optional>

using namespace tidesync::qstash;
using namespace tidesync::qstash::testing;
using namespace std::chrono_literals;

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
        const auto found = check({.token = forge(raw_claims{.sub = in_quotes(url)}.text())});
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
        const auto found = check({.token = forge(raw_claims{.jti = in_quotes(jti)}.text())});
        CHECK(found.genuine());
        REQUIRE(found.claims);
        CHECK(found.claims->jti == jti);
    }
    for (const auto& jti :
         {std::string(), in_quotes(""), in_quotes(std::string(257, 'j')), in_quotes("a b"), in_quotes("a\\n"),
          in_quotes("a\\u0000"), in_quotes("\\u007f"), in_quotes("\xc3\xa9"), std::string("1"), std::string("null"),
          std::string(R"(["jwt"])")}) {
        CAPTURE(jti);
        CHECK(why_claims({.jti = jti}) == "malformed");
    }
}

// --- Body

TEST_CASE("the hash of the body is accepted with and without its padding", "[qstash][verify]") {
    CHECK(why_claims({.body = in_quotes("JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qsQ")}) == "genuine");
    CHECK(why_claims({.body = in_quotes("JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qsQ=")}) == "genuine");
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
        CHECK(why_claims({.body = in_quotes(claim)}) == "body_mismatch");
    }
    // The other base64 alphabet, where it differs.
    CHECK(
        why(
            {.token = forge(raw_claims{.body = in_quotes("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")}.text()),
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
    const auto claim = in_quotes(base64url::encode(sha256(binary)));
    CHECK(why({.token = forge(raw_claims{.body = claim}.text()), .body = binary}) == "genuine");
}
