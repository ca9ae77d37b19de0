#include "tests/catch.hpp"
#include "worker/openapi.hpp"
#include "worker/routes.hpp"
#include "worker/version.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

using namespace tidesync::worker;

namespace {

nlohmann::json document() { return nlohmann::json::parse(openapi); }

/// `/api/runs/{run}` as the route table writes it.
std::string pattern_of(std::string path) {
    const auto open = path.find('{');
    if (open != std::string::npos) path.replace(open, path.find('}') - open + 1, "{}");
    return path;
}

/// `GET /api/runs` and who may.
std::map<std::string, nlohmann::json> documented() {
    std::map<std::string, nlohmann::json> found;
    const auto whole = document();
    for (const auto& [path, item] : whole.at("paths").items())
        for (const auto& [name, operation] : item.items()) {
            if (name == "parameters") continue;
            auto method = name;
            std::ranges::transform(method, method.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
            found[method + ' ' + pattern_of(path)] = operation.at("security");
        }
    return found;
}

nlohmann::json security_of(const admission& lets_in) {
    auto ways = nlohmann::json::array();
    const auto needs = lets_in.needs();
    if (needs == tidesync::worker::access::token || needs == tidesync::worker::access::signature_or_token)
        ways.push_back({{"token", {to_string(lets_in.least())}}});
    if (needs == tidesync::worker::access::signature || needs == tidesync::worker::access::signature_or_token)
        ways.push_back({{"signature", nlohmann::json::array()}});
    return ways;
}

} // namespace

TEST_CASE("the OpenAPI document has every route with what it needs, and no other", "[worker][openapi]") {
    std::map<std::string, nlohmann::json> routes;
    for (const auto& route : route_shapes())
        for (const auto method : route.methods)
            routes[std::string{method} + ' ' + std::string{route.pattern}] = security_of(route.lets_in);
    const auto described = documented();
    for (const auto& [route, needs] : routes) {
        CAPTURE(route);
        REQUIRE(described.contains(route));
        CHECK(described.at(route) == needs);
    }
    for (const auto& [route, needs] : described) {
        CAPTURE(route);
        CHECK(routes.contains(route));
    }
}

TEST_CASE("the OpenAPI document names this version", "[worker][openapi]") {
    CHECK(document().at("openapi") == "3.1.0");
    CHECK(document().at("info").at("version") == version);
    CHECK(openapi.find('@') == std::string_view::npos);
    // What CMake might have taken for its own.
    CHECK(
        document().at("components").at("schemas").at("AuditEntry").at("properties").at("action").at("pattern") ==
        "^[a-z]+\\.[a-z-]+$");
}
