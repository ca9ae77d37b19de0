#include "qstash/local/order.hpp"

#include "tests/qstash/local/published.hpp"

#include <algorithm>

using namespace tidesync::qstash::local;
using namespace tidesync::qstash::testing;
using tidesync::tests::containing;

namespace {

header_fields sorted(header_fields headers) {
    std::ranges::sort(headers);
    return headers;
}

} // namespace

TEST_CASE("prefixed headers are forwarded, and the content type", "[qstash][local][order]") {
    const auto headers_of = [](header_fields given) { return accepted({.headers = std::move(given)}).options.headers; };
    CHECK(
        headers_of(
            {{"content-type", "text/plain"},
             {"cookie", "a=b"},
             {"x-b", "2"},
             {"authorization", "Bearer T"},
             {"upstash-forward-x-a", "1"},
             {"upstash-forward-x-a", "2"},
             {"upstash-forward-authorization", "Bearer other"},
             {"upstash-forward-empty", ""}}) == header_fields{
                                                    {"X-A", "1"},
                                                    {"X-A", "2"},
                                                    {"Authorization", "Bearer other"},
                                                    {"Empty", ""},
                                                    {"Content-Type", "text/plain"}});
    CHECK(
        headers_of({{"content-type", "text/plain"}, {"upstash-forward-content-type", "text/csv"}}) ==
        header_fields{{"Content-Type", "text/csv"}});
    CHECK(headers_of({{"content-type", "a/b"}, {"content-type", "c/d"}}) == header_fields{{"Content-Type", "a/b"}});
    CHECK(headers_of({{"upstash-header-forward", "false"}, {"x-b", "2"}}).empty());
}

TEST_CASE("on request every header is forwarded that is not about the connection or for us", "[qstash][local][order]") {
    const header_fields incoming{
        {"upstash-header-forward", "True"},
        {"content-type", "application/json"},
        {"x-github-event", "push"},
        {"x-many", "1"},
        {"x-many", "2"},
        {"cookie", "a=b"},
        {"authorization", "Bearer TOK"},
        {"upstash-forward-x-replaced", "new"},
        {"x-replaced", "old"},
        {"upstash-label", "l"},
        {"upstash-signature", "forged"},
        {"host", "scheduler.example"},
        {"content-length", "2"},
        {"transfer-encoding", "chunked"},
        {"connection", "keep-alive, X-Hop , ,x-other-hop"},
        {"connection", "x-third-hop"},
        {"x-hop", "1"},
        {"x-other-hop", "1"},
        {"x-third-hop", "1"},
        {"keep-alive", "timeout=5"},
        {"te", "trailers"},
        {"trailer", "x"},
        {"upgrade", "h2c"},
        {"http2-settings", "x"},
        {"expect", "100-continue"},
        {"proxy-authorization", "Basic x"},
        {"proxy-connection", "close"},
        {"accept-encoding", "br"},
        {"user-agent", "GitHub-Hookshot"}};
    header_fields expected{
        {"Content-Type", "application/json"},
        {"X-Github-Event", "push"},
        {"X-Many", "1"},
        {"X-Many", "2"},
        {"Cookie", "a=b"},
        {"X-Replaced", "new"}};
    CHECK(sorted(accepted({.headers = incoming}).options.headers) == sorted(expected));

    // Authenticated by its URL, so that the header is not ours.
    published webhook{.headers = incoming, .target = "/v2/publish/https://h/?qstash_token=Q"};
    expected.emplace_back("Authorization", "Bearer TOK");
    CHECK(sorted(accepted(webhook).options.headers) == sorted(expected));
    webhook.target = "/v2/publish/https://h/?qstash_token=TOK";
    expected.pop_back();
    CHECK(sorted(accepted(webhook).options.headers) == sorted(expected));
}

TEST_CASE("a header that delivery sets itself cannot be forwarded", "[qstash][local][order]") {
    for (const std::string name :
         {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect",
          "keep-alive", "proxy-authorization", "user-agent", "upstash-signature", "upstash-message-id",
          "upstash-retried", "upstash-schedule-id", "upstash-anything", "tidesync-catch-up-of", "tidesync-anything"}) {
        CAPTURE(name);
        const auto told = canonical_header_name("upstash-forward-" + name) + ": delivery sets this header itself";
        CHECK(refused("upstash-forward-" + name, "1") == "400 " + told);
        CHECK(refused({.target = "/v2/publish/https://h/?upstash-forward-" + name + "=1"}) == "400 " + told);
    }
}

TEST_CASE("forwarded headers are bounded and clean", "[qstash][local][order]") {
    header_fields many;
    for (int i = 0; i < 64; ++i) many.emplace_back("upstash-forward-x-" + std::to_string(i), "1");
    CHECK(accepted({.headers = many}).options.headers.size() == 64);
    many.emplace_back("content-type", "text/plain");
    CHECK(refused({.headers = many}) == "400 Content-Type: more than 64 headers to forward");

    CHECK_THAT(refused("upstash-forward-", "1"), containing("name"));
    CHECK_THAT(refused("upstash-forward-x y", "1"), containing("name"));
    CHECK_THAT(refused("upstash-forward-" + std::string(257, 'x'), "1"), containing("256 bytes"));
    CHECK_THAT(refused("content-type", std::string(8193, 'x')), containing("Content-Type: longer"));
    CHECK(
        refused("content-type", "text/plain\r\nx: y") ==
        "400 Content-Type: control character or bytes that are not UTF-8");
    CHECK(
        refused({.headers = {{"upstash-header-forward", "true"}, {"x-latin", "\xe9"}}}) ==
        "400 X-Latin: control character or bytes that are not UTF-8");
    CHECK(refused({.headers = {{"x-latin", "\xe9"}}}) == "taken"); // goes nowhere
    CHECK(refused("upstash-forward-x-a", "na\xc3\xafve") == "taken");
    CHECK(
        refused("upstash-forward-x-a", "\xed\xa0\x80") ==
        "400 upstash-forward-x-a: control character or bytes that are not UTF-8");
    // A call that was put together by hand is read as carefully.
    const request by_hand{"POST", "", {{"upstash-forward-x-a", "1\n"}}, "", ""};
    call asked;
    asked.destination = "https://h/";
    const auto found = read_order(asked, by_hand);
    REQUIRE(std::holds_alternative<refusal>(found));
    CHECK(std::get<refusal>(found).text == "Upstash-Forward-X-A: control character or bytes that are not UTF-8");
}
