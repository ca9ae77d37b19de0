#include "qstash/local/call.hpp"

#include "qstash/local/wire_text.hpp"
#include "tests/catch.hpp"
#include "tests/qstash/local/hostile.hpp"

using namespace tidesync::qstash::local;
using tidesync::tests::containing;

namespace {

using path = std::vector<std::string>;
using settings = std::map<std::string, std::string, std::less<>>;

std::variant<call, refusal> read(std::string target, std::string method = "POST", header_fields headers = {}) {
    return read_call({std::move(method), std::move(target), std::move(headers), {}, {}});
}

call accepted(std::string target, std::string method = "POST", header_fields headers = {}) {
    auto found = read(std::move(target), std::move(method), std::move(headers));
    if (const auto* no = std::get_if<refusal>(&found)) FAIL("refused: " << no->text);
    return std::get<call>(std::move(found));
}

/// The status and text of a refusal, `taken` where there is none.
std::string refused(std::string target, std::string method = "POST", header_fields headers = {}) {
    const auto found = read(std::move(target), std::move(method), std::move(headers));
    const auto* no = std::get_if<refusal>(&found);
    return no ? std::to_string(no->status) + ' ' + no->text : "taken";
}

} // namespace

TEST_CASE("a target is a path and, for some, a destination behind it", "[qstash][local][call]") {
    struct row {
        std::string method, target;
        path segments;
        std::string destination;
    };
    const std::vector<row> cases{
        {"POST", "/v2/publish/https://host//a?x=1", {"publish"}, "https://host//a?x=1"},
        {"POST", "/V2/Publish/https://host/a", {"publish"}, "https://host/a"},
        {"GET", "/v2/publish/https://host/a", {"publish"}, "https://host/a"}, // to be told that it must be POST
        {"POST", "/v2/publish/https:/host/a", {"publish"}, "https:/host/a"},
        {"POST", "/v2/publish/https%3A%2F%2Fhost", {"publish"}, "https%3A%2F%2Fhost"},
        {"POST", "/v2/publish/my-group", {"publish"}, "my-group"},
        {"POST", "/v2/publish/", {"publish"}, ""},
        {"POST", "/v2/publish", {"publish"}, ""},
        {"POST", "/v2/publish/https://h/v2/schedules/", {"publish"}, "https://h/v2/schedules/"},
        {"POST", "/v2/schedules/https://example.com/job?x=1", {"schedules"}, "https://example.com/job?x=1"},
        {"POST", "/v2/Schedules/https://Example.com/Job", {"schedules"}, "https://Example.com/Job"},
        {"POST", "/v2/schedules/https://h/pause", {"schedules"}, "https://h/pause"},
        {"POST", "/v2/schedules/https:/h/resume", {"schedules"}, "https:/h/resume"},
        {"POST", "/v2/schedules/https:/pause", {"schedules"}, "https:/pause"},
        {"POST", "/v2/schedules/https%3A%2F%2Fh/pause", {"schedules"}, "https%3A%2F%2Fh/pause"},
        {"POST", "/v2/schedules/h/a/pause", {"schedules"}, "h/a/pause"},
        {"POST", "/v2/schedules/a/pauses", {"schedules"}, "a/pauses"},
        {"POST", "/v2/schedules/my.id-1_x/pause", {"schedules", "my.id-1_x", "pause"}, ""},
        {"POST", "/v2/schedules/my.id-1_x/resume?x=1", {"schedules", "my.id-1_x", "resume"}, ""},
        {"PATCH", "/v2/schedules/ID/pause", {"schedules", "ID", "pause"}, ""},
        {"GET", "/v2/Schedules/ID", {"schedules", "ID"}, ""},
        {"DELETE", "/v2/schedules/a%2Fb%20c", {"schedules", "a/b c"}, ""},
        {"GET", "/v2/schedules", {"schedules"}, ""},
        {"GET", "/v2/schedules/", {"schedules"}, ""},
        {"POST", "/v2/enqueue/q1/https://h/a?x=1", {"enqueue", "q1"}, "https://h/a?x=1"},
        {"POST", "/v2/enqueue/q1", {"enqueue", "q1"}, ""},
        {"POST", "/v2/dlq/retry/1725323658779-0", {"dlq", "retry", "1725323658779-0"}, ""},
        {"GET", "/v2/keys", {"keys"}, ""},
    };
    for (const auto& [method, target, segments, destination] : cases) {
        CAPTURE(method, target);
        const auto found = accepted(target, method);
        CHECK(found.method == method);
        CHECK(found.path == segments);
        CHECK(found.destination == destination);
    }
}

TEST_CASE("another path is not found", "[qstash][local][call]") {
    for (const std::string target :
         {"", "/", "/v2", "/v2/", "/v2/?x=1", "/v3/keys", "v2/keys", "//v2/keys", "/v2//keys", "/v2/messages//a",
          "/v2/enqueue//https://h/", "http://h/v2/keys", "*", "/v2keys"}) {
        CAPTURE(target);
        CHECK(refused(target) == "404 not found");
    }
}

