#include "jobs/slave_to_prod/another_snapshot.hpp"

#include "tests/catch.hpp"

#include <variant>

using namespace tidesync;
using namespace tidesync::slave_to_prod;
using namespace std::chrono_literals;

TEST_CASE(
    "what a standby takes away for its replay is worth another snapshot, and nothing that lasts", "[jobs][snapshot]") {
    struct example {
        broken_reading broken;
        bool conflict;
        bool worth;
    };
    const auto [broken, conflict, worth] = GENERATE(values<example>({
        {{"slave", "40001", true}, true, true},
        {{"slave", "40001", false}, true, true}, // before it could say that it is a standby; a primary never says that
        {{"slave", "40P01", true}, true, true},
        {{"slave", "40P01", false}, false, false}, // a primary does: somebody alters tables there
        {{"slave", "", true}, false, true},        // a connection that was lost without a word
        {{"slave", "08006", true}, false, true},
        {{"slave", "08P01", true}, false, true}, // PgBouncer, of a server that is gone
        {{"slave", "57P01", true}, false, true},
        {{"slave", "57P02", true}, false, true},
        {{"slave", "57P03", true}, false, true},
        {{"slave", "", false}, false, false}, // a primary that is away: the run store waits for longer
        {{"slave", "57P01", false}, false, false},
        {{"slave", "57P04", true}, false, false}, // the database was dropped
        {{"slave", "57014", true}, false, false}, // statement_timeout, or somebody's wish
        {{"slave", "25P03", true}, false, false},
        {{"slave", "42501", true}, false, false},
        {{"slave", "53200", true}, false, false},
        {{"production", "40001", true}, false, false}, // others write there, and it is tried again where it happened
        {{"production", "40P01", true}, false, false},
        {{"production", "", true}, false, false}, // its COMMIT may have happened
        {{"production", "57P01", true}, false, false},
    }));
    CAPTURE(broken.side, broken.sqlstate, broken.standby);
    CHECK(is_recovery_conflict(broken) == conflict);
    CHECK(is_worth_another_snapshot(broken) == worth);
}

TEST_CASE("pauses between snapshots grow, are short, and end", "[jobs][snapshot]") {
    CHECK(pause_before_another_snapshot(1) == 250ms);
    CHECK(pause_before_another_snapshot(2) == 500ms);
    CHECK(pause_before_another_snapshot(5) == 4s);
    CHECK_FALSE(pause_before_another_snapshot(6));
    CHECK_FALSE(pause_before_another_snapshot(7));
    auto all = 0ms;
    for (int taken = 1; const auto pause = pause_before_another_snapshot(taken); ++taken) all += *pause;
    CHECK(all < 8s);
}

TEST_CASE("a standby that cancels every snapshot is told with what to do about it", "[jobs][snapshot]") {
    const auto how = cancelled_each_time(5, 6, "slave: comparing public.a: canceling statement");
    const auto& again = std::get<jobs::retry>(how);
    CHECK_FALSE(again.in_doubt);
    CHECK(again.why.code == jobs::failure_code::busy);
    CHECK(
        again.why.message ==
        "the slave, a standby, cancelled 5 of 6 snapshots for its replay; the last: slave: comparing "
        "public.a: canceling statement");
    CHECK(
        again.why.hint ==
        "on the standby set hot_standby_feedback = on or a longer max_standby_streaming_delay, or let "
        "SLAVE_DATABASE_URL name a primary");
}
