#include "tests/catch.hpp"
#include "tests/support/database.hpp"
#include "worker/run_store.hpp"

#include "jobs/stores/postgres/failure.hpp"

#include <fmt/format.h>
#include <mutex>
#include <set>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;

namespace {

struct fixture {
    pair_of_databases databases;
    run_store store{databases.production.address()};

    fixture() { store.register_job("slave-to-prod"); }

    [[nodiscard]] std::string value(std::string_view sql) const { return databases.production.value(sql); }
};

run_request by_message(const std::string& id, const std::string& jti) {
    return {
        .job = "slave-to-prod",
        .trigger = "qstash",
        .actor = "test",
        .message = message_key{
            .source = "qstash", .message_id = id, .jti = jti, .expires_at = 1'900'000'000, .body_sha256 = "ab12"}};
}

run_request by_person() { return {.job = "slave-to-prod", .trigger = "manual", .actor = "test", .message = {}}; }

void expire(const fixture& f) {
    f.databases.production.run(
        "UPDATE tidesync.run SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'");
}

} // namespace

TEST_CASE("many deliveries of one message at once make one run with one owner", "[worker][store][threads]") {
    fixture f;
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
    fixture f;
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
    fixture f;
    const auto first = f.store.accept(by_message("msg_1", "jwt_1"), "old");
    REQUIRE(first.claimed);
    CHECK_FALSE(f.store.accept(by_message("msg_1", "jwt_2"), "new").claimed);
    expire(f);
    const auto second = f.store.accept(by_message("msg_1", "jwt_3"), "new");
    REQUIRE(second.claimed);
    CHECK(second.run_id == first.run_id);
    CHECK(second.claimed->lease_token > first.claimed->lease_token);
    CHECK(second.claimed->attempt == 2);

    CHECK_FALSE(f.store.heartbeat(*first.claimed, {}));
    CHECK_FALSE(f.store.end(*first.claimed, run_end::succeeded, {}, std::nullopt));
    CHECK(f.store.heartbeat(*second.claimed, {{"phase", "stage"}}));
    CHECK(f.store.end(*second.claimed, run_end::succeeded, {}, std::nullopt) == "succeeded");
    CHECK(f.value("SELECT string_agg(outcome, ',' ORDER BY n) FROM tidesync.attempt") == "lost,succeeded");
}

TEST_CASE("a person's trigger takes over a silent run as well", "[worker][store]") {
    fixture f;
    const auto first = f.store.accept(by_person(), "old");
    CHECK(f.store.accept(by_person(), "new").what == decision::coalesced);
    expire(f);
    const auto second = f.store.accept(by_person(), "new");
    CHECK(second.what == decision::taken_over);
    CHECK(second.run_id == first.run_id);
}

TEST_CASE("a released run does not count its attempt and is taken up again", "[worker][store]") {
    fixture f;
    const auto first = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    CHECK(f.store.end(*first.claimed, run_end::released, {}, std::nullopt) == "retry_wait");
    const auto second = f.store.accept(by_message("msg_1", "jwt_2"), "w");
    REQUIRE(second.claimed);
    CHECK(second.claimed->attempt == 1);
}

TEST_CASE("a delivery of a known message is told how its run ended, once it has", "[worker][store]") {
    fixture f;
    const auto first = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    REQUIRE(first.claimed);
    CHECK_FALSE(f.store.accept(by_message("msg_1", "jwt_2"), "w").ended);
    REQUIRE(
        f.store.end(*first.claimed, run_end::dead, {}, jobs::failure{jobs::failure_code::busy, "m", "h"}) == "dead");
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
    fixture f;
    const auto accepted = f.store.accept(by_person(), "w");
    REQUIRE(
        f.store.end(*accepted.claimed, run_end::dead, {}, jobs::failure{jobs::failure_code::busy, "m", "h"}) == "dead");
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
    fixture f;
    for (const auto* id : {"", "x", "'; DROP TABLE tidesync.run; --", "5f1e9927-a798-46ae-9ff7-c72350e2888g"})
        CHECK_FALSE(f.store.find(id));
    CHECK(f.store.list(10).empty());
}

TEST_CASE("the store comes back after its connections were cut", "[worker][store]") {
    fixture f;
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
    fixture f;
    auto dry = by_person();
    dry.dry_run = true;
    const auto first = f.store.accept(dry, "w");
    const auto second = f.store.accept(by_person(), "w");
    CHECK(first.what == decision::created);
    CHECK(second.what == decision::created);
    CHECK(second.run_id != first.run_id);
    CHECK(f.store.accept(dry, "w").what == decision::created);
    CHECK(f.store.accept(by_person(), "w").run_id == second.run_id);
}