TEST_CASE(
    "settings and the token leave the destination's query, the rest stays byte for byte", "[qstash][local][call]") {
    struct row {
        std::string query, kept;
        settings taken;
        std::string token;
    };
    const std::vector<row> cases{
        {"?upstash-retries=3&upstash-delay=100s&qstash_token=T&x=1",
         "?x=1",
         {{"upstash-retries", "3"}, {"upstash-delay", "100s"}},
         "T"},
        {"?a=%2B+%zz&upstash-method=GET&&b&=c&a=%2B", "?a=%2B+%zz&&b&=c&a=%2B", {{"upstash-method", "GET"}}, ""},
        {"?qstash_token=T", "", {}, "T"},
        {"?x=1?y&qstash_token=T", "?x=1?y", {}, "T"},
        {"?", "?", {}, ""},
        {"?&qstash_token=T", "?", {}, "T"},
        {"?x=qstash_token=T", "?x=qstash_token=T", {}, ""},
        {"?myqstash_token=T&not-upstash-delay=1", "?myqstash_token=T&not-upstash-delay=1", {}, ""},
        {"?Upstash-Retries=3&QSTASH_TOKEN=T", "", {{"upstash-retries", "3"}}, "T"},
        {"?upstash%2Dretries=3&qstash%5Ftoken=T", "", {{"upstash-retries", "3"}}, "T"}, // no secret passes in escapes
        {"?upstash-cron=0+4+*%20*+%2A", "", {{"upstash-cron", "0 4 * * *"}}, ""},
        {"?upstash-callback=https%3A%2F%2Fcb%2F%3Fa%3Db%26c", "", {{"upstash-callback", "https://cb/?a=b&c"}}, ""},
        {"?upstash-label=a=b", "", {{"upstash-label", "a=b"}}, ""},
        {"?upstash-label", "", {{"upstash-label", ""}}, ""},
        {"?upstash-label=1&upstash-label=2", "", {{"upstash-label", "1"}}, ""},
        {"?qstash_token=a%2Bb/c+d==&qstash_token=other", "", {}, "a+b/c+d=="},
    };
    for (const auto& [query, kept, taken, token] : cases) {
        CAPTURE(query);
        const auto found = accepted("/v2/publish/https://h/a" + query);
        CHECK(found.destination == "https://h/a" + kept);
        CHECK(found.settings == taken);
        CHECK(found.token == token);
        CHECK(found.query.empty());
    }
}

TEST_CASE("the query of other calls is decoded, in order", "[qstash][local][call]") {
    const auto found =
        accepted("/v2/dlq?dlqIds=a&dlqIds=b%2Fc&qstash_token=T&x=y+z&empty&upstash-retries=1&&=v", "GET");
    CHECK(found.query == query_fields{{"dlqIds", "a"}, {"dlqIds", "b/c"}, {"x", "y z"}, {"empty", ""}, {"", "v"}});
    CHECK(found.token == "T");
    CHECK(found.settings == settings{{"upstash-retries", "1"}});
    CHECK(found.destination.empty());
    CHECK(accepted("/v2/dlq?", "GET").query.empty());
}

TEST_CASE("a header goes before a parameter, the first before the second", "[qstash][local][call]") {
    const auto found = accepted(
        "/v2/publish/https://h/?upstash-retries=1&upstash-delay=2s", "POST",
        {{"upstash-retries", "5"},
         {"upstash-retries", "6"},
         {"x-upstash-delay", "9s"},
         {"content-type", "text/plain"}});
    CHECK(found.settings == settings{{"upstash-retries", "5"}, {"upstash-delay", "2s"}});
}

TEST_CASE("the token comes from the query or from a bearer header", "[qstash][local][call]") {
    struct row {
        std::string authorization, query, token;
    };
    const std::vector<row> cases{
        {"Bearer T", "", "T"},
        {"bearer  T ", "", "T"},
        {"BEARER a.b=", "", "a.b="},
        {"Bearer", "", ""},
        {"Bearer ", "", ""},
        {"BearerT", "", ""},
        {"Basic dXNlcjpw", "", ""},
        {"T", "", ""},
        {"", "", ""},
        {"Basic dXNlcjpw", "?qstash_token=Q", "Q"},
        {"Bearer another-servers", "?qstash_token=Q", "Q"}, // a webhook with credentials of its own
        {"Bearer T", "?qstash_token=", "T"},
    };
    for (const auto& [authorization, query, token] : cases) {
        CAPTURE(authorization, query);
        CHECK(accepted("/v2/publish/https://h/" + query, "POST", {{"authorization", authorization}}).token == token);
    }
}

