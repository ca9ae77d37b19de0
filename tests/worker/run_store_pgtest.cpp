#include "tests/catch.hpp"
#include "tests/worker/run_store_fixture.hpp"

#include "jobs/stores/postgres/failure.hpp"

#include <atomic>
#include <fmt/format.h>
#include <mutex>
#include <set>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;

TEST_CASE("many deliveries of one message at once make one run with one owner", "[worker][store][threads]") {
    run_store_fixture f;
    std::mutex mutex;
    std::set<std::string> runs;
    int owners = 0;
    {
        std::vector<std::jthread> deliveries;
        for (int i = 0; i < 16; ++i)
            deliveries.emplace_back([&, i] {
                const auto accepted = f.store.accept(by_message("msg_1", fmt::format("jwt_{}", i)), "w");
                const std::scoped_lock lock{mutex};
                runs.insert(accepted.run_id);
                owners += accepted.claimed ? 1 : 0;
            });
    }
    CHECK(runs.size() == 1);
    CHECK(owners == 1);
    CHECK(f.value("SELECT deliveries FROM tidesync.message") == "16");
}

TEST_CASE("many messages at once share the one active run", "[worker][store][threads]") {
    run_store_fixture f;
    {
        std::vector<std::jthread> deliveries;
        for (int i = 0; i < 16; ++i)
            deliveries.emplace_back(
                [&, i] { (void)f.store.accept(by_message(fmt::format("msg_{}", i), fmt::format("jwt_{}", i)), "w"); });
    }
    CHECK(f.value("SELECT count(*) FROM tidesync.run") == "1");
    CHECK(f.value("SELECT count(*) FROM tidesync.message") == "16");
}

TEST_CASE("a run whose worker fell silent is taken over, and the old worker can change nothing", "[worker][store]") {
    run_store_fixture f;
    const auto first = f.store.accept(by_message("msg_1", "jwt_1"), "old");
    REQUIRE(first.claimed);
    CHECK(f.store.bury_lost(10).empty());
    CHECK_FALSE(f.claim("new"));
    f.let_time_pass();
    const auto buried = f.store.bury_lost(10);
    REQUIRE(buried.size() == 1);
    CHECK(buried[0].run_id == first.run_id);
    CHECK(buried[0].worker == "old");
    CHECK(buried[0].state == "retry_wait");
    CHECK_FALSE(f.claim("new")); // not at once: what kills its worker must not kill all of them in a row
    f.let_time_pass();
    const auto second = f.claim("new");
    REQUIRE(second);
    CHECK(second->run_id == first.run_id);
    CHECK(second->lease_token > first.claimed->lease_token);
    CHECK(second->attempt == 1); // the lost one counts apart

    CHECK_FALSE(f.store.heartbeat(*first.claimed, {}).held);
    CHECK_FALSE(f.store.end(*first.claimed, succeeded, {}, std::nullopt));
    CHECK(f.store.heartbeat(*second, {{"phase", "stage"}}).held);
    CHECK(f.store.end(*second, succeeded, {}, std::nullopt) == "succeeded");
    CHECK(f.value("SELECT string_agg(outcome, ',' ORDER BY lease_token) FROM tidesync.attempt") == "lost,succeeded");
}

TEST_CASE("a request that comes while a run is active joins it or makes one more, by policy", "[worker][store]") {
    run_store_fixture f;
    const auto at_work = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    const auto joined = f.store.accept(by_message("msg_2", "jwt_2"), "w");
    CHECK(joined.what == decision::coalesced);
    CHECK(joined.run_id == at_work.run_id);

    const auto person = f.store.accept(by_person(), "w"); // wants what the slave has now
    CHECK(person.what == decision::queued);
    CHECK_FALSE(person.claimed);
    CHECK(person.run_id != at_work.run_id);
    CHECK(f.store.accept(by_person(), "w").run_id == person.run_id);
    CHECK(f.store.accept(by_message("msg_3", "jwt_3"), "w").run_id == person.run_id); // starts later: serves it better
    CHECK_FALSE(f.claim("w"));
    CHECK(f.store.end(*at_work.claimed, succeeded, {}, std::nullopt) == "succeeded");
    const auto next = f.claim("w");
    REQUIRE(next);
    CHECK(next->run_id == person.run_id);

    f.store.register_job({.name = "slave-to-prod", .overlap = overlap::queue_one});
    const auto one_more = f.store.accept(by_message("msg_4", "jwt_4"), "w");
    CHECK(one_more.what == decision::queued);
    CHECK(f.store.accept(by_message("msg_5", "jwt_5"), "w").run_id == one_more.run_id);
    CHECK(f.value("SELECT count(*) FROM tidesync.run") == "3");
}

