#include "tests/catch.hpp"
#include "tests/support/serving.hpp"
#include "tests/worker/environment.hpp"

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

struct fixture {
    pair_of_databases databases;
    variables environment = worker_environment(databases);

    fixture() {
        databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
        databases.slave.run("INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 10) i");
    }
};

/// One JSON document and nothing else on stdout.
nlohmann::json only_document(const finished& run) {
    CAPTURE(run.out, run.err);
    return nlohmann::json::parse(run.out);
}

} // namespace

TEST_CASE("help and version are for strangers, wrong usage is 64", "[worker][commands]") {
    const auto version = run_tidesync({"--version"}, {});
    CHECK(version.status == 0);
    CHECK(version.out.starts_with("tidesync "));
    CHECK(run_tidesync({"--help"}, {}).status == 0);
    for (const auto* verb :
         {"serve", "run", "check", "check-config", "doctor", "migrate", "runs", "schedule", "setup", "demo",
          "qstash-local"}) {
        CAPTURE(verb);
        const auto help = run_tidesync({verb, "--help"}, {});
        CHECK(help.status == 0);
        CHECK(contains(help.out, "Usage"));
    }
    for (const auto& wrong : std::vector<std::vector<std::string>>{
             {},
             {"unknown"},
             {"run"},
             {"run", "unknown-job"},
             {"run", "slave-to-prod", "--unknown"},
             {"runs", "--limit", "0"},
             {"schedule"},
             {"schedule", "remove"},
             {"schedule", "pause", "--cron", "0 0 * * *"},
             {"schedule", "create", "--retries", "many"}}) {
        auto words = wrong;
        words.insert(words.begin(), tidesync_binary());
        process running{words, {}};
        CHECK(running.wait(20s) == 64);
        CHECK_FALSE(running.err().empty());
    }
}

TEST_CASE("wrong usage is one document on stdout, too, where --json asks for it", "[worker][commands]") {
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"run", "--json"},
             {"run", "unknown-job", "--json"},
             {"check", "--json", "slave-to-prod", "--unknown"},
             {"check-config", "--json", "--unknown"},
             {"migrate", "--json", "much"},
             {"runs", "--limit", "0", "--json"},
             {"setup", "--json", "--unknown"},
             {"schedule", "pause", "--json", "--cron", "0 0 * * *"},
             {"schedule", "create", "--retries", "many", "--json"}}) {
        const auto refused = run_tidesync(words, {});
        CAPTURE(words, refused.out, refused.err);
        CHECK(refused.status == 64);
        const auto document = only_document(refused);
        CHECK(document.at("success") == false);
        CHECK(document.at("error").at("code") == "usage");
        CHECK_FALSE(document.at("error").at("message").get<std::string>().empty());
        CHECK_FALSE(refused.err.empty());
    }
    CHECK(run_tidesync({"runs", "--limit", "0"}, {}).out.empty());
}

TEST_CASE("help names every setting, and qstash-local takes no job file", "[worker][commands]") {
    const auto help = run_tidesync({"--help"}, {}).out;
    for (const auto* name :
         {"TIDESYNC_QSTASH_DATABASE_URL", "TIDESYNC_QSTASH_ALLOW_HOSTS", "TIDESYNC_QSTASH_ALLOW_NETWORKS",
          "US_EAST_1_QSTASH_CURRENT_SIGNING_KEY", "EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY", "TIDESYNC_CLOCK_TOLERANCE",
          "TIDESYNC_DELIVERY_WAIT", "TIDESYNC_DRAIN_LIMIT", "TIDESYNC_CONFIG"}) {
        CAPTURE(name);
        CHECK(contains(help, name));
    }
    CHECK(contains(run_tidesync({"serve", "--help"}, {}).out, "--config"));
    CHECK_FALSE(contains(run_tidesync({"qstash-local", "--help"}, {}).out, "--config"));
    CHECK(run_tidesync({"qstash-local", "--config", "x.yaml"}, {}).status == 64);
}

