#include "tests/catch.hpp"
#include "tests/support/serving.hpp"
#include "tests/worker/environment.hpp"

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

struct fixture {
    pair_of_databases databases;
    variables environment = worker_environment(databases);

    fixture() {
        environment["TIDESYNC_LEASE"] = "3";
        databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
        databases.slave.run("INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 10) i");
        databases.production.run("INSERT INTO item VALUES (1, 'old')");
    }

    [[nodiscard]] finished tell(const std::vector<std::string>& words) const {
        return run_tidesync(words, environment);
    }
    [[nodiscard]] std::string value(std::string_view sql) const { return databases.production.value(sql); }
    [[nodiscard]] std::string latest(std::string_view column) const {
        return value("SELECT " + std::string{column} + " FROM tidesync.run ORDER BY created_at DESC LIMIT 1");
    }
    void await(std::string_view sql, std::string_view expected) const {
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (value(sql) != expected) {
            CAPTURE(sql, expected);
            REQUIRE(std::chrono::steady_clock::now() < until);
            std::this_thread::sleep_for(20ms);
        }
    }
};

/// The words of the first line that begins with this one, a blank between any two of them.
std::string words_of(const std::string& text, const std::string& first) {
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string all;
        for (std::string word; words >> word;) all += (all.empty() ? "" : " ") + word;
        if (all.starts_with(first)) return all;
    }
    return "no line begins with " + first + ": " + text;
}

/// The application, holding the row that the sync has to change.
class held_row {
public:
    explicit held_row(const database& production)
        : connection_{production.url()}
        , transaction_{connection_} {
        transaction_.exec("UPDATE item SET name = 'held' WHERE id = 1");
    }
    void let_go() { transaction_.abort(); }

private:
    pqxx::connection connection_;
    pqxx::work transaction_;
};

/// Of this database: other tests use the same server.
constexpr const char* somebody_waits =
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";

/// Kills a command in the middle of its transaction.
void leave_a_lost_run(const fixture& f) {
    const held_row row{f.databases.production};
    process killed{{tidesync_binary(), "run", "slave-to-prod"}, f.environment};
    f.await(somebody_waits, "t");
    killed.signal(SIGKILL);
    REQUIRE(killed.wait(10s));
}

} // namespace

TEST_CASE("one run is shown with all that is known about it", "[worker][commands]") {
    const fixture f;
    REQUIRE(f.tell({"run", "slave-to-prod"}).status == 0);
    const auto id = f.latest("run_id");
    const auto shown = f.tell({"runs", "show", id});
    CAPTURE(shown.out);
    CHECK(shown.status == 0);
    for (const auto* part : {"succeeded", " (manual)", "cli ", "public.item", "slave-to-prod"})
        CHECK(contains(shown.out, part));
    CHECK(nlohmann::json::parse(f.tell({"runs", "show", id, "--json"}).out).at("run") == id);
    const auto unknown = f.tell({"runs", "show", "none"});
    CHECK(unknown.status == 3);
    CHECK(contains(unknown.err, "there is no run none"));
    CHECK(run_tidesync({"runs", "show", "--help"}, {}).status == 0);
}

TEST_CASE("a cancelled run ends while its command waits for it", "[worker][commands]") {
    const fixture f;
    held_row row{f.databases.production};
    process run{{tidesync_binary(), "run", "slave-to-prod"}, f.environment};
    f.await(somebody_waits, "t");
    const auto id = f.latest("run_id");
    const auto cancelled = f.tell({"runs", "cancel", id});
    CHECK(cancelled.status == 0);
    CHECK(contains(cancelled.out, "roll it back"));
    CHECK(run.wait(10s) == 3);
    CHECK(f.latest("state") == "cancelled");
    const auto late = f.tell({"runs", "cancel", id});
    CHECK(late.status == 3);
    CHECK(contains(late.err, "the run has ended: it is cancelled"));
    row.let_go();
    CHECK(f.value("SELECT count(*) FROM item") == "1");
}

