#include "tests/catch.hpp"
#include "worker/alarm_sender.hpp"

#include "tests/support/canned_server.hpp"
#include "tests/support/database.hpp"
#include "tests/support/destination.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

constexpr const char* secret_text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr alarm_sender::rhythm quick{.look = 20ms, .answer_limit = 500ms, .first_pause = 20ms};
const jobs::failure a_failure{jobs::failure_code::plan_refused, "no key", "add one"};

alarm_receiver receiver(const std::string& url) { return {secret{url}, secret{*webhook_key(secret_text)}}; }

template <typename Condition>
bool eventually(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

struct fixture {
    pair_of_databases databases;
    run_store store{databases.production.address()};

    fixture() { store.register_job({.name = "j"}); }

    claimed_run claim(bool dry_run = true) { // dry ones need no turn
        const auto run =
            store.accept({.job = "j", .trigger = "manual", .actor = "test", .dry_run = dry_run, .message = {}}, "w");
        REQUIRE(run.claimed);
        return *run.claimed;
    }
    /// Makes an alarm. @returns the run
    std::string die() {
        const auto run = claim();
        REQUIRE(store.end(run, {.how = run_end::kind::dead}, {}, a_failure) == "dead");
        return run.run_id;
    }
    [[nodiscard]] std::string value(const std::string& sql) const { return databases.production.value(sql); }
    [[nodiscard]] std::string alarms(const std::string& where = "true") const {
        return value("SELECT count(*) FROM tidesync.alarm WHERE " + where);
    }
};

std::string header(const http_request& request, const std::string& name) { return std::string{request.header(name)}; }

} // namespace

TEST_CASE("every way to a dead run leaves one alarm, and other ends leave none", "[worker][store][alarm]") {
    fixture f;
    REQUIRE(f.store.end(f.claim(), {.how = run_end::kind::succeeded}, {}, std::nullopt) == "succeeded");
    REQUIRE(f.store.end(f.claim(), {.how = run_end::kind::cancelled}, {}, a_failure) == "cancelled");
    REQUIRE(f.store.end(f.claim(), {.how = run_end::kind::retry, .after = 1h}, {}, a_failure) == "retry_wait");
    CHECK(f.alarms() == "0");

    const auto ended = f.die();
    CHECK(f.alarms("data ->> 'run' = '" + ended + "'") == "1");
    CHECK(f.value("SELECT data -> 'error' ->> 'code' FROM tidesync.alarm") == "plan_refused");
    CHECK(f.value("SELECT data -> 'error' ->> 'hint' FROM tidesync.alarm") == "add one");
    CHECK(f.value("SELECT data ->> 'attempts' FROM tidesync.alarm") == "1");
    CHECK(f.value("SELECT data ->> 'trigger' FROM tidesync.alarm") == "manual");

    const auto lost = f.claim();
    f.databases.production.run(
        "UPDATE tidesync.run SET crashes = 2, lease_expires_at = now() - interval '1 s' WHERE state = 'running'");
    REQUIRE(f.store.bury_lost(10).size() == 1);
    CHECK(f.alarms("data ->> 'run' = '" + lost.run_id + "' AND data ->> 'crashes' = '3'") == "1");

    f.databases.production.run("UPDATE tidesync.run SET deadline_at = now() WHERE state = 'retry_wait'");
    REQUIRE(f.store.end_late(10).size() == 1);
    CHECK(f.alarms("data -> 'error' ->> 'code' = 'deadline'") == "1");
    CHECK(f.alarms("type = 'run.dead'") == "3");
    CHECK(f.alarms() == "3");
}