TEST_CASE("who reads settings that check-config does not look at is sent elsewhere", "[worker][commands]") {
    for (const auto& words : std::vector<std::vector<std::string>>{{"serve"}, {"run", "slave-to-prod"}, {"runs"}})
        CHECK(contains(run_tidesync(words, {}).err, "check-config"));
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"schedule", "list"}, {"qstash-local"}, {"migrate"}}) {
        const auto run = run_tidesync(words, {});
        CAPTURE(run.err);
        CHECK(run.status == 78);
        CHECK(contains(run.err, "docs/configuration.md"));
        CHECK_FALSE(contains(run.err, "check-config"));
    }
}

TEST_CASE("missing settings are 78, all at once", "[worker][commands]") {
    for (const auto* verb : {"serve", "migrate", "runs"}) {
        const auto run = run_tidesync({verb}, {});
        CAPTURE(verb, run.err);
        CHECK(run.status == 78);
        CHECK(contains(run.err, "PROD_DATABASE_URL"));
        CHECK(run.out.empty());
    }
    const auto run = run_tidesync({"run", "slave-to-prod"}, {});
    CHECK(run.status == 78);
    CHECK(contains(run.err, "SLAVE_DATABASE_URL"));
    CHECK(contains(run.err, "PROD_DATABASE_URL"));
}

TEST_CASE("schedule needs no database, and says what it cannot do without", "[worker][commands]") {
    const auto unset = run_tidesync({"schedule", "list", "--json"}, {});
    CHECK(unset.status == 78);
    CHECK(contains(unset.err, "QSTASH_TOKEN"));
    CHECK_FALSE(contains(unset.err, "DATABASE_URL"));
    CHECK(only_document(unset).at("error").at("code") == "configuration");

    const variables environment{
        {"QSTASH_TOKEN", "hunter2secret"},
        {"QSTASH_URL", "http://127.0.0.1:1"},
        {"TIDESYNC_PUBLIC_URL", "https://sync.example.com"}};
    const auto refused = run_tidesync({"schedule", "create", "--timeout", "20", "--json"}, environment);
    CHECK(refused.status == 64);
    CHECK(contains(refused.err, "28 s or more"));
    CHECK(only_document(refused).at("error").at("code") == "bad_request");
    const auto unreachable = run_tidesync({"schedule", "get", "--json"}, environment);
    CHECK(unreachable.status == 3);
    CHECK(only_document(unreachable).at("error").at("code") == "qstash_unreachable");
    CHECK_FALSE(contains(unreachable.out + unreachable.err, "hunter2secret"));
}

TEST_CASE("setup says everything that is wrong and changes nothing then", "[worker][commands]") {
    const fixture f;
    auto environment = f.environment;
    environment["QSTASH_URL"] = "http://127.0.0.1:1";
    environment["QSTASH_TOKEN"] = "hunter2secret";
    environment["SLAVE_DATABASE_URL"] = "postgresql://postgres:hunter2secret@127.0.0.1:1/app";
    environment.erase("TIDESYNC_ADMIN_TOKEN");
    const auto text = run_tidesync({"setup"}, environment);
    CAPTURE(text.out, text.err);
    CHECK(text.status == 78);
    CHECK(contains(text.out, "problem  TIDESYNC_ADMIN_TOKEN"));
    CHECK(contains(text.out, "problem  slave 127.0.0.1:1/app"));
    CHECK(contains(text.out, "ok       production"));
    CHECK(contains(text.out, "problem  QStash"));
    CHECK(contains(text.out, "nothing was changed"));
    CHECK_FALSE(contains(text.out + text.err, "hunter2secret"));
    const auto document = only_document(run_tidesync({"setup", "--json"}, environment));
    CHECK(document.at("success") == false);
    CHECK(document.at("steps").size() > 5);
}

