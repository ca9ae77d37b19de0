#include "tests/catch.hpp"
#include "worker/setup_message.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;

namespace {

qstash::log_entry entry(const std::string& state, int status = 0, const std::string& error = {}) {
    qstash::log_entry result;
    result.state = state;
    result.response_status = status;
    result.error = error;
    return result;
}

settings configured() {
    settings values;
    values.public_url = "https://sync.example.com";
    return values;
}

} // namespace

TEST_CASE("the run of a message is the one that its delivery started", "[worker][setup]") {
    const auto runs = nlohmann::json::parse(R"({"runs": [
        {"run": "a", "trigger": "manual", "messages": ["msg_1"]},
        {"run": "b", "trigger": "qstash", "messages": []},
        {"run": "c", "trigger": "qstash"},
        {"run": "d", "trigger": "qstash", "messages": ["msg_0", "msg_1"]}]})");
    CHECK(run_of_message(runs, "msg_1").at("run") == "d");
    CHECK(run_of_message(runs, "msg_2").is_null());
    for (const auto* strange : {"null", "[]", "{}", R"({"runs": 1})", R"({"runs": [1, null]})"})
        CHECK(run_of_message(nlohmann::json::parse(strange), "msg_1").is_null());
}

TEST_CASE("the advice for a lost message follows from what QStash wrote down", "[worker][setup]") {
    struct one {
        std::vector<qstash::log_entry> log;
        const char* expected;
    };
    const one cases[] = {
        {{}, "has not delivered it yet"},
        {{entry("CREATED"), entry("ACTIVE")}, "has not delivered it yet"},
        {{entry("FAILED"), entry("ERROR", 401), entry("CREATED")}, "signing keys"},
        {{entry("ERROR", 404)}, "the proxy must pass the path on"},
        {{entry("ERROR", 503)}, "HTTP 503 came from https://sync.example.com"},
        {{entry("DELIVERED", 200)}, "not this worker"},
        {{entry("DELIVERED")}, "not this worker"},
        {{entry("FAILED"), entry("ERROR", 0, "dial tcp: no such host")}, "public DNS"}};
    for (const auto& one : cases) {
        CAPTURE(one.expected);
        CHECK_THAT(advice(one.log, configured()), containing(one.expected));
    }
}

TEST_CASE("a line of QStash's log is bounded and does not steer the terminal", "[worker][setup]") {
    CHECK(log_line(entry("ERROR", 401, "no\x1b[2J")) == "ERROR HTTP 401 no?[2J");
    CHECK(log_line(entry("ERROR", 0, std::string(5000, 'x'))).size() <= 300);
}

TEST_CASE("the worker is looked for where it listens, seen from here", "[worker][setup]") {
    settings values;
    CHECK(local_url(values) == "http://127.0.0.1:8090");
    values.listen = {"0.0.0.0", 80};
    CHECK(local_url(values) == "http://127.0.0.1:80");
    values.listen = {"::", 8090};
    CHECK(local_url(values) == "http://[::1]:8090");
    values.listen = {"10.1.2.3", 1};
    CHECK(local_url(values) == "http://10.1.2.3:1");
    values.listen = {"127.0.0.1", 0};
    CHECK(local_url(values).empty());
}
