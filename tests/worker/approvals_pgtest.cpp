#include "tests/catch.hpp"
#include "tests/worker/run_store_fixture.hpp"

#include <fmt/format.h>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

// What a person allowed once: it is used once, by the run that carries it, and it never gets lost on the way to a run.

namespace {

struct fixture : run_store_fixture {
    /// A run that a guard stopped.
    std::string stop(const std::string& difference) {
        const auto run = store.accept(by_person(), "w");
        REQUIRE(run.claimed);
        jobs::report report;
        report.guard = {difference, {"too many rows"}};
        const jobs::failure why{jobs::failure_code::guarded, "stopped", "look"};
        REQUIRE(store.end(*run.claimed, died, report, why) == "dead");
        return run.run_id;
    }

    /// What becomes of `approve`, as `created`, or as in `unapprovable: <why>`.
    std::string approve(const std::string& run_id) {
        const auto accepted = store.accept(approving(run_id), {});
        return std::string{to_string(accepted.what)} + (accepted.why.empty() ? "" : ": " + accepted.why);
    }

    static run_request approving(const std::string& run_id) {
        auto request = by_person();
        request.approves = run_id;
        return request;
    }

    claimed_run begin() {
        let_time_pass();
        auto run = claim("w");
        REQUIRE(run);
        return *run;
    }

    std::string count() const { return value("SELECT count(*) FROM tidesync.run"); }
};

/// What a run may do although a guard objects; empty for nothing.
std::string allowed(const claimed_run& run) {
    return run.approved ? run.approved->run_id + " " + run.approved->difference : std::string{};
}

} // namespace

TEST_CASE("an approval is used once, by all attempts of one run", "[worker][store][guards]") {
    fixture f;
    const auto stopped = f.stop("d1");
    const auto other = f.stop("d2");
    const auto first = f.store.accept(fixture::approving(stopped), "w");
    REQUIRE(first.claimed);
    CHECK(allowed(*first.claimed) == stopped + " d1");
    const auto runs = f.count();
    const auto taken = "unapprovable: run " + first.run_id + " has made its difference already, or is about to";
    CHECK(f.approve(stopped) == taken);
    CHECK(f.store.end(*first.claimed, {.how = run_end::kind::retry}, {}, a_failure) == "retry_wait");
    CHECK(f.approve(stopped) == taken);
    const auto again = f.begin();
    CHECK(allowed(again) == stopped + " d1"); // the first attempt has not made it
    CHECK(f.store.end(again, succeeded, {}, std::nullopt) == "succeeded");
    CHECK(f.approve(stopped) == taken);
    CHECK(f.count() == runs);

    // Neither a plain run nor one that makes up for the stopped one carries what nobody asked for.
    auto redrive = by_person();
    redrive.retry_of = other;
    for (const auto& request : {by_person(), redrive}) {
        const auto plain = f.store.accept(request, "w");
        REQUIRE(plain.claimed);
        CHECK(allowed(*plain.claimed).empty());
        CHECK(f.store.end(*plain.claimed, succeeded, {}, std::nullopt));
    }
    CHECK(f.approve(other) == "created");
}

TEST_CASE("an approval that changed nothing can be given again", "[worker][store][guards]") {
    fixture f;
    const auto stopped = f.stop("d1");
    for (const auto& how : {died, run_end{.how = run_end::kind::cancelled}}) {
        const auto run = f.store.accept(fixture::approving(stopped), "w");
        REQUIRE(run.claimed);
        CHECK(f.store.end(*run.claimed, how, {}, a_failure));
    }
    CHECK(f.store.pause("slave-to-prod", {"ann"}, "release"));
    CHECK(f.approve(stopped) == "skipped");
    CHECK(f.store.resume("slave-to-prod", {"ann"}) == true);
    CHECK(f.approve(stopped) == "created");
    CHECK(allowed(f.begin()) == stopped + " d1");
}