TEST_CASE("run brings production in step and prints one document", "[worker][commands]") {
    const fixture f;
    const auto dry = only_document(run_tidesync({"run", "slave-to-prod", "--dry-run", "--json"}, f.environment));
    CHECK(dry.at("dry_run") == true);
    CHECK(dry.at("statistics").at("inserted") == 10);
    CHECK(f.databases.production.value("SELECT count(*) FROM item") == "0");

    const auto run = run_tidesync({"run", "slave-to-prod", "--json"}, f.environment);
    CHECK(run.status == 0);
    const auto document = only_document(run);
    CHECK(document.at("success") == true);
    CHECK(document.at("type") == "manual");
    CHECK(document.at("statistics").at("inserted") == 10);
    CHECK(document.at("tables").at(0).at("name") == "public.item");
    CHECK(f.databases.production.value("SELECT count(*) FROM item") == "10");

    const auto text = run_tidesync({"run", "slave-to-prod"}, f.environment);
    CHECK(text.status == 0);
    CHECK(contains(text.out, "public.item"));
}

TEST_CASE("a group of tables is a job of its own, for every way to start it", "[worker][commands][groups]") {
    const fixture f;
    f.databases.run_on_both("CREATE TABLE log (id int PRIMARY KEY, text text)");
    f.databases.slave.run("INSERT INTO log VALUES (1, 'x')");
    const temporary_file job_file{
        "jobs: {slave-to-prod: {groups: {logs: {tables: [public.log], slot_every_s: 3600}}}}\n"};
    auto environment = f.environment;
    environment["TIDESYNC_CONFIG"] = job_file.path;

    const auto checked = only_document(run_tidesync({"check", "slave-to-prod-logs", "--json"}, environment));
    REQUIRE(checked.at("tables").size() == 1);
    CHECK(checked.at("tables").at(0).at("name") == "public.log");
    const auto run = only_document(run_tidesync({"run", "slave-to-prod-logs", "--json"}, environment));
    CHECK(run.at("statistics").at("inserted") == 1);
    CHECK(f.databases.production.value("SELECT count(*) FROM item") == "0");
    CHECK(contains(run_tidesync({"ensure", "slave-to-prod-logs"}, environment).err, "is served by run"));
    const auto other = run_tidesync({"ensure", "slave-to-prod", "--wait"}, environment);
    CHECK(other.status == 0);
    CHECK(contains(other.err, "made run"));
    CHECK(f.databases.production.value("SELECT count(*) FROM item") == "10");
    CHECK(run_tidesync({"pause", "slave-to-prod-logs", "--reason", "quiet"}, environment).status == 0);
    CHECK(contains(run_tidesync({"ensure", "slave-to-prod-logs"}, environment).err, "paused"));
    CHECK(run_tidesync({"resume", "slave-to-prod-logs"}, environment).status == 0);

    const auto unknown = run_tidesync({"run", "slave-to-prod-log"}, environment);
    CHECK(unknown.status == 64);
    CHECK(contains(unknown.err, "there is no job slave-to-prod-log"));
    CHECK(contains(unknown.err, "the jobs are: slave-to-prod, slave-to-prod-logs"));

    const serving worker{environment};
    const auto started = worker.as_person("POST", "/api/jobs/slave-to-prod-logs/runs");
    CHECK(started.status == 200);
    CHECK(nlohmann::json::parse(started.body).at("statistics").at("total_records") == 1);
    const serving::message message{
        .url = std::string{public_url} + "/api/jobs/slave-to-prod-logs/runs",
        .route = "/api/jobs/slave-to-prod-logs/runs"};
    CHECK(worker.deliver(message).status == 200);
    CHECK(contains(worker.as_person("GET", "/metrics").body, R"(job_name="slave-to-prod-logs")"));
    CHECK(worker.as_person("POST", "/api/jobs/slave-to-prod-log/runs").status == 404);
    CHECK(nlohmann::json::parse(worker.as_person("GET", "/api/jobs").body).at("jobs").size() == 2);
}

TEST_CASE("check tells by its exit code whether both sides agree", "[worker][commands]") {
    const fixture f;
    CHECK(run_tidesync({"check", "slave-to-prod"}, f.environment).status == 1);
    REQUIRE(run_tidesync({"run", "slave-to-prod"}, f.environment).status == 0);
    CHECK(run_tidesync({"check", "slave-to-prod"}, f.environment).status == 0);
    const auto document = only_document(run_tidesync({"check", "slave-to-prod", "--json"}, f.environment));
    CHECK(document.at("in_step") == true);
}