TEST_CASE("a dead run is made up for by a new one, once a worker is there", "[worker][commands]") {
    const fixture f;
    f.databases.production.run("ALTER TABLE item ADD CHECK (id <> 7)");
    CHECK(f.tell({"run", "slave-to-prod"}).status == 3);
    const auto dead = f.latest("run_id");
    CHECK(f.latest("state") == "dead");
    f.databases.production.run("ALTER TABLE item DROP CONSTRAINT item_id_check");
    const auto again = f.tell({"runs", "retry", dead, "--json"});
    CAPTURE(again.err);
    REQUIRE(again.status == 0);
    CHECK(f.latest("state") == "queued");
    CHECK(f.latest("retry_of") == dead);
    const serving worker{f.environment};
    f.await("SELECT state FROM tidesync.run WHERE trigger = 'redrive'", "succeeded");
    CHECK(contains(f.tell({"runs", "retry", f.latest("run_id")}).err, "the run is succeeded"));
}

TEST_CASE("one dry run too many is refused to everybody, and none is made", "[worker][commands]") {
    const fixture f;
    const serving worker{f.environment};
    const auto add = [&](int count) {
        f.databases.production.run(
            "INSERT INTO tidesync.run (job, state, trigger, actor, dry_run, run_after, deadline_at) "
            "SELECT 'slave-to-prod', 'queued', 'manual', 'test', true, now() + interval '1 hour', "
            "now() + interval '1 day' FROM generate_series(1, " +
            std::to_string(count) + ")");
    };
    add(3);
    const auto person = worker.as_person("POST", sync_route, R"({"dry_run": true})");
    CHECK(person.status == 429);
    CHECK(person.headers.contains("retry-after"));
    CHECK(contains(person.body, "3 dry runs of slave-to-prod have not ended yet"));
    const auto queue = worker.deliver({.body = R"({"dry_run": true})"});
    CHECK(queue.status == 429);
    CHECK_FALSE(queue.headers.contains("retry-after")); // QStash has more patience than that
    const auto command = f.tell({"run", "slave-to-prod", "--dry-run", "--json"});
    CHECK(command.status == 3);
    CHECK(nlohmann::json::parse(command.out).at("error").at("code") == "too_many_requests");
    CHECK(f.value("SELECT count(*) FROM tidesync.run") == "3");
    CHECK(worker.deliver({.id = "msg_2", .jti = "jwt_2"}).status == 200);

    f.databases.production.run("UPDATE tidesync.run SET cancel_requested_at = now(), cancelled_by = 'x', "
                               "state = 'cancelled', finished_at = now() WHERE run_id IN "
                               "(SELECT run_id FROM tidesync.run WHERE dry_run LIMIT 1)");
    const auto cancelled = f.value("SELECT run_id FROM tidesync.run WHERE state = 'cancelled'");
    add(1);
    const auto again = worker.as_person("POST", "/api/runs/" + cancelled + "/retry");
    CHECK(again.status == 429);
    CHECK(again.headers.contains("retry-after"));
    const auto retried = f.tell({"runs", "retry", cancelled, "--json"});
    CHECK(retried.status == 3);
    CHECK(nlohmann::json::parse(retried.out).at("error").at("code") == "too_many_requests");
}

TEST_CASE("a run in doubt that is cancelled is looked at first, says the command", "[worker][commands]") {
    const fixture f;
    REQUIRE(f.tell({"run", "slave-to-prod"}).status == 0);
    f.databases.production.run(
        "INSERT INTO tidesync.run (job, state, trigger, actor, run_after, deadline_at, in_doubt) "
        "VALUES ('slave-to-prod', 'retry_wait', 'manual', 'test', now() + interval '1 hour', "
        "now() + interval '1 day', true)");
    const auto told = f.tell({"runs", "cancel", f.value("SELECT run_id FROM tidesync.run WHERE in_doubt")});
    CHECK(told.status == 0);
    CHECK(contains(told.out, "a worker looks first"));
    CHECK(f.value("SELECT end_due FROM tidesync.run WHERE in_doubt") == "cancelled");
}