TEST_CASE("a run that failed and may pass is tried again after its pause, five times at most", "[worker][store]") {
    run_store_fixture f;
    auto run = *f.store.accept(by_person(), "w").claimed;
    for (int attempt = 1; attempt <= 5; ++attempt) {
        CHECK(run.attempt == attempt);
        const auto state =
            f.store.end(run, {.how = run_end::kind::retry, .after = std::chrono::seconds{50}}, {}, a_failure);
        CHECK(state == (attempt < 5 ? "retry_wait" : "dead"));
        if (attempt == 5) break;
        CHECK_FALSE(f.claim("w"));
        f.let_time_pass();
        run = *f.claim("w");
    }
    CHECK(f.store.find(run.run_id)->error.at("code") == "busy");
}

TEST_CASE("a released run does not count its attempt and is taken up again", "[worker][store]") {
    run_store_fixture f;
    const auto first = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    CHECK(f.store.end(*first.claimed, released, {}, std::nullopt) == "retry_wait");
    const auto second = f.claim("w");
    REQUIRE(second);
    CHECK(second->run_id == first.run_id);
    CHECK(second->attempt == 1);
}

TEST_CASE("a cancelled run ends at once when nobody works on it, and else as its worker ends it", "[worker][store]") {
    run_store_fixture f;
    const auto running = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    const auto waiting = f.store.accept(by_person(), "w");
    CHECK(f.store.cancel(waiting.run_id, {"somebody"}) == "cancelled");
    CHECK_FALSE(f.store.cancel(waiting.run_id, {"somebody"}));
    CHECK(f.store.find(waiting.run_id)->cancelled_by == "somebody");

    CHECK_FALSE(f.store.heartbeat(*running.claimed, {}).cancelled);
    CHECK(f.store.cancel(running.run_id, {"somebody"}) == "running");
    CHECK(f.store.heartbeat(*running.claimed, {}).cancelled);
    const auto how = GENERATE(as<run_end>{}, succeeded, died, released, run_end{.how = run_end::kind::retry});
    CHECK(
        f.store.end(*running.claimed, how, {}, std::nullopt) ==
        (how.how == run_end::kind::succeeded ? "succeeded" : "cancelled"));
}

TEST_CASE("a paused job starts nothing, says why, and goes on where it was", "[worker][store]") {
    run_store_fixture f;
    const auto before = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    CHECK(f.store.end(*before.claimed, released, {}, std::nullopt) == "retry_wait");
    CHECK(f.store.pause("slave-to-prod", {"ann"}, "release"));
    CHECK(f.store.pause("slave-to-prod", {"ben"}, "again")); // the first one counts
    CHECK_FALSE(f.store.pause("unknown", {"ann"}, "release"));
    CHECK_FALSE(f.claim("w"));

    const auto skipped = f.store.accept(by_message("msg_2", "jwt_2"), "w");
    CHECK(skipped.what == decision::skipped);
    CHECK(skipped.run_id != before.run_id);
    const auto shown = f.store.find(skipped.run_id);
    CHECK(shown->state == "skipped");
    CHECK_THAT(shown->error.at("message").get<std::string>(), containing("paused by ann: release"));
    CHECK(f.store.accept(by_message("msg_2", "jwt_3"), "w").what == decision::attached);
    auto dry = by_person();
    dry.dry_run = true;
    CHECK(f.store.accept(dry, "w").claimed);

    CHECK(f.store.list_jobs().at(0).paused_by == "ann");
    CHECK(f.store.resume("slave-to-prod", {"ann"}) == true);
    CHECK(f.store.resume("slave-to-prod", {"ann"}) == false);
    CHECK_FALSE(f.store.resume("unknown", {"ann"}));
    CHECK(f.claim("w")->run_id == before.run_id);
}

