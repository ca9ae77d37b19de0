#include "tests/catch.hpp"
#include "tests/worker/environment.hpp"
#include "worker/settings.hpp"

#include <filesystem>

using namespace tidesync::tests;
using namespace tidesync::worker;

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
        {"TIDESYNC_ADMIN_LISTEN", "hunter2secret", "address:port"},
        {"TIDESYNC_ADMIN_LISTEN", "127.0.0.1:8090", "another address than TIDESYNC_LISTEN"}, // the default of that one
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

TEST_CASE("a second listener is for people, and as much on loopback as the first one must be", "[worker][settings]") {
    auto env = complete();
    CHECK(load_settings(env, purpose::serve).values.for_people().port == 8090);
    env["TIDESYNC_ADMIN_LISTEN"] = "0.0.0.0:8090"; // the system knows whether both fit
    env["TIDESYNC_LISTEN"] = "127.0.0.1:8090";
    const auto loaded = load_settings(env, purpose::serve);
    CHECK(loaded.problems.empty());
    CHECK(loaded.values.for_people().host == "0.0.0.0");
    CHECK(loaded.values.for_people().setting == "TIDESYNC_ADMIN_LISTEN");
    CHECK(loaded.values.listen.host == "127.0.0.1");
    const auto dev = load_settings(env, purpose::serve, {}, true);
    REQUIRE(dev.problems.size() == 1);
    CHECK(mention(dev.problems, "TIDESYNC_ADMIN_LISTEN: --insecure-dev needs a loopback address"));
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
