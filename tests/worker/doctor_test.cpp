#include "tests/catch.hpp"
#include "worker/doctor_findings.hpp"

#include <algorithm>
#include <fmt/format.h>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

using state = check::state;

/// The states of some findings, as `ok warning`.
std::string states(const std::vector<check>& lines) {
    std::string text;
    for (const auto& line : lines) text += std::string{text.empty() ? "" : " "} + std::string{to_string(line.how)};
    return text;
}

/// The finding that holds these words.
check with(const std::vector<check>& lines, std::string_view words) {
    for (const auto& line : lines)
        if (line.text.find(words) != std::string::npos) return line;
    FAIL("no finding says \"" << words << "\"");
    return {};
}

database_facts healthy(bool slave, bool production, bool run_store) {
    database_facts facts;
    facts.name = slave ? "slave" : production ? "production" : "run store";
    facts.where = "db.example.com:5432/shop";
    facts.is_slave = slave;
    facts.is_production = production;
    facts.is_run_store = run_store;
    facts.server = server_state{};
    facts.server->version = "15.3";
    facts.server->role = "tidesync";
    facts.server->connections_left = 90;
    facts.rights.resize(slave ? 0 : 1);
    return facts;
}

} // namespace

TEST_CASE("a clock is judged by what is sure after the round trip", "[worker][doctor]") {
    struct row {
        std::chrono::milliseconds ahead, unsure;
        state expected;
    };
    for (const auto& row : std::vector<row>{
             {0ms, 1ms, state::ok},
             {900ms, 1ms, state::ok},
             {1001ms, 0ms, state::warning},
             {-1001ms, 0ms, state::warning},
             {1400ms, 500ms, state::ok}, // may be less than a second
             {5000ms, 0ms, state::warning},
             {5001ms, 0ms, state::problem},
             {-9000ms, 100ms, state::problem},
             {5050ms, 100ms, state::warning},
             {100ms, 8000ms, state::ok}}) {
        CAPTURE(row.ahead.count(), row.unsure.count());
        CHECK(judge_clock("slave", {row.ahead, row.unsure}, 5s).how == row.expected);
    }
    const auto behind = judge_clock("slave", {-9s, 0ms}, 5s);
    CHECK_THAT(behind.text, containing("slave: its clock is 9.0 s behind ours"));
    CHECK_THAT(behind.remedy, containing("TIDESYNC_CLOCK_TOLERANCE"));
    CHECK_THAT(judge_clock("slave", {2s, 0ms}, 5s).text, containing("2.0 s ahead of ours"));
}

TEST_CASE("a run store whose last token production has passed is behind", "[worker][doctor]") {
    struct row {
        std::int64_t last, fence;
        state expected;
    };
    for (const auto& row : std::vector<row>{
             {0, 0, state::ok}, {7, 7, state::ok}, {8, 7, state::ok}, {6, 7, state::problem}, {0, 1, state::problem}}) {
        CAPTURE(row.last, row.fence);
        CHECK(judge_tokens(row.last, {row.fence, "slave-to-prod", "today"}, "here:5432/store").how == row.expected);
    }
    const auto behind = judge_tokens(6, {7, "slave-to-prod", "today"}, "here:5432/store");
    CHECK_THAT(behind.text, containing("its last token is 6, production let 7 pass"));
    CHECK_THAT(
        behind.remedy, containing("here:5432/store") && containing("setval('tidesync.lease_token_seq', 1000007);"));
}

TEST_CASE("receipts of runs that nobody knows are counted, and the latest is named", "[worker][doctor]") {
    CHECK(judge_receipts(0, {}).how == state::ok);
    CHECK(judge_receipts(12, {}).how == state::ok);
    const auto some = judge_receipts(12, {{"run-b", "today"}, {"run-a", "yesterday"}});
    CHECK(some.how == state::warning);
    CHECK_THAT(some.text, containing("12 receipts") && containing("2 belong to runs") && containing("run-b of today"));
}

