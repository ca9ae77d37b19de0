#include "tests/catch.hpp"
#include "worker/settings.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

environment complete() {
    return {
        {"SLAVE_DATABASE_URL", "postgresql://reader:pw1@slave.example.com/app"},
        {"PROD_DATABASE_URL", "postgresql://writer:pw2@prod.example.com:6543/app"},
        {"QSTASH_CURRENT_SIGNING_KEY", "sig_4fTestCurrentKeyOnlyForTests9z"},
        {"QSTASH_NEXT_SIGNING_KEY", "sig_8hTestNextKeyOnlyForTestsPqrs"},
        {"TIDESYNC_PUBLIC_URL", "https://sync.example.com"},
        {"TIDESYNC_ADMIN_TOKEN", "0123456789abcdef0123456789abcdef"},
        {"QSTASH_TOKEN", "a-qstash-token-only-for-tests"}};
}

bool mention(const std::vector<std::string>& texts, std::string_view word) {
    return std::ranges::any_of(texts, [&](const auto& text) { return text.find(word) != std::string::npos; });
}

/// A file that goes away with the test.
struct temporary_file {
    explicit temporary_file(std::string_view contents)
        : path{(std::filesystem::temp_directory_path() / ("tidesync-settings-" + std::to_string(getpid()))).string()} {
        std::ofstream{path} << contents;
    }
    ~temporary_file() { std::filesystem::remove(path); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    std::string path;
};

loading with_job_file(std::string_view text) {
    const temporary_file file{text};
    return load_settings(complete(), purpose::serve, file.path);
}

} // namespace

TEST_CASE("complete settings load without a word", "[worker][settings]") {
    const auto loaded = load_settings(complete(), purpose::serve);
    CHECK(loaded.problems.empty());
    CHECK(loaded.notes.empty());
    CHECK(loaded.values.production.describe() == "prod.example.com:6543/app");
    CHECK(loaded.values.run_store.describe() == "prod.example.com:6543/app");
    CHECK(loaded.values.slave.conninfo().find("verify-full") != std::string::npos);
    CHECK(loaded.values.signing_keys.size() == 2);
    CHECK(loaded.values.listen.port == 8090);
    CHECK(loaded.values.qstash_url == "https://qstash.upstash.io");
    CHECK(loaded.values.qstash_token.reveal() == "a-qstash-token-only-for-tests");
}

TEST_CASE("every missing setting is reported at once, by name", "[worker][settings]") {
    const auto loaded = load_settings({}, purpose::serve);
    for (const auto* name :
         {"SLAVE_DATABASE_URL", "PROD_DATABASE_URL", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY",
          "TIDESYNC_PUBLIC_URL", "TIDESYNC_ADMIN_TOKEN"}) {
        CAPTURE(name);
        CHECK(mention(loaded.problems, name));
    }
    CHECK(loaded.problems.size() == 6);
}

TEST_CASE("a job needs databases only", "[worker][settings]") {
    const auto loaded = load_settings({}, purpose::job);
    CHECK(loaded.problems.size() == 2);
}

TEST_CASE("what calls QStash needs the token, and only a new schedule the public URL", "[worker][settings]") {
    const auto asking = load_settings({}, purpose::qstash);
    CHECK(asking.problems.size() == 1);
    CHECK(mention(asking.problems, "QSTASH_TOKEN"));
    const auto creating = load_settings({}, purpose::schedule);
    CHECK(creating.problems.size() == 2);
    CHECK(mention(creating.problems, "TIDESYNC_PUBLIC_URL"));
    CHECK(load_settings({}, purpose::setup).problems.size() == 7);

    auto env = complete();
    env.erase("QSTASH_TOKEN");
    const auto serving = load_settings(env, purpose::serve);
    CHECK(serving.problems.empty());
    CHECK(mention(serving.notes, "QSTASH_TOKEN"));
}