TEST_CASE("runs shows the history", "[worker][commands]") {
    const fixture f;
    CHECK(contains(run_tidesync({"runs"}, f.environment).out, "no runs yet"));
    REQUIRE(run_tidesync({"run", "slave-to-prod"}, f.environment).status == 0);
    CHECK(contains(run_tidesync({"runs"}, f.environment).out, "succeeded"));
    const auto document = only_document(run_tidesync({"runs", "--json"}, f.environment));
    REQUIRE(document.at("runs").size() == 1);
    CHECK(document.at("runs").at(0).at("actor").get<std::string>().starts_with("cli "));
}

TEST_CASE("without migrate nothing starts, and the message says so", "[worker][commands]") {
    const database slave{database::on::slave};
    const database production{database::on::production};
    const variables environment{{"SLAVE_DATABASE_URL", slave.url()}, {"PROD_DATABASE_URL", production.url()}};
    const auto run = run_tidesync({"run", "slave-to-prod"}, environment);
    CHECK(run.status == 78);
    CHECK(contains(run.err, "tidesync migrate"));
    CHECK(run_tidesync({"migrate"}, environment).status == 0);
    const auto again = run_tidesync({"migrate"}, environment);
    CHECK(again.status == 0);
    CHECK(contains(again.out, "already"));
}

TEST_CASE("migrate says what it made, and what it left alone", "[worker][commands]") {
    const database production{database::on::production};
    const database kept{database::on::production};
    const auto alone = run_tidesync({"migrate"}, {{"TIDESYNC_QSTASH_DATABASE_URL", kept.url()}});
    CAPTURE(alone.out, alone.err);
    CHECK(alone.status == 0);
    CHECK(contains(alone.out, "scheduler from version 0 to 1"));
    CHECK(contains(alone.out, "production: PROD_DATABASE_URL is not set, left alone"));

    const variables both{{"TIDESYNC_QSTASH_DATABASE_URL", kept.url()}, {"PROD_DATABASE_URL", production.url()}};
    const auto document = only_document(run_tidesync({"migrate", "--json"}, both));
    CHECK(document.at("success") == true);
    CHECK(document.at("notes").empty());
    REQUIRE(document.at("schemas").size() == 3);
    CHECK(document.at("schemas").at(0).at("part") == "production");
    CHECK(document.at("schemas").at(0).at("from") == 0);
    CHECK(document.at("schemas").at(2).at("part") == "scheduler");
    CHECK(document.at("schemas").at(2).at("from") == document.at("schemas").at(2).at("to"));
    const auto again =
        only_document(run_tidesync({"migrate", "--json"}, {{"TIDESYNC_QSTASH_DATABASE_URL", kept.url()}}));
    CHECK(again.at("notes").size() == 1);
    CHECK_FALSE(contains(run_tidesync({"migrate"}, both).out, "left alone"));
}

TEST_CASE("an address that another process has is named, with where to set another", "[worker][commands]") {
    const fixture f;
    const serving first{f.environment};
    const auto taken = "127.0.0.1:" + std::to_string(first.port());
    auto environment = f.environment;
    environment["TIDESYNC_LISTEN"] = taken;
    const auto second = run_tidesync({"serve"}, environment);
    CHECK(second.status == 3);
    CHECK(contains(second.err, "cannot listen on " + taken));
    CHECK(contains(second.err, "another process listens there: stop it, or set TIDESYNC_LISTEN"));
    const auto scheduler = run_tidesync(
        {"qstash-local", "--dev", "--listen", taken}, {{"TIDESYNC_QSTASH_DATABASE_URL", f.databases.production.url()}});
    CHECK(scheduler.status == 3);
    CHECK(contains(scheduler.err, "another process listens there: stop it, or set --listen"));
}

