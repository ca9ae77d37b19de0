#include "tests/catch.hpp"
#include "tests/worker/run_store_fixture.hpp"

using namespace tidesync::tests;
using namespace tidesync::worker;

TEST_CASE("a run that loses its worker three times gets a last look and is dead", "[worker][store]") {
    run_store_fixture f;
    const auto run = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    std::string pauses;
    std::optional<claimed_run> claimed;
    for (int crash = 1; crash <= 3; ++crash) {
        f.let_time_pass();
        const auto buried = f.store.bury_lost(10);
        REQUIRE(buried.size() == 1);
        CHECK(buried[0].crashes == crash);
        CHECK(buried[0].state == "retry_wait");
        pauses += f.value("SELECT round(extract(epoch FROM run_after - clock_timestamp())) FROM tidesync.run") + ' ';
        f.let_time_pass();
        claimed = f.claim("w");
        REQUIRE(claimed);
        CHECK(claimed->last_look == (crash == 3));
    }
    // Whoever looks may not be able to tell; then another one looks, and nobody tries the run again.
    CHECK(f.store.end(*claimed, {.how = run_end::kind::in_doubt}, {}, a_failure) == "retry_wait");
    claimed = f.claim("w");
    REQUIRE(claimed);
    CHECK(claimed->last_look);
    CHECK(f.store.end(*claimed, {.how = run_end::kind::settled}, {}, std::nullopt) == "dead");
    CHECK(pauses == "1 2 0 ");
    const auto shown = f.store.find(run.run_id);
    CHECK(shown->error.at("code") == "lost");
    CHECK(shown->crashes == 3);
}

TEST_CASE("a message that comes while the end of a run is due gets a run of its own", "[worker][store]") {
    run_store_fixture f;
    const auto run = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    SECTION("it is being cancelled") { CHECK(f.store.cancel(run.run_id, {"somebody"}) == "running"); }
    SECTION("it lost its worker for the last time") {
        f.databases.production.run("UPDATE tidesync.run SET crashes = 2");
        f.let_time_pass();
        CHECK(f.store.bury_lost(10).at(0).state == "retry_wait");
    }
    CHECK(f.store.accept(by_message("msg_2", "jwt_2"), "w").what == decision::queued);
}

TEST_CASE(
    "a cancelled run whose worker falls silent is cancelled after a last look, not tried again", "[worker][store]") {
    run_store_fixture f;
    const auto run = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    CHECK(f.store.cancel(run.run_id, {"somebody"}) == "running");
    f.let_time_pass();
    CHECK(f.store.bury_lost(10).at(0).state == "retry_wait");
    CHECK(f.store.pause("slave-to-prod", {"ann"}, "release")); // does not keep the truth from coming out
    const auto look = f.claim("w");
    REQUIRE(look);
    CHECK(look->last_look);
    SECTION("it had done nothing") {
        CHECK(f.store.end(*look, {.how = run_end::kind::settled}, {}, std::nullopt) == "cancelled");
    }
    SECTION("it had committed") { CHECK(f.store.end(*look, succeeded, {}, std::nullopt) == "succeeded"); }
    SECTION("nobody can tell yet") {
        CHECK(f.store.end(*look, {.how = run_end::kind::in_doubt}, {}, a_failure) == "retry_wait");
        CHECK(f.claim("w")->last_look);
    }
    SECTION("whoever looks falls silent as well") {
        f.let_time_pass();
        CHECK(f.store.bury_lost(10).at(0).state == "retry_wait");
        f.let_time_pass();
        CHECK(f.claim("w")->last_look);
    }
}

TEST_CASE("an end that comes while an earlier attempt is in doubt is only due", "[worker][store]") {
    run_store_fixture f;
    const auto run = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    SECTION("the answer to the last COMMIT was lost, and there is no further attempt") {
        f.databases.production.run("UPDATE tidesync.run SET attempt = max_attempts");
        CHECK(f.store.end(*run.claimed, {.how = run_end::kind::in_doubt}, {}, a_failure) == "retry_wait");
    }
    SECTION("a sleeping attempt, and the next one dies of something else") {
        f.let_time_pass();
        CHECK(f.store.bury_lost(10).size() == 1);
        f.let_time_pass();
        const auto next = f.claim("w");
        CHECK_FALSE(next->last_look);
        CHECK(f.store.end(*next, died, {}, a_failure) == "retry_wait");
    }
    SECTION("a sleeping attempt, and its run is cancelled") {
        f.let_time_pass();
        CHECK(f.store.bury_lost(10).size() == 1);
        CHECK(f.store.cancel(run.run_id, {"somebody"}) == "retry_wait");
    }
    SECTION("a sleeping attempt, and the deadline passes") {
        f.let_time_pass();
        CHECK(f.store.bury_lost(10).size() == 1);
        f.databases.production.run("UPDATE tidesync.run SET deadline_at = now() - interval '1 s'");
        CHECK(f.store.end_late(10).size() == 1);
        CHECK(f.store.end_late(10).empty());
    }
    const auto look = f.claim("w");
    REQUIRE(look);
    CHECK(look->last_look);
    const auto over = f.store.end(*look, {.how = run_end::kind::settled}, {}, std::nullopt);
    CHECK((over == "dead" || over == "cancelled"));
    CHECK(f.store.find(run.run_id)->error.is_object()); // why it had no further attempt
}

TEST_CASE("a run keeps the error for which its end is due, whatever its last looks meet", "[worker][store]") {
    run_store_fixture f;
    const auto run = f.store.accept(by_message("msg_1", "jwt_1"), "w");
    f.databases.production.run("UPDATE tidesync.run SET attempt = max_attempts");
    const tidesync::jobs::failure unanswered{tidesync::jobs::failure_code::unreachable, "COMMIT", "h"};
    REQUIRE(f.store.end(*run.claimed, {.how = run_end::kind::in_doubt}, {}, unanswered) == "retry_wait");
    auto look = f.claim("w");
    REQUIRE(f.store.end(*look, {.how = run_end::kind::in_doubt}, {}, a_failure) == "retry_wait");
    CHECK(f.store.find(run.run_id)->error.at("message") == "COMMIT");
    look = f.claim("w");
    REQUIRE(look);
    f.let_time_pass();
    REQUIRE(f.store.bury_lost(10).size() == 1);
    CHECK(f.store.find(run.run_id)->error.at("message") == "COMMIT");
    look = f.claim("w");
    REQUIRE(look);
    CHECK(look->failure->message == "COMMIT");
    SECTION("nothing was done") {
        CHECK(f.store.end(*look, {.how = run_end::kind::settled}, {}, look->failure) == "dead");
        CHECK(f.store.find(run.run_id)->error.at("message") == "COMMIT");
    }
    SECTION("it had ended well") {
        CHECK(f.store.end(*look, succeeded, {}, std::nullopt) == "succeeded");
        CHECK(f.store.find(run.run_id)->error.is_null());
    }
    CHECK(f.value("SELECT error ->> 'message' FROM tidesync.attempt ORDER BY lease_token OFFSET 1 LIMIT 1") == "m");
}