TEST_CASE("a run that waits past its deadline is dead, and a running one is told", "[worker][store]") {
    run_store_fixture f;
    const auto running = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    const auto waiting = f.store.accept(by_person(), "w");
    CHECK(f.store.end_late(10).empty());
    CHECK_FALSE(f.store.heartbeat(*running.claimed, {}).late);
    f.databases.production.run("UPDATE tidesync.run SET deadline_at = now() - interval '1 s'");
    CHECK(f.store.heartbeat(*running.claimed, {}).late);
    const auto late = f.store.end_late(10);
    REQUIRE(late.size() == 1);
    CHECK(late[0].run_id == waiting.run_id);
    CHECK(f.store.find(waiting.run_id)->error.at("code") == "deadline");
    CHECK(f.store.end(*running.claimed, {.how = run_end::kind::retry}, {}, a_failure) == "dead");
}

TEST_CASE("only one of many workers gets a run that waits", "[worker][store][threads]") {
    run_store_fixture f;
    f.store.accept(by_person(), {});
    std::atomic<int> got = 0;
    {
        std::vector<std::jthread> workers;
        for (int i = 0; i < 8; ++i)
            workers.emplace_back([&, i] { got += f.claim(fmt::format("w{}", i)).has_value() ? 1 : 0; });
    }
    CHECK(got == 1);
    CHECK_FALSE(f.store.claim_next("other", {"another-job"}));
}

TEST_CASE(
    "a slot is served by a run under way, by one that succeeded in it, or by the fallback's own", "[worker][store]") {
    run_store_fixture f;
    const run_request request{.job = "slave-to-prod", .trigger = "cronjob", .actor = "test", .message = {}};
    using kind = run_store::fallback::kind;

    auto dry = by_person();
    dry.dry_run = true;
    CHECK(f.store.end(*f.store.accept(dry, "w").claimed, succeeded, {}, std::nullopt) == "succeeded"); // serves nobody
    const auto made = f.store.ensure(request);
    REQUIRE(made.what == kind::created);
    CHECK(f.store.ensure(request).what == kind::served);
    const auto run = f.claim("w");
    REQUIRE(run);
    CHECK(f.store.end(*run, died, {}, a_failure) == "dead");
    const auto again = f.store.ensure(request); // it must not run again and again
    CHECK(again.what == kind::served);
    CHECK(again.run.state == "dead");

    f.backdate("UPDATE tidesync.run SET slot = slot - interval '6 hours' WHERE trigger = 'cronjob'");
    CHECK(f.store.end(*f.store.accept(by_message("msg_1", "jwt_1"), "w").claimed, succeeded, {}, std::nullopt));
    CHECK(f.store.ensure(request).run.trigger == "qstash");
    f.backdate("UPDATE tidesync.run SET started_at = started_at - interval '7 hours'");
    CHECK(f.store.pause("slave-to-prod", {"ann"}, "release"));
    CHECK(f.store.ensure(request).what == kind::paused);
    CHECK(f.store.resume("slave-to-prod", {"ann"}) == true);
    CHECK(f.store.ensure(request).what == kind::created);
}

TEST_CASE("a run that gets no more attempts serves no slot", "[worker][store]") {
    run_store_fixture f;
    const auto run = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    const run_request request{.job = "slave-to-prod", .trigger = "cronjob", .actor = "test", .message = {}};
    CHECK(f.store.ensure(request).what == run_store::fallback::kind::served);
    SECTION("it is being cancelled") { CHECK(f.store.cancel(run.run_id, {"somebody"}) == "running"); }
    SECTION("it lost its worker for the last time") {
        f.databases.production.run("UPDATE tidesync.run SET crashes = 2");
        f.let_time_pass();
        CHECK(f.store.bury_lost(10).size() == 1);
    }
    CHECK(f.store.ensure(request).what == run_store::fallback::kind::created);
}