TEST_CASE("schedulers that start at once on a new database all come up", "[worker][commands]") {
    const database kept{database::on::production};
    const std::vector<std::string> words{tidesync_binary(), "qstash-local", "--dev", "--listen", "127.0.0.1:0"};
    const variables environment{{"TIDESYNC_QSTASH_DATABASE_URL", kept.url()}};
    std::vector<std::unique_ptr<process>> running;
    for (int i = 0; i < 3; ++i) running.push_back(std::make_unique<process>(words, environment));
    for (auto& one : running) {
        const auto port = await_listening(*one);
        CHECK(request(port, "GET", "/readyz").status == 200);
    }
    CHECK(kept.value("SELECT count(*) FROM tidesync_qstash.schema_version") == "1");
    CHECK(kept.value("SELECT count(*) FROM tidesync_qstash.account") == "4");
}

TEST_CASE("qstash-local needs no more than the rows that docs/configuration.md lists", "[worker][commands]") {
    const database kept{database::on::production};
    REQUIRE(run_tidesync({"migrate"}, {{"TIDESYNC_QSTASH_DATABASE_URL", kept.url()}}).status == 0);
    const auto role = "scheduler_" + kept.value("SELECT current_database()");
    kept.run("CREATE ROLE " + role + " LOGIN PASSWORD 'only-for-tests'");
    const auto& url = kept.url();
    const auto address = url.substr(url.rfind('@'));
    const variables environment{
        {"TIDESYNC_QSTASH_DATABASE_URL", "postgresql://" + role + ":only-for-tests" + address},
        {"QSTASH_TOKEN", "a-qstash-token-only-for-tests"},
        {"QSTASH_CURRENT_SIGNING_KEY", current_key},
        {"QSTASH_NEXT_SIGNING_KEY", next_key}};
    const std::vector<std::string> words{"qstash-local", "--listen", "127.0.0.1:0"};
    const auto refused = run_tidesync(words, environment);
    CAPTURE(refused.err);
    CHECK(refused.status == 3);
    CHECK(contains(refused.err, "grant the role in TIDESYNC_QSTASH_DATABASE_URL"));

    kept.run("GRANT USAGE ON SCHEMA tidesync_qstash TO " + role);
    kept.run("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tidesync_qstash TO " + role);
    kept.run("GRANT USAGE ON ALL SEQUENCES IN SCHEMA tidesync_qstash TO " + role);
    {
        auto with_binary = words;
        with_binary.insert(with_binary.begin(), tidesync_binary());
        process scheduler{with_binary, environment};
        const auto port = await_listening(scheduler);
        const headers token{{"Authorization", "Bearer a-qstash-token-only-for-tests"}};
        const auto made = request(port, "POST", "/v2/publish/http://127.0.0.1:1/x", token, "{}");
        CHECK(made.status / 100 == 2);
        const auto until = std::chrono::steady_clock::now() + 10s; // claimed, called, logged
        while (kept.value("SELECT count(*) FROM tidesync_qstash.log WHERE state = 'ERROR'") == "0")
            REQUIRE(std::chrono::steady_clock::now() < until);
    }
    kept.run("DROP OWNED BY " + role);
    kept.run("DROP ROLE " + role);
}

TEST_CASE("a database that cannot be used is named, with what to do and without its password", "[worker][commands]") {
    const fixture f;
    struct wrong {
        std::string url;
        std::string expected;
    };
    const auto& good = f.databases.slave.url();
    const auto at = good.find('@');
    const auto host = good.substr(at + 1, good.rfind('/') - at - 1);
    for (const auto& wrong :
         {wrong{"postgresql://postgres:hunter2secret@" + host + "/postgres", "password authentication failed"},
          wrong{"postgresql://postgres:hunter2secret@127.0.0.1:1/app", "could not connect|refused"},
          wrong{good.substr(0, good.rfind('/')) + "/nowhere", "does not exist"}}) {
        auto environment = f.environment;
        environment["SLAVE_DATABASE_URL"] = wrong.url;
        const auto check = run_tidesync({"check", "slave-to-prod"}, environment);
        CAPTURE(check.err);
        CHECK(check.status == 3);
        const auto bar = wrong.expected.find('|');
        CHECK(
            (contains(check.err, wrong.expected.substr(0, bar)) ||
             (bar != std::string::npos && contains(check.err, wrong.expected.substr(bar + 1)))));
        CHECK(contains(check.err, "slave"));
        CHECK_FALSE(contains(check.err, "hunter2secret"));
        CHECK(check.out.empty());
    }
}

