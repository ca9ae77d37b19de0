#include "tests/catch.hpp"
#include "tests/worker/environment.hpp"
#include "worker/settings.hpp"

using namespace tidesync::tests;
using namespace tidesync::worker;

namespace {

constexpr const char* us_current = "sig_1aTestRegionKeyOnlyForTestsXy";
constexpr const char* us_next = "sig_2bTestRegionKeyOnlyForTestsXy";
constexpr const char* eu_current = "sig_3cTestRegionKeyOnlyForTestsXy";
constexpr const char* eu_next = "sig_4dTestRegionKeyOnlyForTestsXy";

environment with_both_regions() {
    auto env = complete();
    env["US_EAST_1_QSTASH_CURRENT_SIGNING_KEY"] = us_current;
    env["US_EAST_1_QSTASH_NEXT_SIGNING_KEY"] = us_next;
    env["EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY"] = eu_current;
    env["EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY"] = eu_next;
    return env;
}

std::vector<std::string> labels(const loading& loaded) {
    std::vector<std::string> found;
    for (const auto& key : loaded.values.signing_keys) found.push_back(key.label);
    return found;
}

} // namespace

TEST_CASE("each region's pair of keys counts beside the plain one, or instead of it", "[worker][settings]") {
    auto env = with_both_regions();
    const auto all = load_settings(env, purpose::serve);
    CHECK(all.problems.empty());
    CHECK(
        labels(all) ==
        std::vector<std::string>{
            "current", "next", "us-east-1/current", "us-east-1/next", "eu-central-1/current", "eu-central-1/next"});
    CHECK(all.values.signing_keys.back().value == eu_next);

    env.erase("QSTASH_CURRENT_SIGNING_KEY");
    env.erase("QSTASH_NEXT_SIGNING_KEY");
    env.erase("US_EAST_1_QSTASH_CURRENT_SIGNING_KEY");
    env["US_EAST_1_QSTASH_NEXT_SIGNING_KEY"] = ""; // as good as not set
    const temporary_file file{std::string{eu_next} + "\n"};
    env.erase("EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY");
    env["EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY_FILE"] = file.path;
    const auto one = load_settings(env, purpose::serve);
    CHECK(one.problems.empty());
    CHECK(labels(one) == std::vector<std::string>{"eu-central-1/current", "eu-central-1/next"});
    CHECK(one.values.signing_keys.back().value == eu_next);
}

TEST_CASE("half a pair of keys is a problem that names the missing one", "[worker][settings]") {
    const std::vector<std::string> pairs[] = {
        {"QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"},
        {"US_EAST_1_QSTASH_CURRENT_SIGNING_KEY", "US_EAST_1_QSTASH_NEXT_SIGNING_KEY"},
        {"EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY", "EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY"}};
    for (const auto& pair : pairs)
        for (const auto& missing : pair) {
            auto env = with_both_regions();
            env.erase(missing);
            const auto loaded = load_settings(env, purpose::serve);
            CAPTURE(missing);
            REQUIRE(loaded.problems.size() == 1);
            CHECK(loaded.problems.front().starts_with(missing + ": not set"));
        }
    auto env = complete();
    env.erase("QSTASH_CURRENT_SIGNING_KEY");
    env.erase("QSTASH_NEXT_SIGNING_KEY");
    env["US_EAST_1_QSTASH_CURRENT_SIGNING_KEY"] = us_current;
    const auto loaded = load_settings(env, purpose::serve);
    REQUIRE(loaded.problems.size() == 1); // the region is meant: the plain pair is not asked for
    CHECK(loaded.problems.front().starts_with("US_EAST_1_QSTASH_NEXT_SIGNING_KEY"));
}

TEST_CASE("keys of regions are weighed as the plain ones are", "[worker][settings]") {
    struct wrong {
        const char* name;
        const char* value;
        const char* expected;
    };
    const wrong cases[] = {
        {"US_EAST_1_QSTASH_NEXT_SIGNING_KEY", "short", "shorter"},
        {"EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY", "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", "development"},
        {"US_EAST_1_QSTASH_NEXT_SIGNING_KEY", us_current, "same as US_EAST_1_QSTASH_CURRENT_SIGNING_KEY"},
        {"EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY", us_next, "same as US_EAST_1_QSTASH_NEXT_SIGNING_KEY"},
        {"EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY", "sig_4fTestCurrentKeyOnlyForTests9z",
         "same as QSTASH_CURRENT_SIGNING_KEY"}};
    for (const auto& wrong : cases) {
        auto env = with_both_regions();
        env[wrong.name] = wrong.value;
        const auto loaded = load_settings(env, purpose::serve);
        CAPTURE(wrong.name, wrong.value);
        REQUIRE(loaded.problems.size() == 1);
        CHECK(loaded.problems.front().starts_with(wrong.name));
        CHECK(mention(loaded.problems, wrong.expected));
        CHECK_FALSE(mention(loaded.problems, "OnlyForTests"));
    }
}

TEST_CASE("public development keys need --insecure-dev and a loopback address", "[worker][settings]") {
    auto env = complete();
    env["QSTASH_CURRENT_SIGNING_KEY"] = "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r";
    env["QSTASH_NEXT_SIGNING_KEY"] = "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs";
    CHECK(load_settings(env, purpose::serve, "", false).problems.size() == 2);
    CHECK(load_settings(env, purpose::serve, "", true).problems.empty());
    env["TIDESYNC_LISTEN"] = "0.0.0.0:8090";
    CHECK(load_settings(env, purpose::serve, "", true).problems.size() == 3);
}