TEST_CASE("escapes that bring control characters or broken text are refused", "[qstash][local][call]") {
    const std::string publish = "/v2/publish/https://h/?";
    for (const auto& target :
         {publish + "upstash-label=a%0D%0AX-Injected:1",
          publish + "upstash-forward-x-a=1%0aX-B:2",
          publish + "upstash-label=%00",
          publish + "upstash-label=%ff",
          publish + "upstash-label=%zz",
          publish + "upstash-label=%",
          publish + "upstash-forward-x%0d%0ay=1",
          publish + "upstash-forward-x%20y=1",
          publish + "upstash-forward-x:y=1",
          publish + "qstash_token=%0a",
          publish + "qstash_token=%4",
          std::string("/v2/messages/%00"),
          std::string("/v2/messages/%ff"),
          std::string("/v2/messages/%2"),
          std::string("/v2/messages/a%0ab"),
          std::string("/v2/%zz"),
          std::string("/v2/logs?cursor=%0a"),
          std::string("/v2/logs?cursor=%ff"),
          std::string("/v2/logs?%zz"),
          std::string("/v2/logs?upstash-x=%0a")}) {
        CAPTURE(target);
        const auto why = refused(target);
        CHECK_THAT(why, Catch::Matchers::StartsWith("400 "));
        CHECK(clean_text(why));
    }
    // Not ours: the destination may spell its own query as it likes.
    CHECK(refused(publish + "x=%0d%0a&y=%zz") == "taken");
}

TEST_CASE("a setting in a header is clean text as well", "[qstash][local][call]") {
    for (const auto& value :
         {std::string("a\nb"), std::string("a\rb"), std::string("\0", 1), std::string("\x7f"), std::string("\xe9")}) {
        CHECK(
            refused("/v2/keys", "GET", {{"upstash-label", value}}) ==
            "400 upstash-label: control character or bytes that are not UTF-8");
    }
    CHECK(refused("/v2/keys", "GET", {{"upstash-label", "na\xc3\xafve\tx"}, {"cookie", "\xe9\n"}}) == "taken");
    CHECK_THAT(refused("/v2/keys", "GET", {{"upstash-x\r\ny", "1"}}), containing("name"));
}

TEST_CASE("what is too long or too many is refused", "[qstash][local][call]") {
    const auto repeated = [](std::string_view text, int times) {
        std::string made;
        for (int i = 0; i < times; ++i) made += text;
        return made;
    };
    CHECK(refused("/v2/publish/" + std::string(32UL * 1024 - 12, 'a')) == "taken"); // its own bound is elsewhere
    CHECK_THAT(refused("/v2/publish/" + std::string(32UL * 1024 - 11, 'a')), containing("longer than"));
    CHECK(refused("/v2/publish/https://h/?" + repeated("a&", 255)) == "taken");
    CHECK_THAT(refused("/v2/publish/https://h/?" + repeated("a&", 256)), containing("too many"));
    CHECK_THAT(refused("/v2/logs?" + repeated("a&", 256)), containing("too many"));
    CHECK(refused("/v2" + repeated("/a", 8)) == "taken");
    CHECK_THAT(refused("/v2" + repeated("/a", 9)), containing("too many"));
    CHECK(refused("/v2/schedules/" + repeated("a/", 9) + "pause") == "taken"); // slashes of a destination do not count

    CHECK(refused("/v2/keys", "GET", {{"upstash-x", std::string(8192, 'a')}}) == "taken");
    CHECK_THAT(refused("/v2/keys", "GET", {{"upstash-x", std::string(8193, 'a')}}), containing("upstash-x"));
    header_fields many;
    for (int i = 0; i < 256; ++i) many.emplace_back("upstash-x-" + std::to_string(i), "");
    CHECK(refused("/v2/keys", "GET", many) == "taken");
    many.emplace_back("upstash-one-more", "");
    CHECK_THAT(refused("/v2/keys", "GET", many), containing("too many"));
}

TEST_CASE("hostile targets are read or refused", "[qstash][local][call]") {
    const std::vector<std::string> pieces{
        "/v2/",
        "publish/",
        "schedules/",
        "enqueue/",
        "q/",
        "/",
        "//",
        "pause",
        "resume",
        "https://",
        "http:/",
        "?",
        "&",
        "=",
        "upstash-",
        "upstash-delay=",
        "upstash-forward-x=",
        "qstash_token=SECRET",
        "qstash%5ftoken=SECRET",
        "%",
        "%0d%0a",
        "%00",
        "%2f",
        "%3a",
        "%ff",
        "+",
        "#",
        ":",
        " ",
        "\r\n",
        "\xff",
        "a",
        "3s",
        "..",
        "localhost"};
    tidesync::qstash::testing::dice dice;
    CAPTURE(dice.seed);
    int calls = 0;
    for (int round = 0; round < 20'000; ++round) {
        auto target = (round % 2 == 0 ? "/v2/publish/https://h/?" : "/v2/") + dice.text(pieces, 10);
        const auto found = read(target, round % 3 == 0 ? "GET" : "POST", {{"upstash-label", dice.text(pieces, 2)}});
        if (const auto* no = std::get_if<refusal>(&found)) {
            if ((no->status != 400 && no->status != 404) || !clean_text(no->text)) FAIL(target);
            if (no->text.find("SECRET") != std::string::npos) FAIL("tells the token: " << target);
            continue;
        }
        ++calls;
        for (const auto& [name, value] : std::get<call>(found).settings)
            if (!header_name(name) || !clean_text(value)) FAIL("not clean: " << target);
        for (const auto& segment : std::get<call>(found).path)
            if (segment.empty() || !clean_text(segment)) FAIL("not clean: " << target);
    }
    CHECK(calls > 1000);
}