TEST_CASE("an alarm is made by the transaction that makes it true, or not at all", "[worker][store][alarm]") {
    fixture f;
    const auto run = f.claim();
    {
        pqxx::connection connection{f.databases.production.url()};
        pqxx::work transaction{connection};
        transaction.exec(
            "UPDATE tidesync.run SET state = 'dead', finished_at = now(), lease_owner = NULL, lease_token = NULL, "
            "lease_expires_at = NULL");
        transaction.abort();
    }
    CHECK(f.alarms() == "0");
    CHECK(f.store.end(run, {.how = run_end::kind::dead}, {}, a_failure) == "dead");
    CHECK(f.store.end(run, {.how = run_end::kind::dead}, {}, a_failure) == "dead"); // asked again
    CHECK(f.alarms() == "1");
}

TEST_CASE(
    "a delivery that QStash gave up and a late job leave alarms, without anybody's words", "[worker][store][alarm]") {
    fixture f;
    CHECK(f.store.add_alarm(
        {.source_message_id = "msg_1",
         .received_at = {},
         .schedule_id = "scd_1",
         .url = "https://sync.example.com/x?canary",
         .method = "POST",
         .status = 503,
         .retried = 3,
         .max_retries = 3,
         .dlq_id = "dlq-1",
         .response = "canary",
         .run_id = {}}));
    CHECK(f.value("SELECT data ->> 'message' FROM tidesync.alarm WHERE type = 'delivery.failed'") == "msg_1");
    CHECK(f.value("SELECT data ->> 'status' FROM tidesync.alarm WHERE type = 'delivery.failed'") == "503");
    CHECK(f.alarms("data::text LIKE '%canary%'") == "0");

    f.databases.production.run("UPDATE tidesync.job SET registered_at = now() - interval '8 hours'");
    CHECK(f.store.note_lateness().size() == 1);
    CHECK(f.store.note_lateness().empty());
    CHECK(f.alarms("type = 'job.late' AND data ->> 'job' = 'j' AND data -> 'error' ->> 'code' = 'late'") == "1");
    REQUIRE(f.store.end(f.claim(false), {.how = run_end::kind::succeeded}, {}, std::nullopt) == "succeeded");
    CHECK(f.store.note_lateness().size() == 1);
    CHECK(f.alarms("type = 'job.recovered' AND data ->> 'because' = 'succeeded'") == "1");
    CHECK(f.alarms() == "3");
}

TEST_CASE("an alarm is tried again until the receiver says 2xx, always the same one", "[worker][alarm][threads]") {
    fixture f;
    const auto run = f.die();
    const canned_server hook{
        {{},
         {{}, canned_answer::then::stall},
         answer(500, "no"),
         answer(302, "", "Location: /elsewhere\r\n"),
         answer(204)}};
    {
        const alarm_sender sender{f.store, receiver(hook.url() + "/hook?token=t"), {}, quick};
        REQUIRE(eventually([&] { return f.alarms("sent_at IS NOT NULL") == "1"; }));
        std::this_thread::sleep_for(200ms);
    }
    const auto requests = hook.requests();
    REQUIRE(requests.size() == 5);
    const auto line_of = [](const std::string& request, const std::string& name) {
        for (const auto& line : header_lines(request))
            if (line.starts_with(name)) return line;
        return std::string{};
    };
    for (const auto& request : requests) {
        CHECK(request_line(request) == "POST /hook?token=t HTTP/1.1");
        CHECK(line_of(request, "webhook-id") == line_of(requests.front(), "webhook-id"));
        CHECK(body_of(request) == body_of(requests.front()));
    }
    const auto body = nlohmann::json::parse(body_of(requests.front()));
    CHECK(body.at("type") == "run.dead");
    CHECK(body.at("data").at("run") == run);
    CHECK(body.at("timestamp").get<std::string>().ends_with("Z"));
    CHECK(f.value("SELECT tries FROM tidesync.alarm") == "5");
    CHECK(f.value("SELECT error IS NULL AND given_up_at IS NULL FROM tidesync.alarm") == "t");
}