TEST_CASE("many fallbacks at once make one run", "[worker][store][threads]") {
    run_store_fixture f;
    std::atomic<int> made = 0;
    {
        std::vector<std::jthread> pods;
        for (int i = 0; i < 8; ++i)
            pods.emplace_back([&] {
                const auto found =
                    f.store.ensure({.job = "slave-to-prod", .trigger = "cronjob", .actor = "test", .message = {}});
                made += found.what == run_store::fallback::kind::created ? 1 : 0;
            });
    }
    CHECK(made == 1);
}

TEST_CASE("old runs are forgotten with all that belongs to them, dead ones later", "[worker][store]") {
    run_store_fixture f;
    const auto finish = [&](const std::string& id, const run_end& how) {
        const auto run = f.store.accept(by_message("msg_" + id, "jwt_" + id), "w");
        CHECK(f.store.end(*run.claimed, how, {}, a_failure));
        return run.run_id;
    };
    const auto good = finish("1", succeeded);
    const auto dead = finish("2", died);
    f.backdate(
        "UPDATE tidesync.run SET finished_at = now() - interval '100 days' WHERE run_id = '" + good +
        "'; UPDATE tidesync.run SET finished_at = now() - interval '200 days' WHERE run_id = '" + dead + "'");
    const auto young = finish("3", succeeded);
    auto redrive = by_person();
    redrive.retry_of = dead;
    CHECK(f.store.end(*f.store.accept(redrive, "w").claimed, succeeded, {}, std::nullopt));
    delivery_alarm alarm;
    alarm.source_message_id = "msg_1";
    CHECK(f.store.add_alarm(alarm));
    for (const auto* id : {"msg_unknown_old", "msg_unknown_young"}) {
        alarm.source_message_id = id;
        CHECK(f.store.add_alarm(alarm));
    }
    f.databases.production.run("UPDATE tidesync.delivery_alarm SET received_at = now() - interval '91 days' "
                               "WHERE source_message_id = 'msg_unknown_old'");

    CHECK(f.store.prune(90, 365, 50) == 1);
    CHECK_FALSE(f.store.find(good));
    CHECK(f.store.find(dead));
    CHECK(f.store.find(young));
    CHECK(f.value("SELECT count(*) FROM tidesync.message") == "2");
    CHECK(f.value("SELECT string_agg(source_message_id, ' ') FROM tidesync.delivery_alarm") == "msg_unknown_young");
    f.backdate("UPDATE tidesync.run SET finished_at = now() - interval '500 days'");
    int forgotten = 0;
    for (int n = 1; n > 0; forgotten += n)
        n = f.store.prune(90, 365, 1); // a run goes after the one that made up for it
    CHECK(forgotten == 3);
    CHECK(f.value("SELECT count(*) FROM tidesync.attempt") == "0");
}

TEST_CASE("a delivery of a known message is told how its run ended, once it has", "[worker][store]") {
    run_store_fixture f;
    const auto first = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    REQUIRE(first.claimed);
    CHECK_FALSE(f.store.accept(by_message("msg_1", "jwt_2"), "w").ended);
    REQUIRE(f.store.end(*first.claimed, died, {}, a_failure) == "dead");
    const auto again = f.store.accept(by_message("msg_1", "jwt_3"), "w");
    CHECK(again.what == decision::attached);
    CHECK_FALSE(again.claimed);
    REQUIRE(again.ended);
    const auto shown = f.store.find(first.run_id);
    REQUIRE(shown);
    CHECK(again.ended->run_id == first.run_id);
    CHECK(again.ended->state == "dead");
    CHECK(again.ended->error == shown->error);
    CHECK(again.ended->finished_at == shown->finished_at);
    CHECK(again.ended->report.has_value());
    CHECK(f.value("SELECT deliveries FROM tidesync.message") == "3");
}

