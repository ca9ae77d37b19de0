#include "qstash/local/message.hpp"

#include "tests/catch.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync::qstash::local;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// Every field differs from its default, so that none can be forgotten.
delivery_options everything() {
    return {
        .destination = "https://example.com/a?x=1",
        .method = "PUT",
        .headers = {{"Content-Type", "text/plain"}, {"X-A", "1"}, {"X-A", "na\xc3\xafve"}},
        .retries = 7,
        .retry_delay = "1000 * (1 + retried)",
        .timeout = 90s,
        .callback =
            {.url = "https://cb/",
             .method = "PATCH",
             .headers = {{"X-C", "2"}},
             .retries = 0,
             .retry_delay = "1",
             .timeout = 5s},
        .failure_callback =
            {.url = "https://fcb/",
             .method = "GET",
             .headers = {{"X-F", ""}},
             .retries = 9,
             .retry_delay = "2",
             .timeout = 6s},
        .labels = {"nightly", "l2"}};
}

void check_equal(const callback_options& left, const callback_options& right) {
    CHECK(left.url == right.url);
    CHECK(left.method == right.method);
    CHECK(left.headers == right.headers);
    CHECK(left.retries == right.retries);
    CHECK(left.retry_delay == right.retry_delay);
    CHECK(left.timeout == right.timeout);
}

void check_equal(const delivery_options& left, const delivery_options& right) {
    CHECK(left.destination == right.destination);
    CHECK(left.method == right.method);
    CHECK(left.headers == right.headers);
    CHECK(left.retries == right.retries);
    CHECK(left.retry_delay == right.retry_delay);
    CHECK(left.timeout == right.timeout);
    check_equal(left.callback, right.callback);
    check_equal(left.failure_callback, right.failure_callback);
    CHECK(left.labels == right.labels);
}

} // namespace

TEST_CASE("delivery options come back from JSON as they were", "[qstash][local][message]") {
    const auto full = everything();
    check_equal(json::parse(json(full).dump()).get<delivery_options>(), full);

    delivery_options least;
    least.destination = "http://h/";
    check_equal(json::parse(json(least).dump()).get<delivery_options>(), least);

    auto used = everything(); // what stood there before leaves no trace
    json(least).get_to(used);
    check_equal(used, least);
}

TEST_CASE("the stored form of delivery options is kept", "[qstash][local][message]") {
    // Rows of older versions are read for as long as their messages live.
    const auto stored = json::parse(R"json({
        "destination": "https://example.com/a?x=1", "method": "PUT", "retries": 7,
        "headers": [["Content-Type", "text/plain"], ["X-A", "1"], ["X-A", "na\u00efve"]],
        "retry_delay": "1000 * (1 + retried)", "timeout_s": 90, "labels": ["nightly", "l2"],
        "callback": {"url": "https://cb/", "method": "PATCH", "headers": [["X-C", "2"]], "retries": 0,
                     "retry_delay": "1", "timeout_s": 5},
        "failure_callback": {"url": "https://fcb/", "method": "GET", "headers": [["X-F", ""]], "retries": 9,
                             "retry_delay": "2", "timeout_s": 6}})json");
    CHECK(json(everything()) == stored);
    delivery_options least;
    least.destination = "http://h/";
    CHECK(json(least) == json::parse(R"({"destination": "http://h/", "method": "POST", "retries": 3})"));
}

TEST_CASE("what is no stored message is refused", "[qstash][local][message]") {
    for (const auto* text :
         {"{}", "[]", "null", R"({"destination":1,"method":"POST","retries":3})",
          R"({"destination":"http://h/","method":"POST"})",
          R"({"destination":"http://h/","method":"POST","retries":3,"headers":[["X-A"]]})",
          R"({"destination":"http://h/","method":"POST","retries":3,"callback":{"method":"POST"}})",
          R"({"destination":"http://h/","method":"POST","retries":3,"timeout_s":"5s"})"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(json::parse(text).get<delivery_options>(), json::exception);
    }
}
