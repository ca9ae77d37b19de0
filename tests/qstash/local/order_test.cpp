#include "qstash/local/order.hpp"

#include "qstash/local/wire_text.hpp"
#include "tests/qstash/local/hostile.hpp"
#include "tests/qstash/local/published.hpp"

using namespace tidesync::qstash::local;
using namespace tidesync::qstash::testing;
using namespace std::chrono_literals;
using tidesync::tests::containing;

namespace {

/// What the official JavaScript client sends for a schedule, but for its queue and flow control.
header_fields wire_sample() {
    return {
        {"authorization", "Bearer TOK"},
        {"content-type", "application/json"},
        {"upstash-cron", "CRON_TZ=Europe/Berlin 0 4 * * *"},
        {"upstash-schedule-id", "my.id-1_x"},
        {"upstash-method", "GET"},
        {"upstash-delay", "30s"},
        {"upstash-timeout", "2m"},
        {"upstash-retries", "1"},
        {"upstash-callback", "https://cb"},
        {"upstash-forward-x-a", "1"},
        {"upstash-label", "l1"},
        {"upstash-telemetry-sdk", "upstash-qstash-js@2.12.0"},
        {"upstash-telemetry-runtime", "node@v20.20.2"}};
}

} // namespace

TEST_CASE("a schedule of the official client is read in full", "[qstash][local][order]") {
    const auto order = accepted({.headers = wire_sample(), .target = "/v2/schedules/https://example.com/job?x=1"});
    CHECK(order.options.destination == "https://example.com/job?x=1");
    CHECK(order.options.method == "GET");
    CHECK(order.options.headers == header_fields{{"X-A", "1"}, {"Content-Type", "application/json"}});
    CHECK(order.options.retries == 1);
    CHECK(order.options.retry_delay.empty());
    CHECK(order.options.timeout == 120s);
    CHECK(order.options.callback.url == "https://cb");
    CHECK(order.options.callback.method == "POST");
    CHECK(order.options.callback.headers.empty());
    CHECK_FALSE(order.options.callback.retries);
    CHECK(order.options.failure_callback.url.empty());
    CHECK(order.options.labels == std::vector<std::string>{"l1"});
    CHECK(order.body == "{}");
    CHECK(order.delay == 30s);
    CHECK_FALSE(order.not_before);
    CHECK(order.deduplication_id.empty());
    CHECK(order.cron == "CRON_TZ=Europe/Berlin 0 4 * * *");
    CHECK(order.schedule_id == "my.id-1_x");
}

TEST_CASE("without settings the defaults of QStash hold", "[qstash][local][order]") {
    const auto order = accepted({});
    CHECK(order.options.method == "POST");
    CHECK(order.options.headers.empty());
    CHECK(order.options.retries == 3);
    CHECK_FALSE(order.options.timeout);
    CHECK(order.options.labels.empty());
    CHECK(order.delay == 0s);
    CHECK(order.cron.empty());
    CHECK(order.schedule_id.empty());
}

TEST_CASE("what this server does not do is refused by name", "[qstash][local][order]") {
    for (const auto& [name, told] : std::vector<std::pair<std::string, std::string>>{
             {"upstash-queue-name", "Upstash-Queue-Name"},
             {"upstash-flow-control-key", "Upstash-Flow-Control-Key"},
             {"upstash-flow-control-value", "Upstash-Flow-Control-Value"},
             {"upstash-redact-fields", "Upstash-Redact-Fields"},
             {"upstash-callback-delay", "Upstash-Callback-Delay"},
             {"upstash-failure-callback-delay", "Upstash-Failure-Callback-Delay"},
             {"upstash-callback-flow-control-key", "Upstash-Callback-Flow-Control-Key"},
             {"upstash-failure-callback-queue-name", "Upstash-Failure-Callback-Queue-Name"}}) {
        CAPTURE(name);
        auto headers = wire_sample();
        headers.emplace_back(name, "k");
        CHECK(refused({.headers = headers}) == "501 " + told + " is not supported by this server");
        CHECK(
            refused({.target = "/v2/publish/https://h/?" + name + "=1"}) ==
            "501 " + told + " is not supported by this server");
        CHECK(refused(name, " ") == "taken"); // not given
    }
    for (const auto* name :
         {"upstash-telemetry-sdk", "upstash-something-new", "upstash-forward-flow-control-key",
          "upstash-workflow-runid", "upstash-callback-something"})
        CHECK(refused(name, "1") == "taken");
}

TEST_CASE("settings may stand in the query", "[qstash][local][order]") {
    const auto order = accepted(
        {.headers = {{"upstash-forward-x-a", "header"}},
         .target = "/v2/publish/https://h/a?upstash-retries=3&x=1&upstash-delay=100s&upstash-forward-x-b=b+c&"
                   "upstash-forward-x-a=parameter&upstash-label=l%2C+m&qstash_token=T&y=%2B"});
    CHECK(order.options.destination == "https://h/a?x=1&y=%2B");
    CHECK(order.options.retries == 3);
    CHECK(order.delay == 100s);
    CHECK(order.options.headers == header_fields{{"X-A", "header"}, {"X-B", "b c"}});
    CHECK(order.options.labels == std::vector<std::string>{"l", "m"});
    CHECK_THAT(
        refused({.target = "/v2/publish/https://h/?upstash-forward-x-a=1%0d%0aHost:%20evil"}), containing("400 "));
}

