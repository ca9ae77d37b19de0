#include "tests/catch.hpp"
#include "worker/ask_worker.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync;
using namespace tidesync::worker;

TEST_CASE("the run of a message is the one that its delivery started or joined", "[worker][ask]") {
    const auto runs = nlohmann::json::parse(R"({"runs": [
        {"run": "a", "trigger": "manual", "messages": ["msg_3"]},
        {"run": "b", "trigger": "qstash", "messages": []},
        {"run": "c", "trigger": "qstash"},
        {"run": "d", "trigger": "qstash", "messages": ["msg_0", "msg_1"]}]})");
    CHECK(run_of_message(runs, "msg_1").at("run") == "d");
    CHECK(run_of_message(runs, "msg_2").is_null());
    CHECK(run_of_message(runs, "msg_3").at("run") == "a"); // a person's run was active, and the message joined it
    for (const auto* strange :
         {"null", "[]", "{}", R"({"runs": 1})", R"({"runs": [1, null]})",
          R"({"runs": [{"trigger": 1, "messages": "msg_1"}]})"})
        CHECK(run_of_message(nlohmann::json::parse(strange), "msg_1").is_null());
}

TEST_CASE("the worker is looked for where it listens, seen from here", "[worker][ask]") {
    settings values;
    CHECK(local_url(values.listen) == "http://127.0.0.1:8090");
    values.listen = {"0.0.0.0", 80};
    CHECK(local_url(values.listen) == "http://127.0.0.1:80");
    values.listen = {"::", 8090};
    CHECK(local_url(values.listen) == "http://[::1]:8090");
    values.listen = {"10.1.2.3", 1};
    CHECK(local_url(values.listen) == "http://10.1.2.3:1");
    values.listen = {"127.0.0.1", 0};
    CHECK(local_url(values.listen).empty());
}

TEST_CASE("a member of a strange answer is empty", "[worker][ask]") {
    for (const auto* strange : {"null", "[]", "5", "{}", R"({"message": 5})", R"({"message": null})"})
        CHECK(text_member(nlohmann::json::parse(strange), "message").empty());
    CHECK(text_member({{"message", "well"}}, "message") == "well");
}