TEST_CASE("a run that ended stays as it ended", "[worker][store]") {
    run_store_fixture f;
    const auto accepted = f.store.accept(by_person(), "w");
    REQUIRE(f.store.end(*accepted.claimed, died, {}, a_failure) == "dead");
    CHECK_THROWS_WITH(
        f.databases.production.run("UPDATE tidesync.run SET state = 'running', lease_owner = 'w', lease_token = 1, "
                                   "lease_expires_at = now(), finished_at = NULL"),
        tidesync::tests::containing("illegal run transition dead -> running"));
    const auto shown = f.store.find(accepted.run_id);
    REQUIRE(shown);
    CHECK(shown->error.at("code") == "busy");
    CHECK(f.store.accept(by_person(), "w").what == decision::created);
}

TEST_CASE("what is no run id finds no run", "[worker][store]") {
    run_store_fixture f;
    for (const auto* id : {"", "x", "'; DROP TABLE tidesync.run; --", "5f1e9927-a798-46ae-9ff7-c72350e2888g"})
        CHECK_FALSE(f.store.find(id));
    CHECK(f.store.list(10).empty());
}

TEST_CASE("the store comes back after its connections were cut", "[worker][store]") {
    run_store_fixture f;
    f.store.ping();
    f.databases.production.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    f.store.ping();
    CHECK(f.store.accept(by_person(), "w").what == decision::created);
}

TEST_CASE("a store that is gone is an error that names it", "[worker][store]") {
    auto gone = std::make_unique<database>(database::on::production);
    run_store store{gone->address()};
    gone.reset();
    CHECK_THROWS_AS(store.ping(), postgres::error);
}

TEST_CASE("a request that wants changes never joins a dry run", "[worker][store]") {
    run_store_fixture f;
    auto dry = by_person();
    dry.dry_run = true;
    const auto first = f.store.accept(dry, "w");
    const auto second = f.store.accept(by_person(), "w");
    CHECK(first.what == decision::created);
    CHECK(second.what == decision::created);
    CHECK(second.run_id != first.run_id);
    CHECK(f.store.accept(dry, "w").what == decision::created);
    CHECK(f.store.accept(by_person(), "w").what == decision::queued); // behind the other that wants changes
}

TEST_CASE("a job has only so many dry runs at once, and others do not count", "[worker][store]") {
    run_store_fixture f;
    auto dry = by_person();
    dry.dry_run = true;
    std::optional<claimed_run> one;
    for (int i = 0; i < run_store::dry_runs_max; ++i) {
        auto accepted = f.store.accept(dry, i % 2 == 0 ? "w" : "");
        CHECK(accepted.what == decision::created);
        if (accepted.claimed) one = std::move(accepted.claimed);
    }
    const auto audited = f.value("SELECT count(*) FROM tidesync.audit");
    const auto refused = f.store.accept(dry, "w");
    CHECK(refused.what == decision::crowded);
    CHECK(refused.run_id.empty());
    CHECK(f.value("SELECT count(*) FROM tidesync.run") == "3");
    CHECK(f.value("SELECT count(*) FROM tidesync.audit") == audited);
    CHECK(f.store.accept(by_person(), "w").what == decision::created);
    REQUIRE(one);
    REQUIRE(f.store.end(*one, succeeded, {}, std::nullopt) == "succeeded");
    CHECK(f.store.accept(dry, "w").what == decision::created);
}

TEST_CASE("whoever holds the row of one run keeps nobody from the others", "[worker][store]") {
    run_store_fixture f;
    auto dry = by_person();
    dry.dry_run = true;
    const auto held = f.store.accept(dry, {});
    const auto other = f.store.accept(dry, {});
    pqxx::connection holder{f.databases.production.url()};
    std::optional<pqxx::work> lock;
    const auto hold = [&] {
        lock.emplace(holder);
        lock->exec("SELECT FROM tidesync.run WHERE run_id = '" + held.run_id + "' FOR UPDATE");
    };
    hold();
    const auto claimed = f.claim("w");
    REQUIRE(claimed);
    CHECK(claimed->run_id == other.run_id);
    lock.reset();
    REQUIRE(f.claim("w"));
    f.let_time_pass();
    hold();
    const auto buried = f.store.bury_lost(10);
    REQUIRE(buried.size() == 1);
    CHECK(buried[0].run_id == other.run_id);
}