TEST_CASE("a paused job is not run, and everybody sees why", "[worker][commands]") {
    const fixture f;
    CHECK(contains(f.tell({"pause", "slave-to-prod", "--reason", "x"}).err, "no worker has ever served"));
    REQUIRE(f.tell({"run", "slave-to-prod", "--dry-run"}).status == 0);
    CHECK(process{{tidesync_binary(), "pause", "slave-to-prod", "--reason", ""}, f.environment}.wait(20s) == 64);
    REQUIRE(f.tell({"pause", "slave-to-prod", "--reason", "schema\nchange"}).status == 0);
    const auto run = f.tell({"run", "slave-to-prod"});
    CHECK(run.status == 3);
    CHECK(contains(run.err, "tidesync resume slave-to-prod"));
    CHECK(contains(run.err, "schema?change"));
    CHECK(contains(f.tell({"runs", "show", f.latest("run_id")}).out, "schema?change"));
    CHECK(contains(f.tell({"runs"}).out, "is paused since"));
    CHECK(contains(f.tell({"runs"}).out, "schema?change"));
    const auto ensured = f.tell({"ensure", "slave-to-prod", "--wait"});
    CHECK(ensured.status == 0);
    CHECK(contains(ensured.err, "the job is paused"));
    CHECK(contains(f.tell({"resume", "slave-to-prod"}).out, "may start again"));
    CHECK(contains(f.tell({"resume", "slave-to-prod"}).out, "was not paused"));
    CHECK(f.tell({"run", "slave-to-prod"}).status == 0);
}

