#include "tests/catch.hpp"
#include "worker/answers.hpp"
#include "worker/request_id.hpp"

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

using namespace tidesync::worker;

namespace {

http_request with_id(const std::string& id) {
    http_request request;
    request.headers = {{"x-request-id", id}};
    return request;
}

} // namespace

TEST_CASE("a request without a name gets a random UUID", "[worker][request_id]") {
    const std::regex uuid{"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"};
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        const auto id = id_of({});
        REQUIRE(std::regex_match(id, uuid));
        REQUIRE(seen.insert(id).second);
    }
}

TEST_CASE("a caller's name is taken where it can stand anywhere, and never else", "[worker][request_id]") {
    for (const auto& good : {std::string{"4bf92f35"}, std::string{"a.b_c-D9"}, std::string(64, 'x')})
        CHECK(id_of(with_id(good)) == good);
    for (const auto& bad :
         {std::string{}, std::string{"short12"}, std::string(65, 'x'), std::string{"with blank"},
          std::string{"quote\"quote"}, std::string{"line\r\nSet-Cookie: a=b"}, std::string{"<script>alert"},
          std::string{"nul\0nulnul", 10}, std::string{"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"}})
        CHECK(id_of(with_id(bad)) != bad);
    auto twice = with_id("4bf92f35");
    twice.headers.push_back(twice.headers.front());
    CHECK(id_of(twice) != "4bf92f35");
}

TEST_CASE("the answer names its request, an error in its document too", "[worker][request_id]") {
    auto error = error_answer(404, "not_found", "there is }\n no such thing", "look elsewhere", "run-1");
    name_request(error, "4bf92f35");
    const auto document = nlohmann::json::parse(error.body);
    CHECK(document.at("request_id") == "4bf92f35");
    CHECK(document.at("run") == "run-1");
    CHECK(document.at("error").at("code") == "not_found");
    CHECK(error.headers.back() == std::pair<std::string, std::string>{"X-Request-Id", "4bf92f35"});

    auto fine = json_answer(200, {{"success", true}});
    name_request(fine, "4bf92f35");
    CHECK(nlohmann::json::parse(fine.body) == nlohmann::json{{"success", true}});
    CHECK(fine.headers.back().first == "X-Request-Id");
    http_response text;
    text.body = "a_total 1\n";
    name_request(text, "4bf92f35");
    CHECK(text.body == "a_total 1\n");
}