TEST_CASE("the address of QStash is taken in every form that people know", "[worker][settings]") {
    for (const auto* url :
         {"https://qstash-eu.example.com", "https://qstash-eu.example.com/", "https://qstash-eu.example.com/v2",
          "https://qstash-eu.example.com/v2/publish/"}) {
        auto env = complete();
        env["QSTASH_URL"] = url;
        const auto loaded = load_settings(env, purpose::qstash);
        CAPTURE(url);
        CHECK(loaded.problems.empty());
        CHECK(loaded.values.qstash_url == "https://qstash-eu.example.com");
    }
    auto env = complete();
    env["QSTASH_URL"] = "http://127.0.0.1:8080";
    CHECK(load_settings(env, purpose::qstash).values.qstash_url == "http://127.0.0.1:8080");
}

TEST_CASE("bad settings are refused with what was expected, and without their value", "[worker][settings]") {
    struct wrong {
        const char* name;
        const char* value;
        const char* expected;
    };
    const wrong cases[] = {
        {"PROD_DATABASE_URL", "postgresql://user:hunter2secret@", "names no database"},
        {"PROD_DATABASE_URL", "hunter2secret", "postgresql://"},
        {"SLAVE_DATABASE_URL", "mysql://user:hunter2secret@host/db", "postgresql://"},
        {"TIDESYNC_PUBLIC_URL", "http://sync.example.com", "must be https"},
        {"TIDESYNC_PUBLIC_URL", "https://user:hunter2secret@sync.example.com", "without user"},
        {"TIDESYNC_PUBLIC_URL", "https://sync.example.com?hunter2secret=1", "without user"},
        {"TIDESYNC_PUBLIC_URL", "sync.example.com", "https://"},
        {"TIDESYNC_PUBLIC_URL", "https://sync.example.com:abc", "1 to 65535"},
        {"TIDESYNC_PUBLIC_URL", "https://sync.example.com:99999", "1 to 65535"},
        {"TIDESYNC_PUBLIC_URL", "https://sync.example.com:0/x", "1 to 65535"},
        {"TIDESYNC_PUBLIC_URL", "https://sync.example.com:", "1 to 65535"},
        {"TIDESYNC_PUBLIC_URL", "https://sync.example.com:80:90", "1 to 65535"},
        {"TIDESYNC_PUBLIC_URL", "https://[::1", "expected https://host"},
        {"TIDESYNC_PUBLIC_URL", "https://[::1]8090", "expected https://host"},
        {"TIDESYNC_PUBLIC_URL", "https://[sync]", "expected https://host"},
        {"TIDESYNC_ADMIN_TOKEN", "hunter2secret", "24"},
        {"TIDESYNC_ADMIN_TOKEN", "hunter2secret with blanks in between", "visible"},
        {"TIDESYNC_LISTEN", "hunter2secret", "address:port"},
        {"TIDESYNC_LISTEN", "127.0.0.1:99999", "address:port"},
        {"TIDESYNC_LISTEN", "worker.local:8090", "IP-address"},
        {"SLAVE_DATABASE_URL", "postgresql://writer:hunter2secret@prod.example.com:6543/app", "same database"},
        {"TIDESYNC_CLOCK_TOLERANCE", "61", "0 to 60"},
        {"TIDESYNC_CLOCK_TOLERANCE", "-1", "0 to 60"},
        {"TIDESYNC_CLOCK_TOLERANCE", "5s", "0 to 60"},
        {"TIDESYNC_DRAIN_LIMIT", "hunter2secret", "0 to 3600"},
        {"QSTASH_CURRENT_SIGNING_KEY", "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", "development"},
        {"QSTASH_URL", "http://qstash.example.com", "must be https"},
        {"QSTASH_URL", "https://user:hunter2secret@qstash.example.com", "expected https://host"},
        {"QSTASH_URL", "https://qstash.example.com/hunter2secret", "expected https://host"},
        {"QSTASH_URL", "qstash.example.com", "expected https://host"},
        {"QSTASH_URL", "https://qstash.example.com:0", "expected https://host"},
        {"QSTASH_TOKEN", "Bearer hunter2secret", "no `Bearer`"},
        {"QSTASH_TOKEN", "\"hunter2secret\"", "no quotes"},
        {"QSTASH_TOKEN", "hunter2secret\nX: 1", "visible"},
        {"QSTASH_TOKEN", "sig_hunter2secret", "this is a signing key; the token stands beside it in the console"},
        {"QSTASH_CURRENT_SIGNING_KEY", "short", "QSTASH_CURRENT_SIGNING_KEY"},
        {"QSTASH_NEXT_SIGNING_KEY", "sig_4fTestCurrentKeyOnlyForTests9z", "same"}};
    for (const auto& wrong : cases) {
        auto env = complete();
        env[wrong.name] = wrong.value;
        const auto loaded = load_settings(env, purpose::serve);
        CAPTURE(wrong.name, wrong.value);
        REQUIRE(loaded.problems.size() == 1);
        CHECK(mention(loaded.problems, wrong.name));
        CHECK(mention(loaded.problems, wrong.expected));
        CHECK_FALSE(mention(loaded.problems, "hunter2secret"));
    }
}

