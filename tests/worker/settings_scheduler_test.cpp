#include "tests/catch.hpp"
#include "tests/worker/environment.hpp"
#include "worker/settings.hpp"

using namespace tidesync::tests;
using namespace tidesync::worker;

namespace {

environment of_scheduler() {
    return {
        {"TIDESYNC_QSTASH_DATABASE_URL", "postgresql://scheduler:pw@db.example.com/scheduler"},
        {"QSTASH_TOKEN", "a-qstash-token-only-for-tests"},
        {"QSTASH_CURRENT_SIGNING_KEY", "sig_4fTestCurrentKeyOnlyForTests9z"},
        {"QSTASH_NEXT_SIGNING_KEY", "sig_8hTestNextKeyOnlyForTestsPqrs"}};
}

using hosts = std::vector<std::string>;

} // namespace

TEST_CASE("the scheduler may call the host of the public URL, by either of its names", "[worker][settings]") {
    CHECK(load_settings(of_scheduler(), purpose::scheduler).problems.empty());
    CHECK(load_settings(of_scheduler(), purpose::scheduler).values.scheduler.policy.hosts.empty());
    for (const auto* name : {"TIDESYNC_PUBLIC_URL", "NEXT_PUBLIC_APP_URL"})
        for (const auto what_for : {purpose::scheduler, purpose::scheduler_dev}) {
            auto env = of_scheduler();
            env[name] = "https://app.example.com:8443/base/";
            CAPTURE(name);
            CHECK(load_settings(env, what_for).problems.empty());
            CHECK(load_settings(env, what_for).values.scheduler.policy.hosts == hosts{"app.example.com"});
            env[name] = "https://app.example.com:99999";
            CHECK(mention(load_settings(env, what_for).problems, name));
        }
}

TEST_CASE("the hosts of the scheduler are hosts, and what is none is named", "[worker][settings]") {
    auto env = of_scheduler();
    env["TIDESYNC_QSTASH_ALLOW_HOSTS"] = " app.example.com , *.Example.org,*,8.8.8.8,2606:4700::1111,localhost";
    env["TIDESYNC_QSTASH_ALLOW_NETWORKS"] = "10.0.0.0/8, fd00::/8";
    const auto good = load_settings(env, purpose::scheduler);
    CAPTURE(good.problems);
    CHECK(good.problems.empty());
    CHECK(good.values.scheduler.policy.hosts.size() == 6);
    CHECK(good.values.scheduler.policy.networks.size() == 2);
    for (const auto* entry :
         {"https://app.example.com", "app.example.com:443", "app.example.com/", "app.example.com/path", "app example",
          "10.0.0.0/8", "a*.example.com", "*.", "**", "[::1]:80", "app.example.com?x", "bad_ü.example.com"}) {
        env["TIDESYNC_QSTASH_ALLOW_HOSTS"] = std::string{"good.example.com, "} + entry;
        const auto loaded = load_settings(env, purpose::scheduler);
        CAPTURE(entry);
        REQUIRE(loaded.problems.size() == 1);
        CHECK(loaded.problems.front().starts_with("TIDESYNC_QSTASH_ALLOW_HOSTS: " + std::string{entry}));
        CHECK(mention(loaded.problems, "app.example.com, *.example.org, or *"));
        CHECK(mention(loaded.problems, "TIDESYNC_QSTASH_ALLOW_NETWORKS"));
    }
    env["TIDESYNC_QSTASH_ALLOW_HOSTS"] = "10.1.2.3"; // would be refused whenever it is called
    CHECK(mention(load_settings(env, purpose::scheduler).problems, "belongs into TIDESYNC_QSTASH_ALLOW_NETWORKS"));
    env["TIDESYNC_QSTASH_ALLOW_HOSTS"] = "user:hunter2secret@app.example.com";
    CHECK(load_settings(env, purpose::scheduler).problems.size() == 1);
    CHECK_FALSE(mention(load_settings(env, purpose::scheduler).problems, "hunter2secret"));
}

TEST_CASE("the scheduler's own token is weighed as one, and is none of its keys", "[worker][settings]") {
    struct wrong {
        const char* value;
        const char* expected;
    };
    const wrong cases[] = {
        {"", "not set"},
        {"23-characters-are-few-x", "at least 24"},
        {"Bearer hunter2secret-hunter2secret", "no `Bearer`"},
        {"\"hunter2secret-hunter2secret\"", "no quotes"},
        {"hunter2secret-hunter2secret\n.", "visible"},
        {"sig_hunter2secret-hunter2secret", "this is a signing key; make a token"},
        {"own-key-that-is-not-of-qstash-hunter2secret", "this is a signing key; make a token"}};
    for (const auto& wrong : cases) {
        auto env = of_scheduler();
        env["QSTASH_NEXT_SIGNING_KEY"] = "own-key-that-is-not-of-qstash-hunter2secret";
        env["QSTASH_TOKEN"] = wrong.value;
        const auto loaded = load_settings(env, purpose::scheduler);
        CAPTURE(wrong.value, loaded.problems);
        REQUIRE(loaded.problems.size() == 1);
        CHECK(loaded.problems.front().starts_with("QSTASH_TOKEN: "));
        CHECK(mention(loaded.problems, wrong.expected));
        CHECK_FALSE(mention(loaded.problems, "hunter2secret"));
    }
}

TEST_CASE("the scheduler's keys are its owner's to make, and there is one pair", "[worker][settings]") {
    auto env = of_scheduler();
    env.erase("QSTASH_NEXT_SIGNING_KEY");
    env["QSTASH_CURRENT_SIGNING_KEY"] = "short";
    env["US_EAST_1_QSTASH_CURRENT_SIGNING_KEY"] =
        "sig_1aTestRegionKeyOnlyForTestsXy"; // of QStash's regions: not looked at
    const auto loaded = load_settings(env, purpose::scheduler);
    REQUIRE(loaded.problems.size() == 2);
    for (const auto& problem : loaded.problems) {
        CAPTURE(problem);
        CHECK(problem.find("expected a key of your own: sig_ and `openssl rand -hex 16`") != std::string::npos);
        CHECK(problem.find("console") == std::string::npos);
    }
    env["QSTASH_CURRENT_SIGNING_KEY"] = env["QSTASH_NEXT_SIGNING_KEY"] = "sig_4fTestCurrentKeyOnlyForTests9z";
    CHECK(mention(load_settings(env, purpose::scheduler).problems, "make two"));
}