TEST_CASE("check-config tests what it can reach and says what is wrong", "[worker][commands]") {
    const fixture f;
    const auto good = run_tidesync({"check-config"}, f.environment);
    CAPTURE(good.out);
    CHECK(good.status == 0);
    CHECK(contains(good.out, "everything"));
    auto environment = f.environment;
    environment.erase("TIDESYNC_ADMIN_TOKEN");
    environment["SLAVE_DATABASE_URL"] = "postgresql://postgres:hunter2secret@127.0.0.1:1/app";
    environment["SUPABASE_URL"] = "https://x.supabase.co";
    const auto bad = run_tidesync({"check-config"}, environment);
    CHECK(bad.status == 78);
    CHECK(contains(bad.out, "TIDESYNC_ADMIN_TOKEN"));
    CHECK(contains(bad.out, "SUPABASE_URL"));
    CHECK(contains(bad.out, "127.0.0.1:1/app"));
    CHECK_FALSE(contains(bad.out + bad.err, "hunter2secret"));
    CHECK(only_document(run_tidesync({"check-config", "--json"}, environment)).at("success") == false);

    auto regional = f.environment;
    regional["EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY"] = "sig_3cTestRegionKeyOnlyForTestsXy";
    regional["EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY"] = "sig_4dTestRegionKeyOnlyForTestsXy";
    CHECK(contains(run_tidesync({"check-config"}, regional).out, "signing key eu-central-1/next is set"));
    CHECK(
        only_document(run_tidesync({"check-config", "--json"}, regional)).at("signing_keys") ==
        nlohmann::json{"current", "next", "eu-central-1/current", "eu-central-1/next"});
}

TEST_CASE("Ctrl-C rolls a run back and writes it down as cancelled", "[worker][commands]") {
    const fixture f;
    f.databases.production.run("INSERT INTO item VALUES (1, 'old')");
    pqxx::connection application{f.databases.production.url()};
    pqxx::work holding{application};
    holding.exec("UPDATE item SET name = 'held' WHERE id = 1");
    process run{{tidesync_binary(), "run", "slave-to-prod"}, f.environment};
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (f.databases.production.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                                        "datname = current_database()") == "0")
        REQUIRE(std::chrono::steady_clock::now() < until);
    run.signal(SIGINT);
    CHECK(run.wait(10s) == 3);
    CHECK(contains(run.err(), "told to stop"));
    CHECK(f.databases.production.value("SELECT state FROM tidesync.run") == "cancelled");
    holding.abort();
    CHECK(f.databases.production.value("SELECT count(*) FROM item") == "1");
}

TEST_CASE("with --json a failure is one document on stdout, too", "[worker][commands]") {
    const fixture f;
    const auto unset = run_tidesync({"run", "slave-to-prod", "--json"}, {});
    CHECK(unset.status == 78);
    CHECK(only_document(unset).at("error").at("code") == "configuration");

    auto environment = f.environment;
    environment["PROD_DATABASE_URL"] = "postgresql://postgres:hunter2secret@127.0.0.1:1/app";
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"run", "slave-to-prod", "--json"}, {"check", "slave-to-prod", "--json"}, {"runs", "--json"}}) {
        const auto unreachable = run_tidesync(words, environment);
        CAPTURE(words.front());
        CHECK(unreachable.status == 3);
        CHECK(only_document(unreachable).at("error").at("code") == "unreachable");
        CHECK_FALSE(contains(unreachable.out + unreachable.err, "hunter2secret"));
    }

    f.databases.production.run("DROP SCHEMA tidesync CASCADE");
    const auto missing = run_tidesync({"runs", "--json"}, f.environment);
    CHECK(missing.status == 78);
    CHECK(only_document(missing).at("error").at("code") == "not_set_up");
}