TEST_CASE("ticks and slots are the same or not", "[worker][doctor]") {
    const std::chrono::sys_seconds now{1'790'000'000s};
    struct row {
        const char* cron;
        std::chrono::seconds every;
        state expected;
    };
    for (const auto& row : std::vector<row>{
             {"0 */6 * * *", 6h, state::ok},
             {"@hourly", 1h, state::ok},
             {"*/15 * * * *", 15min, state::ok},
             {"0 0 * * *", 24h, state::ok},
             {"0 */6 * * *", 1h, state::warning},
             {"0 * * * *", 6h, state::warning},
             {"30 */6 * * *", 6h, state::warning},                     // half an hour late, always
             {"0 8-18 * * *", 1h, state::warning},                     // nothing at night
             {"CRON_TZ=Europe/Berlin 0 0 * * *", 24h, state::warning}, // midnight elsewhere
             {"no cron", 6h, state::note}}) {
        CAPTURE(row.cron, row.every.count());
        CHECK(judge_ticks(row.cron, row.every, now).how == row.expected);
    }
}

TEST_CASE("settings that stand in the wrong order are named", "[worker][doctor]") {
    CHECK(states(judge_times({})) == "ok ok note");
    settings config;
    config.delivery_wait = 28s;
    CHECK_THAT(with(judge_times(config), "TIDESYNC_DELIVERY_WAIT is 28 s").text, containing("31 s or more"));
    config = {};
    config.lease = 10s;
    CHECK(with(judge_times(config), "TIDESYNC_LEASE is 10 s").how == state::warning);
    config = {};
    config.run_deadline = 1h;
    CHECK(with(judge_times(config), "run_time_limit_s (21600) is never reached").how == state::warning);
    config = {};
    config.drain_limit = 60s;
    CHECK_THAT(
        with(judge_times(config), "after SIGTERM").remedy, containing("terminationGracePeriodSeconds (--time) to 85"));
    config.drain_limit = 5s;
    CHECK(with(judge_times(config), "after SIGTERM").remedy.empty());
}

TEST_CASE("a server that cannot be written to, or forgets, is told where it matters", "[worker][doctor]") {
    const settings config;
    CHECK(states(judge_server(healthy(true, false, false), config)) == "ok ok");
    CHECK(states(judge_server(healthy(false, true, true), config)) == "ok ok");

    auto standby = healthy(false, true, false);
    standby.server->in_recovery = true;
    CHECK_THAT(with(judge_server(standby, config), "is a standby").remedy, containing("PROD_DATABASE_URL"));
    auto read_only = healthy(false, false, true);
    read_only.server->read_only = true;
    CHECK(with(judge_server(read_only, config), "default_transaction_read_only").how == state::problem);
    auto forgetful = healthy(false, false, true);
    forgetful.server->commits_are_kept = false;
    CHECK(with(judge_server(forgetful, config), "synchronous_commit is off").how == state::warning);
    auto unsafe = healthy(false, true, false);
    unsafe.server->fsync = false;
    CHECK(with(judge_server(unsafe, config), "fsync is off").how == state::warning);

    auto slave = healthy(true, false, false);
    slave.server->in_recovery = slave.server->read_only = true;
    slave.server->fsync = slave.server->commits_are_kept = false;
    slave.server->streaming_delay = 30s;
    CHECK(states(judge_server(slave, config)) == "ok warning ok");
    CHECK_THAT(with(judge_server(slave, config), "for 30 s").remedy, containing("hot_standby_feedback"));
    slave.server->feedback = true;
    CHECK(states(judge_server(slave, config)) == "ok ok ok");
    slave.server->feedback = false;
    slave.server->streaming_delay = -1ms;
    CHECK(states(judge_server(slave, config)) == "ok ok ok");
}

TEST_CASE("a time limit that a run cannot lift is a problem, one that it overrides a note", "[worker][doctor]") {
    const settings config;
    auto production = healthy(false, true, false);
    production.server->transaction_timeout = 2min;
    CHECK(with(judge_server(production, config), "transaction_timeout is 120 s").how == state::problem);
    production.server->transaction_timeout = 24h;
    CHECK(states(judge_server(production, config)) == "ok ok");
    production.server->statement_timeout = 2min;
    CHECK(with(judge_server(production, config), "statement_timeout is 120000 ms").how == state::note);
}

TEST_CASE("too few connections are told, with who limits them", "[worker][doctor]") {
    auto production = healthy(false, true, true);
    CHECK(connections_of_a_worker(production, {}) == 4 * 7 + 10);
    CHECK(connections_of_a_worker(healthy(true, false, false), {}) == 4 * 5);
    settings one_reader;
    one_reader.limits.readers = 1;
    CHECK(connections_of_a_worker(healthy(true, false, false), one_reader) == 4 * 3);
    production.server->connections_left = 37;
    CHECK_THAT(with(judge_server(production, {}), "the server allows 37 more").remedy, containing("max_connections"));
    production.server->connections_left = 90;
    production.server->role_connections_left = -1;
    CHECK_THAT(with(judge_server(production, {}), "the role allows 0 more").remedy, containing("CONNECTION LIMIT 76"));
}

TEST_CASE("a pooler means something else for each database", "[worker][doctor]") {
    auto slave = healthy(true, false, false);
    const auto production = healthy(false, true, false);
    const auto store = healthy(false, false, true);
    for (const auto& one : {slave, production, store}) {
        CHECK(judge_pooler(one, pooler::none, {}).how == state::ok);
        CHECK(judge_pooler(one, pooler::session, {}).how == state::ok);
        CHECK(judge_pooler(one, pooler::statement, {}).how == state::problem);
    }
    CHECK(judge_pooler(store, pooler::transaction, {}).how == state::ok);
    CHECK(judge_pooler(production, pooler::transaction, {}).how == state::note);
    CHECK(judge_pooler(slave, pooler::transaction, {}).how == state::note);
    slave.snapshot_problem = "no answer";
    CHECK(judge_pooler(slave, pooler::transaction, {}).how == state::problem);
}

TEST_CASE("a role that lacks something is a problem, one that may too much a warning", "[worker][doctor]") {
    auto slave = healthy(true, false, false);
    CHECK(states(judge_rights(slave)) == "ok");
    slave.writable_tables = 3;
    slave.writable_example = "public.item";
    CHECK(states(judge_rights(slave)) == "warning");
    slave.server->superuser = true;
    CHECK_THAT(judge_rights(slave).front().text, containing("superuser"));
    slave.server->in_recovery = true; // nobody writes there
    CHECK(states(judge_rights(slave)) == "ok");

    auto store = healthy(false, false, true);
    CHECK(states(judge_rights(store)) == "ok");
    store.rights[0].missing = {"INSERT on tidesync.run"};
    CHECK(states(judge_rights(store)) == "problem");
    CHECK_THAT(judge_rights(store)[0].remedy, containing("GRANT INSERT on tidesync.run TO \"tidesync\";"));
    store.rights[0] = {{}, true, "tidesync.applied"};
    CHECK(states(judge_rights(store)) == "note"); // an owner may everything: one line is enough
    store.rights[0].owner = false;
    CHECK_THAT(judge_rights(store)[0].remedy, containing("REVOKE UPDATE, DELETE, TRUNCATE ON tidesync.applied"));
    store.server->superuser = true;
    CHECK(states(judge_rights(store)) == "warning");
    store.schemas = {{"schema tidesync is missing", "migrate"}, {"schema tidesync is missing", "migrate"}};
    CHECK(states(judge_rights(store)) == "problem");
}

TEST_CASE("tables that row level security hides are a problem only where they are selected", "[worker][doctor]") {
    slave_to_prod::plan plan;
    plan.tables.resize(1);
    plan.tables[0].name = {"public", "item"};
    CHECK(states(judge_tables(plan, {{"public", "other"}}, {})) == "ok");
    CHECK_THAT(
        with(judge_tables(plan, {}, {{"public", "item"}}), "production: row level security").text,
        containing("public.item"));
    plan.problems = {"table public.item: no key"};
    CHECK(states(judge_tables(plan, {}, {})) == "problem");
}

TEST_CASE(
    "a role that may not delete is a problem where rows are to be deleted for good", "[worker][doctor][deletes]") {
    using slave_to_prod::delete_policy;
    slave_to_prod::catalog slave;
    slave_to_prod::catalog production;
    for (const std::string name : {"allowed", "closed", "left_out", "lacking", "marked", "Odd name", "theirs"}) {
        slave.relations[{"public", name}];
        production.relations[{"public", name}].may_delete = name == "allowed";
    }
    production.relations.erase({"public", "theirs"});                     // nothing of it is synced,
    production.relations.at({"public", "closed"}).may_use_schema = false; // nor of this one
    slave_to_prod::table_rules rules{
        .exclude = {"public.left_out"},
        .tables = {
            {.pattern = "public.*", .deletes = delete_policy::hard},
            {.pattern = "public.marked", .deletes = delete_policy::soft}}};
    const auto names = find_undeletable(slave, production, rules);
    REQUIRE(names == std::vector<slave_to_prod::table_name>{{"public", "Odd name"}, {"public", "lacking"}});
    const auto lines = judge_deletes(names, "sync");
    CHECK(states(lines) == "problem");
    CHECK_THAT(lines[0].text, containing("role sync may not delete rows of public.Odd name, public.lacking"));
    CHECK_THAT(
        lines[0].remedy, containing("GRANT DELETE ON \"public\".\"Odd name\", \"public\".\"lacking\" TO \"sync\";"));
    CHECK(judge_deletes({}, "sync").empty());
    rules.tables[0].deletes = delete_policy::off;
    CHECK(find_undeletable(slave, production, rules).empty());
    // The text keeps to a few names, the statement does not.
    const std::vector<slave_to_prod::table_name> many(9, {"public", "t"});
    CHECK_THAT(judge_deletes(many, "sync")[0].text, containing("public.t and 4 more"));
    const auto grant = judge_deletes(many, "sync")[0].remedy;
    CHECK(std::ranges::count(grant, ',') == 8);
}

TEST_CASE("that a job is late matters where somebody expects it", "[worker][doctor]") {
    job_state job{.name = "slave-to-prod", .slot_every = 6h, .success_age = 7h, .scheduled = true};
    CHECK(states(judge_job(job)) == "ok");
    job.late = true;
    CHECK(states(judge_job(job)) == "problem");
    job.scheduled = false; // runs by hand alone
    CHECK(states(judge_job(job)) == "warning");
    job.paused = "by somebody since today: upgrade";
    job.late = false; // never, while it is paused
    job.scheduled = true;
    CHECK(states(judge_job(job)) == "warning warning");
    job = {.name = "slave-to-prod", .slot_every = 6h};
    CHECK(states(judge_job(job)) == "warning");
}

TEST_CASE("dead runs, and runs that no worker takes, are told", "[worker][doctor]") {
    job_state job{.name = "slave-to-prod", .slot_every = 6h, .success_age = 1h};
    job.fallbacks = 1;
    CHECK(with(judge_job(job), "the fallback ran 1 time").how == state::warning);
    job.fallbacks = 0;
    job.dead = 2;
    job.dead_run = "run-a";
    job.dead_code = "data_refused";
    CHECK(states(judge_job(job)) == "ok warning");
    job.dead_since_success = true;
    CHECK_THAT(with(judge_job(job), "2 runs of").remedy, containing("`tidesync runs retry run-a`"));
    CHECK(states(judge_job(job)) == "ok problem");
    job.dead = 0;
    job.waiting = 60s;
    job.lost = 60s;
    CHECK(states(judge_job(job)) == "ok");
    job.waiting = 61s;
    CHECK(with(judge_job(job), "no worker takes it up").how == state::problem);
    job.lost = 61s;
    CHECK(with(judge_job(job), "no other takes it over").how == state::problem);
}

TEST_CASE("the schedule is missing, paused, elsewhere, short or fine", "[worker][doctor]") {
    const std::chrono::sys_seconds now{1'790'000'000s};
    settings config;
    const auto job = config.jobs.front();
    CHECK(states(judge_schedule(job, {}, config, now)) == "warning");
    qstash::schedule found;
    found.schedule_id = "tidesync-slave-to-prod";
    found.cron = "0 */6 * * *";
    found.destination = "https://sync.example.com/api/background/sync/slave-to-prod";
    found.method = "POST";
    CHECK(states(judge_schedule(job, found, config, now)) == "ok note ok");
    found.last_states = {{"msg_1", "SUCCESS"}};
    CHECK(states(judge_schedule(job, found, config, now)) == "ok ok ok");
    found.last_states = {{"msg_1", "FAIL"}};
    CHECK(states(judge_schedule(job, found, config, now)) == "ok warning ok");
    found.last_states = {{"msg_1", "SUCCESS"}};
    found.timeout = 20s;
    CHECK(with(judge_schedule(job, found, config, now), "QStash waits 20 s").how == state::problem);
    found.paused = true;
    CHECK_THAT(
        with(judge_schedule(job, found, config, now), "is paused").remedy, containing("tidesync schedule resume"));
    config.public_url = "https://other.example.com";
    CHECK(with(judge_schedule(job, found, config, now), "not under TIDESYNC_PUBLIC_URL").how == state::warning);
    config.public_url = "https://sync.example.com";
    CHECK(with(judge_schedule(job, found, config, now), "not as this worker needs it").how == state::problem);
    CHECK(judge_dead_letters(0).how == state::ok);
    CHECK(judge_dead_letters(1).how == state::warning);
}

TEST_CASE("a long text is broken between words, a long word is not", "[worker][doctor]") {
    using lines = std::vector<std::string>;
    CHECK(wrapped("", 10).empty());
    CHECK(wrapped("one two", 10) == lines{"one two"});
    CHECK(wrapped("one two three", 7) == lines{"one two", "three"});
    CHECK(wrapped("abcdefghijkl m", 5) == lines{"abcdefghijkl", "m"});
    CHECK(wrapped("abcdefghijkl", 5) == lines{"abcdefghijkl"});
    CHECK(wrapped("one two three", std::string::npos) == lines{"one two three"});
}