TEST_CASE("plain http is accepted on this machine only", "[worker][settings]") {
    for (const auto* url : {"http://127.0.0.1:8090", "http://localhost:8090/", "http://[::1]:8090"}) {
        auto env = complete();
        env["TIDESYNC_PUBLIC_URL"] = url;
        CAPTURE(url);
        CHECK(load_settings(env, purpose::serve).problems.empty());
    }
    for (const auto* url : {"http://127.evil.example.com.", "http://localhost.example.com", "http://10.0.0.1"}) {
        auto env = complete();
        env["TIDESYNC_PUBLIC_URL"] = url;
        CAPTURE(url);
        CHECK(load_settings(env, purpose::serve).problems.size() == 1);
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

TEST_CASE("a setting can come from a file", "[worker][settings]") {
    const temporary_file file{"from-a-file-0123456789abcdef\n"};
    auto env = complete();
    env.erase("TIDESYNC_ADMIN_TOKEN");
    env["TIDESYNC_ADMIN_TOKEN_FILE"] = file.path;
    const auto loaded = load_settings(env, purpose::serve);
    CHECK(loaded.problems.empty());
    CHECK(loaded.values.admin_token.reveal() == "from-a-file-0123456789abcdef");

    env["TIDESYNC_ADMIN_TOKEN"] = "0123456789abcdef0123456789abcdef";
    CHECK(mention(load_settings(env, purpose::serve).problems, "both"));
    env["TIDESYNC_ADMIN_TOKEN"] = ""; // as good as not set, as compose files leave it
    CHECK(load_settings(env, purpose::serve).problems.empty());
    CHECK(load_settings(env, purpose::serve).values.admin_token.reveal() == "from-a-file-0123456789abcdef");
    env["TIDESYNC_ADMIN_TOKEN"] = "0123456789abcdef0123456789abcdef";
    env["TIDESYNC_ADMIN_TOKEN_FILE"] = "";
    CHECK(load_settings(env, purpose::serve).problems.empty());
}

TEST_CASE("a setting's file that cannot be read is named with the reason", "[worker][settings]") {
    auto env = complete();
    env.erase("TIDESYNC_ADMIN_TOKEN");
    const auto folder = std::filesystem::temp_directory_path().string();
    for (const auto& [path, expected] :
         {std::pair<std::string, std::string>{"/nowhere/at/all", "/nowhere/at/all: No such file or directory"},
          {folder, folder + ": is a directory"}}) {
        env["TIDESYNC_ADMIN_TOKEN_FILE"] = path;
        const auto loaded = load_settings(env, purpose::serve);
        CAPTURE(path, loaded.problems);
        REQUIRE(loaded.problems.size() == 1);
        CHECK(mention(loaded.problems, "TIDESYNC_ADMIN_TOKEN_FILE"));
        CHECK(mention(loaded.problems, expected));
    }
}

TEST_CASE("the old name of the public URL is accepted", "[worker][settings]") {
    auto env = complete();
    env.erase("TIDESYNC_PUBLIC_URL");
    env["NEXT_PUBLIC_APP_URL"] = "https://old.example.com/";
    const auto loaded = load_settings(env, purpose::serve);
    CHECK(loaded.problems.empty());
    CHECK(loaded.values.public_url == "https://old.example.com");
    env["NEXT_PUBLIC_APP_URL"] = "https://old.example.com:abc";
    CHECK(mention(load_settings(env, purpose::serve).problems, "NEXT_PUBLIC_APP_URL")); // the name that was set
    env["TIDESYNC_PUBLIC_URL"] = "https://new.example.com";
    CHECK(load_settings(env, purpose::serve).values.public_url == "https://new.example.com");
}

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
    env["US_EAST_1_QSTASH_CURRENT_SIGNING_KEY"] = us_current; // of QStash's regions: not looked at
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

TEST_CASE("variables brought along from elsewhere are named with what to set instead", "[worker][settings]") {
    auto env = complete();
    env["SUPABASE_SERVICE_ROLE_KEY"] = "hunter2secret";
    env["TIDESYNC_LISTN"] = "x";
    const auto loaded = load_settings(env, purpose::serve);
    CHECK(mention(loaded.notes, "SUPABASE_SERVICE_ROLE_KEY"));
    CHECK(mention(loaded.notes, "PROD_DATABASE_URL"));
    CHECK(mention(loaded.notes, "TIDESYNC_LISTN"));
    CHECK_FALSE(mention(loaded.notes, "hunter2secret"));
}

TEST_CASE("the job file sets rules and limits", "[worker][settings]") {
    const auto loaded = with_job_file(R"(
jobs:
  slave-to-prod:
    include: ["public.*", geo.country]
    exclude: ["public.audit_*"]
    on_drift: fail
    statement_timeout_s: 60
    tables:
      public.orders: {key: [tenant, number]}
)");
    CHECK(loaded.problems.empty());
    CHECK(loaded.values.rules.include == std::vector<std::string>{"public.*", "geo.country"});
    CHECK(loaded.values.rules.exclude == std::vector<std::string>{"public.audit_*"});
    CHECK(loaded.values.rules.fail_on_drift);
    CHECK(loaded.values.rules.keys.at("public.orders") == std::vector<std::string>{"tenant", "number"});
    CHECK(loaded.values.limits.statement == 60s);
}

TEST_CASE("an empty job file means the defaults", "[worker][settings]") {
    CHECK(with_job_file("").problems.empty());
    CHECK(with_job_file("jobs:\n").problems.empty());
    CHECK(with_job_file("jobs:\n  slave-to-prod:\n").problems.empty());
}

TEST_CASE("what is wrong in the job file is named with its line", "[worker][settings]") {
    struct wrong {
        const char* text;
        const char* expected;
    };
    const wrong cases[] = {
        {"jobs:\n  slave-to-prod:\n    exclud: [a]\n", ":3: slave-to-prod has no key `exclud`"},
        {"job:\n", ":1: the file has no key `job`"},
        {"jobs:\n  slave-to-prod:\n    exclude: a\n", "expected a list"},
        {"jobs:\n  slave-to-prod:\n    on_drift: maybe\n", "warn or fail"},
        {"jobs:\n  slave-to-prod:\n    lock_timeout_s: soon\n", "1 to 600"},
        {"jobs:\n  slave-to-prod:\n    tables: {orders: {key: [a]}}\n", "schema.table"},
        {"jobs:\n  slave-to-prod:\n    tables: {public.orders: {key: []}}\n", "at least one column"},
        {"jobs: [a\n", "not YAML"}};
    for (const auto& wrong : cases) {
        const auto loaded = with_job_file(wrong.text);
        CAPTURE(wrong.text);
        REQUIRE_FALSE(loaded.problems.empty());
        CAPTURE(loaded.problems.front());
        CHECK(mention(loaded.problems, wrong.expected));
    }
    CHECK(mention(load_settings(complete(), purpose::serve, "/nowhere.yaml").problems, "/nowhere.yaml"));
}