TEST_CASE("that an approval was used is known for as long as it could be used again", "[worker][store][guards]") {
    fixture f;
    const auto stopped = f.stop("d1");
    const auto used = f.store.accept(fixture::approving(stopped), "w");
    CHECK(f.store.end(used.claimed.value(), succeeded, {}, std::nullopt));
    // Dead runs are kept for longer than others.
    f.backdate("UPDATE tidesync.run SET finished_at = now() - interval '100 days'");
    CHECK(f.store.prune(90, 365, 50) == 0);
    CHECK_THAT(f.approve(stopped), containing("unapprovable: run " + used.run_id + " has made its difference already"));
    f.backdate("UPDATE tidesync.run SET finished_at = now() - interval '400 days' WHERE run_id = '" + stopped + "'");
    CHECK(f.store.prune(90, 365, 50) == 1);
    CHECK(f.store.prune(90, 365, 50) == 1);
    CHECK(f.count() == "0");
    CHECK(f.approve(stopped) == "unapprovable: there is no such run of the job");
}

TEST_CASE("a request that approves never joins a run that does not carry it", "[worker][store][guards]") {
    for (const auto policy : {overlap::forbid, overlap::queue_one}) {
        CAPTURE(static_cast<int>(policy));
        fixture f;
        const auto one = f.stop("d1");
        const auto two = f.stop("d2");
        f.store.register_job({.name = "slave-to-prod", .overlap = policy});
        auto dry = by_person();
        dry.dry_run = true;
        REQUIRE(f.store.accept(dry, {}).what == decision::created);

        // The run at work was begun without: the request gets in line behind it, even as a message, which would join
        // it.
        const auto at_work = f.store.accept(by_message("msg_1", "jwt_1"), "w");
        REQUIRE(at_work.claimed);
        auto message = by_message("msg_2", "jwt_2");
        message.approves = one;
        const auto behind = f.store.accept(message, {});
        CHECK(behind.what == decision::queued);
        // Whoever joins that one takes nothing away from it, and another approval is not dropped without a word.
        CHECK(f.store.accept(by_person(), {}).run_id == behind.run_id);
        const auto runs = f.count();
        CHECK(
            f.approve(two) ==
            fmt::format("unapprovable: run {} is in line or has just begun: wait for its end", behind.run_id));
        CHECK(f.count() == runs);
        CHECK(f.store.end(*at_work.claimed, succeeded, {}, std::nullopt));
        f.databases.production.run("DELETE FROM tidesync.run WHERE dry_run");
        const auto next = f.begin();
        CHECK(next.run_id == behind.run_id);
        CHECK(allowed(next) == one + " d1");

        // One in line that nobody approved anything for can carry it.
        const auto in_line = f.store.accept(by_person(), {});
        CHECK(in_line.what == decision::queued);
        const auto joined = f.store.accept(fixture::approving(two), {});
        CHECK(joined.what == decision::coalesced);
        CHECK(joined.run_id == in_line.run_id);
        CHECK(f.store.end(next, succeeded, {}, std::nullopt));
        CHECK(allowed(f.begin()) == two + " d2");
    }
}

TEST_CASE("an approval that meets the run in line as it begins is refused, not lost", "[worker][store][guards]") {
    fixture f;
    const auto stopped = f.stop("d1");
    const auto in_line = f.store.accept(by_person(), {});
    pqxx::connection connection{f.databases.production.url()};
    pqxx::work worker{connection};
    worker.exec(
        "UPDATE tidesync.run SET state = 'running', attempt = 1, lease_owner = 'w', started_at = now(), "
        "lease_token = nextval('tidesync.lease_token_seq'), lease_expires_at = now() + interval '1 minute' "
        "WHERE run_id = '" +
        in_line.run_id + "'");
    std::string told;
    {
        const std::jthread person{[&] { told = f.approve(stopped); }};
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (f.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
                       "current_database()") == "0" &&
               std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(10ms);
        worker.commit();
    }
    CHECK(told == fmt::format("unapprovable: run {} is in line or has just begun: wait for its end", in_line.run_id));
    CHECK(f.value("SELECT count(*) FROM tidesync.run WHERE approves IS NOT NULL") == "0");
    CHECK(f.approve(stopped) == "queued"); // now it is at work, and the next one may
}