TEST_CASE("whoever waits for a run learns that its job was paused meanwhile", "[worker][commands]") {
    const fixture f;
    REQUIRE(f.tell({"run", "slave-to-prod"}).status == 0);
    f.databases.production.run("INSERT INTO tidesync.run (job, state, trigger, actor, run_after, deadline_at) VALUES "
                               "('slave-to-prod', 'queued', 'manual', 'test', now() + interval '1 hour', "
                               "now() + interval '1 day')");
    process command{{tidesync_binary(), "run", "slave-to-prod"}, f.environment};
    const auto says = [&](std::string_view words) {
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (!contains(command.err(), words) && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(20ms);
        return contains(command.err(), words);
    };
    REQUIRE(says("waits in line already"));
    REQUIRE(f.tell({"pause", "slave-to-prod", "--reason", "release"}).status == 0);
    CHECK(says("no attempt begins until `tidesync resume slave-to-prod`"));
    command.signal(SIGINT);
    CHECK(command.wait(10s) == 3);
}

TEST_CASE("ensure runs a slot that nobody served, once, and says why it did or did not", "[worker][commands]") {
    const fixture f;
    const auto first = f.tell({"ensure", "slave-to-prod", "--slot", "current", "--wait"});
    CAPTURE(first.err);
    CHECK(first.status == 0);
    CHECK(contains(first.err, "nothing has served slot"));
    CHECK(f.value("SELECT count(*) FROM item") == "10");
    const auto second = f.tell({"ensure", "slave-to-prod", "--wait", "--json"});
    CHECK(second.status == 0);
    CHECK(nlohmann::json::parse(second.out).at("decision") == "served");
    CHECK(f.value("SELECT count(*) FROM tidesync.run") == "1");
    CHECK(f.latest("trigger") == "cronjob");

    f.databases.production.run(
        "SET LOCAL session_replication_role = replica; UPDATE tidesync.run SET slot = slot - interval '6 hours', "
        "started_at = started_at - interval '6 hours'; ALTER TABLE item ADD CHECK (id <> 11)");
    f.databases.slave.run("INSERT INTO item VALUES (11, 'n')");
    CHECK(f.tell({"ensure", "slave-to-prod", "--wait"}).status == 3);
    const auto again = f.tell({"ensure", "slave-to-prod", "--wait"}); // the slot had its run, and it must not look well
    CHECK(again.status == 3);
    CHECK(contains(again.err, "had its run, which is dead"));
    CHECK(f.value("SELECT count(*) FROM tidesync.run") == "2");
}

TEST_CASE("ensure ends what a killed worker left, instead of calling it served", "[worker][commands]") {
    const fixture f;
    leave_a_lost_run(f);
    CHECK(f.tell({"ensure", "slave-to-prod"}).status == 0); // without --wait it only looks
    const auto ensured = f.tell({"ensure", "slave-to-prod", "--wait"});
    CAPTURE(ensured.err);
    CHECK(ensured.status == 0);
    CHECK(contains(ensured.err, "under way"));
    CHECK(f.value("SELECT string_agg(state, ',') FROM tidesync.run") == "succeeded");
}

TEST_CASE("a run that somebody else asked for survives Ctrl-C, and every run SIGTERM", "[worker][commands]") {
    const fixture f;
    REQUIRE(f.tell({"run", "slave-to-prod", "--dry-run"}).status == 0);
    const int signal = GENERATE(SIGINT, SIGTERM);
    if (signal == SIGINT)
        f.databases.production.run("INSERT INTO tidesync.run (job, state, trigger, actor) VALUES "
                                   "('slave-to-prod', 'queued', 'manual', 'somebody else')");
    held_row row{f.databases.production};
    process joined{{tidesync_binary(), "run", "slave-to-prod"}, f.environment};
    f.await(somebody_waits, "t"); // it works on that run
    joined.signal(signal);
    CHECK(joined.wait(20s) == 3);
    CHECK(contains(joined.err(), "the run goes on without this command"));
    CHECK(f.value("SELECT state FROM tidesync.run WHERE NOT dry_run") == "retry_wait");
}

TEST_CASE("a command takes up what a killed one left, and then does its own", "[worker][commands]") {
    const fixture f;
    leave_a_lost_run(f);
    const auto next = f.tell({"run", "slave-to-prod"});
    CAPTURE(next.err);
    CHECK(next.status == 0);
    CHECK(contains(next.err, "waiting for its turn"));
    CHECK(f.value("SELECT string_agg(state, ',') FROM tidesync.run") == "succeeded,succeeded");
    CHECK(
        f.value("SELECT string_agg(outcome, ',' ORDER BY lease_token) FROM tidesync.attempt") ==
        "lost,succeeded,succeeded");
}

TEST_CASE("Ctrl-C takes a run that waits out of the line", "[worker][commands]") {
    const fixture f;
    const serving worker{f.environment};
    held_row row{f.databases.production};
    std::jthread delivery{[&] { (void)worker.deliver({}); }};
    f.await(somebody_waits, "t");
    process waiting{{tidesync_binary(), "run", "slave-to-prod"}, f.environment};
    f.await("SELECT count(*) FROM tidesync.run WHERE state = 'queued'", "1");
    waiting.signal(SIGINT);
    CHECK(waiting.wait(10s) == 3);
    CHECK(f.value("SELECT state FROM tidesync.run WHERE trigger = 'manual'") == "cancelled");
    row.let_go();
    delivery.join();
    CHECK(f.value("SELECT state FROM tidesync.run WHERE trigger = 'qstash'") == "succeeded");
}

TEST_CASE("what a run deleted stands in its answer and in the history", "[worker][commands][deletes]") {
    fixture f;
    const temporary_file file{"jobs: {slave-to-prod: {tables: {public.item: {delete: hard}}}}"};
    f.environment["TIDESYNC_CONFIG"] = file.path;
    f.databases.production.run("INSERT INTO item VALUES (11, 'gone'), (12, 'gone')");
    const auto run = f.tell({"run", "slave-to-prod", "--json"});
    CAPTURE(run.err);
    REQUIRE(run.status == 0);
    const auto answer = nlohmann::json::parse(run.out);
    CHECK(answer.at("statistics").at("deleted") == 2);
    CHECK(contains(answer.at("message").get<std::string>(), "9 rows inserted, 1 updated, 2 deleted"));

    const auto id = f.latest("run_id");
    const auto shown = f.tell({"runs", "show", id});
    CHECK(words_of(shown.out, "table").starts_with("table rows inserted updated deleted unchanged "));
    CHECK(words_of(shown.out, "public.item").starts_with("public.item 10 9 1 2 0 "));
    CHECK(words_of(shown.out, "all").starts_with("all 10 9 1 2 0 "));
    const auto history = f.tell({"runs"}).out;
    CHECK(words_of(history, "started").ends_with(" rows inserted updated deleted run"));
    CHECK(contains(words_of(history, "20"), " 10 9 1 2 " + id)); // the year it started in

    const serving worker{f.environment};
    for (const auto& text :
         {f.tell({"runs", "show", id, "--json"}).out, worker.as_person("GET", "/api/runs/" + id).body}) {
        const auto table = nlohmann::json::parse(text).at("report").at("tables").at(0);
        CHECK(table.at("name") == "public.item");
        CHECK(table.at("deleted") == 2);
    }
}

TEST_CASE("what a guard stopped is approved by name, once", "[worker][commands][guards]") {
    const fixture f;
    f.databases.slave.run("INSERT INTO item SELECT i, 'new' FROM generate_series(11, 300) i");
    f.databases.production.run("INSERT INTO item SELECT i, 'old' FROM generate_series(2, 300) i");
    const auto old = f.value("SELECT md5(string_agg(item::text, ',' ORDER BY id)) FROM item");
    const auto stopped = f.tell({"run", "slave-to-prod", "--json"});
    CAPTURE(stopped.out, stopped.err);
    CHECK(stopped.status == 4);
    const auto id = f.latest("run_id");
    CHECK(f.latest("state") == "dead");
    CHECK(nlohmann::json::parse(stopped.out).at("error").at("code") == "guarded");
    CHECK(contains(stopped.out, "--approve " + id));
    CHECK(f.value("SELECT md5(string_agg(item::text, ',' ORDER BY id)) FROM item") == old);
    const auto shown = f.tell({"runs", "show", id});
    CHECK(contains(shown.out, "guarded"));
    CHECK(contains(shown.out, "300")); // what it would have done

    const auto wrong = f.tell({"run", "slave-to-prod", "--approve", "0f0e0d0c-0000-4000-8000-000000000000"});
    CHECK(wrong.status == 3);
    CHECK(contains(wrong.err, "there is no such run of the job"));
    CHECK(f.tell({"run", "slave-to-prod", "--approve", "nonsense"}).status == 3);
    CHECK(f.tell({"run", "slave-to-prod", "--approve", id, "--dry-run"}).status == 64);

    const auto approved = f.tell({"run", "slave-to-prod", "--approve", id});
    CAPTURE(approved.err);
    CHECK(approved.status == 0);
    CHECK(f.value("SELECT count(*) FROM item WHERE name = 'old'") == "0");
    CHECK(f.latest("result ->> 'approved'") == id);
    // The very same difference once more: it was let through once.
    f.databases.production.run("UPDATE item SET name = 'old' WHERE id > 1");
    const auto runs = f.value("SELECT count(*) FROM tidesync.run");
    const auto again = f.tell({"run", "slave-to-prod", "--approve", id});
    CHECK(again.status == 3);
    CHECK(contains(again.err, "has made its difference already"));
    CHECK(f.value("SELECT count(*) FROM tidesync.run") == runs);
    CHECK(f.value("SELECT count(*) FROM item WHERE name = 'old'") == "299");
    CHECK(f.tell({"run", "slave-to-prod"}).status == 4);
    CHECK(contains(f.tell({"audit"}).out, "approves"));
}