TEST_CASE("of two workers one tells of an alarm", "[worker][alarm][threads]") {
    fixture f;
    const destination hook;
    std::map<std::string, int> expected;
    for (int i = 0; i < 20; ++i) expected[f.die()] = 1;
    run_store another{f.databases.production.address()};
    {
        const alarm_sender one{f.store, receiver(hook.url()), {}, quick};
        const alarm_sender two{another, receiver(hook.url()), {}, quick};
        REQUIRE(eventually([&] { return f.alarms("sent_at IS NOT NULL") == "20"; }));
    }
    std::map<std::string, int> told;
    for (const auto& request : hook.requests())
        ++told[nlohmann::json::parse(request.body).at("data").at("run").get<std::string>()];
    CHECK(told == expected);
}

TEST_CASE("an alarm whose worker died while it told of it is told by another, not at once", "[worker][alarm]") {
    fixture f;
    (void)f.die();
    const destination hook;
    const auto before = std::chrono::steady_clock::now();
    const auto taken = f.store.claim_alarm(1500ms);
    REQUIRE(taken);
    CHECK_FALSE(f.store.claim_alarm(1500ms));
    const alarm_sender other{f.store, receiver(hook.url()), {}, quick};
    REQUIRE(hook.await(1));
    CHECK(std::chrono::steady_clock::now() - before >= 1400ms);
    CHECK(header(hook.requests().front(), "webhook-id") == taken->alarm_id);
    REQUIRE(eventually([&] { return f.alarms("sent_at IS NOT NULL") == "1"; }));
    f.store.retry_alarm(*taken, 0ms, "too late"); // it was only asleep: what is sent stays sent
    CHECK(f.alarms("sent_at IS NOT NULL AND error IS NULL") == "1");
}

TEST_CASE("nobody is told of what is older than a day, and it is given up", "[worker][store][alarm]") {
    fixture f;
    (void)f.die();
    f.databases.production.run("UPDATE tidesync.alarm SET made_at = now() - interval '23 hours 59 minutes'");
    const auto last = f.store.claim_alarm(0ms);
    REQUIRE(last);
    f.store.retry_alarm(*last, 4h, "answered 500");
    CHECK(f.store.give_up_alarms(10).empty());
    f.databases.production.run("UPDATE tidesync.alarm SET made_at = made_at - interval '2 minutes', next_try_at = "
                               "next_try_at - interval '2 minutes'");
    CHECK_FALSE(f.store.claim_alarm(0ms));
    const auto lost = f.store.give_up_alarms(10);
    REQUIRE(lost.size() == 1);
    CHECK(lost[0].alarm_id == last->alarm_id);
    CHECK(lost[0].tries == 1);
    CHECK(lost[0].error == "answered 500");
    CHECK(f.store.give_up_alarms(10).empty());
}

TEST_CASE("alarms are forgotten like the runs they tell of, sent or not", "[worker][store][alarm]") {
    fixture f;
    for (int i = 0; i < 3; ++i) (void)f.die();
    f.databases.production.run("UPDATE tidesync.alarm SET made_at = now() - interval '91 days'");
    (void)f.die();
    CHECK(f.store.prune(90, 365, 2) == 2);
    CHECK(f.store.prune(90, 365, 2) == 1);
    CHECK(f.store.prune(90, 365, 2) == 0);
    CHECK(f.alarms() == "1");
}

TEST_CASE("pauses between tries of an alarm grow, by chance, up to four hours", "[worker][alarm]") {
    const std::vector<std::chrono::milliseconds> whole{5s, 20s, 80s, 320s, 1280s, 5120s, 4h, 4h};
    for (std::size_t i = 0; i < whole.size(); ++i)
        for (int n = 0; n < 50; ++n) {
            const auto pause = alarm_pause(static_cast<int>(i) + 1, 5s);
            CHECK(pause >= whole[i] / 2);
            CHECK(pause <= whole[i]);
        }
    CHECK(alarm_pause(1'000'000, 5s) <= 4h);
}