TEST_CASE("a destination is repaired, and refused in the words of QStash", "[qstash][local][order]") {
    CHECK(accepted({.target = "/v2/publish/https:/h/a"}).options.destination == "https://h/a");
    CHECK(accepted({.target = "/v2/publish/https%3A%2F%2Fh%2Fa"}).options.destination == "https://h/a");
    const std::string no_scheme = "400 invalid destination url: endpoint has invalid scheme, add http:// or https://";
    CHECK(refused({.target = "/v2/publish/"}) == no_scheme);
    CHECK(refused({.target = "/v2/publish/my-group"}) == no_scheme);
    CHECK(refused("upstash-callback", "my-group") == "400 Upstash-Callback: " + no_scheme.substr(4));
    CHECK(refused("upstash-failure-callback", "ftp://h") == "400 Upstash-Failure-Callback: " + no_scheme.substr(4));
}

TEST_CASE("messages with one content have one id", "[qstash][local][order]") {
    const auto id_of = [](published what) {
        what.headers.emplace_back("upstash-content-based-deduplication", "true");
        return accepted(what).deduplication_id;
    };
    const auto id = id_of({.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}}});
    // Made outside this repository: printf '27:https://example.com/job?x=12:{}12:Content-Type3:a/b3:X-A1:1' | sha256sum
    CHECK(id == "46fd336ceb345416c7ff64a8fd6857643fdb0da382e9ffcbfdae38c3e27f732c");

    struct row {
        std::string told;
        published what;
        bool same;
    };
    const std::vector<row> cases{
        {"other order, other settings, other token",
         {.headers =
              {{"upstash-forward-x-a", "1"},
               {"content-type", "a/b"},
               {"upstash-retries", "1"},
               {"upstash-label", "l"},
               {"authorization", "Bearer T"},
               {"user-agent", "x"}}},
         true},
        {"settings in the query",
         {.headers = {{"content-type", "a/b"}},
          .target = "/v2/publish/https://example.com/job?x=1&upstash-forward-x-a=1&qstash_token=T"},
         true},
        {"another body", {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}}, .body = "{ }"}, false},
        {"another destination",
         {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}},
          .target = "/v2/publish/https://example.com/job?x=2"},
         false},
        {"another content type", {.headers = {{"content-type", "a/c"}, {"upstash-forward-x-a", "1"}}}, false},
        {"no content type", {.headers = {{"upstash-forward-x-a", "1"}}}, false},
        {"another value", {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "2"}}}, false},
        {"another name", {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-b", "1"}}}, false},
        {"once more",
         {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}, {"upstash-forward-x-a", "1"}}},
         false},
        {"cut elsewhere: destination and body",
         {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a", "1"}},
          .target = "/v2/publish/https://example.com/job?x=1{",
          .body = "}"},
         false},
        {"cut elsewhere: name and value", {.headers = {{"content-type", "a/b"}, {"upstash-forward-x-a1", ""}}}, false},
        {"no headers but a body like them", {.body = "{}12:Content-Type3:a/b3:X-A1:1"}, false},
    };
    for (const auto& [told, what, same] : cases) {
        CAPTURE(told);
        CHECK((id_of(what) == id) == same);
    }
    CHECK(id_of({.headers = {{"upstash-deduplication-id", "mine"}}}) == "mine"); // said, not guessed
    CHECK(accepted({.headers = {{"upstash-content-based-deduplication", "false"}}}).deduplication_id.empty());
}

TEST_CASE("hostile headers are read or refused", "[qstash][local][order]") {
    const std::vector<std::string> names{
        "upstash-",
        "forward-",
        "callback",
        "failure-callback",
        "-forward-",
        "-retries",
        "retries",
        "delay",
        "timeout",
        "label",
        "method",
        "not-before",
        "header-forward",
        "content-type",
        "connection",
        "x",
        "-",
        " ",
        ":",
        "\n",
        "\xff",
        "content-based-deduplication",
        "deduplication-id",
        "host",
        ""};
    const std::vector<std::string> values{"true",     "1",          "10s",      "99999999999999999999",
                                          "-",        ",",          " ",        "\t",
                                          "https://", "localhost",  "h",        ":",
                                          "\r\n",     "\xff",       "\xc3\xa9", std::string(1, '\0'),
                                          "GET",      "keep-alive", "%",        std::string(3000, 'a')};
    tidesync::qstash::testing::dice dice;
    CAPTURE(dice.seed);
    int orders = 0;
    for (int round = 0; round < 10'000; ++round) {
        published what{.headers = {{"upstash-header-forward", round % 2 == 0 ? "true" : ""}}};
        for (auto left = dice.below(4); left > 0; --left)
            what.headers.emplace_back((round % 3 == 0 ? "upstash-" : "") + dice.text(names, 3), dice.text(values, 3));
        const auto found = read(what);
        if (const auto* no = std::get_if<refusal>(&found)) {
            if ((no->status != 400 && no->status != 501) || !clean_text(no->text)) FAIL("round " << round << no->text);
            continue;
        }
        ++orders;
        const auto& order = std::get<message_order>(found);
        for (const auto* headers :
             {&order.options.headers, &order.options.callback.headers, &order.options.failure_callback.headers})
            for (const auto& [name, value] : *headers)
                if (!header_name(name) || !clean_text(value) || name == "Host") FAIL("round " << round);
    }
    CHECK(orders > 500);
}
