#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"
#include "tests/support/standby.hpp"

#include <array>
#include <chrono>
#include <fmt/format.h>
#include <thread>
#include <utility>

using namespace tidesync;
using namespace tidesync::tests;
using namespace std::chrono_literals;

// The slave is a hot standby, and its replay will not wait for those who read it.

namespace {

/// The job reads a standby of the slave. Its snapshots are counted, and can be disturbed at any place.
struct standby_fixture {
    sync_fixture f;
    standby replica;
    int snapshots = 0; ///< that the verb of `run` took
    std::string phase;
    std::function<void()> on_phase = [] {};                  ///< of the first snapshot only
    std::function<void(std::int64_t)> on_rows = [](auto) {}; ///< the same

    standby_fixture() {
        f.slave_url = replica.url(f.both.slave);
        f.rules.guards.changed_percent_max = 100; // every row has its generation
        f.progress.on_phase = [this](std::string_view name) {
            phase = name;
            if (phase == "plan") ++snapshots;
            if (snapshots == 1) on_phase();
        };
        f.progress.on_rows = [this](std::string_view, std::int64_t rows) {
            if (snapshots == 1) on_rows(rows);
        };
    }

    template <typename Verb>
    jobs::result run(Verb&& verb) {
        replica.catch_up(f.both.slave);
        snapshots = 0;
        return verb();
    }
    jobs::result sync() {
        return run([this] { return f.sync(); });
    }

    /// Whatever was done on the slave so far is cleared away there, which nobody's snapshot on the standby can bear.
    void clear_away() const {
        f.both.slave.run("UPDATE small SET n = n + 1");
        pqxx::connection connection{f.both.slave.url()};
        pqxx::nontransaction{connection}.exec("VACUUM small");
    }

    /// Waits until the replay has hit so many sessions or statements more than before.
    template <typename Disturbance>
    void disturb(int hits, std::chrono::milliseconds patience, Disturbance&& disturbance) const {
        const auto wanted = replica.conflicts(f.both.slave) + hits;
        disturbance();
        const auto until = std::chrono::steady_clock::now() + patience;
        while (replica.conflicts(f.both.slave) < wanted && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(20ms);
    }

    /// `small`, which the slave changes, and `big`, more than connections hold back: a COPY of it is under way for as
    /// long as nobody reads on. Filled on the slave only.
    void make_tables() const {
        f.both.run_on_both("CREATE TABLE big (id int PRIMARY KEY, filler text); "
                           "CREATE TABLE small (id int PRIMARY KEY, n int)");
        f.both.slave.run("INSERT INTO big SELECT i, repeat('x', 4000) FROM generate_series(1, 12000) AS i; "
                         "INSERT INTO small SELECT i, 0 FROM generate_series(1, 10) AS i");
    }
};

/// Changes all rows of both tables in one transaction, again and again, and clears the old ones away.
void churn(const std::stop_token& over, const std::string& url) {
    pqxx::connection connection{url};
    while (!over.stop_requested()) {
        {
            pqxx::work transaction{connection};
            transaction.exec("UPDATE a SET generation = generation + 1; UPDATE b SET generation = generation + 1");
            transaction.commit();
        }
        pqxx::nontransaction now{connection};
        now.exec("VACUUM a");
        now.exec("VACUUM b");
        std::this_thread::sleep_for(30ms);
    }
}

/// So that each of them has a reader, on the slave and in production.
void make_both_large(standby_fixture& s) {
    s.f.both.run_on_both("ALTER TABLE small ADD filler text");
    s.f.both.slave.run("TRUNCATE big, small; "
                       "INSERT INTO big SELECT i, repeat('x', 400) FROM generate_series(1, 12000) AS i; "
                       "INSERT INTO small SELECT i, 0, repeat('x', 400) FROM generate_series(1, 2000) AS i");
    s.f.both.production.run("TRUNCATE big, small; INSERT INTO big VALUES (1, ''); INSERT INTO small VALUES (1, 7)");
}

} // namespace

TEST_CASE("twenty syncs succeed from a standby whose replay cancels them all the time", "[jobs][standby]") {
    standby_fixture s;
    auto& [slave, production] = s.f.both;
    s.f.both.run_on_both("CREATE TABLE a (id int PRIMARY KEY, generation int NOT NULL, filler text); "
                         "CREATE TABLE b (id int PRIMARY KEY, generation int NOT NULL, filler text)");
    // Both are large enough for a reader of their own.
    slave.run("INSERT INTO a SELECT i, 1, repeat('x', 200) FROM generate_series(1, 2000) AS i; "
              "INSERT INTO b SELECT i, 1, repeat('x', 800) FROM generate_series(1, 500) AS i");
    REQUIRE(ending(s.sync()) == "done");

    constexpr int syncs = 20;
    int retaken = 0;
    int last = 0;
    const auto hit_before = s.replica.conflicts(slave);
    {
        const std::jthread writer{churn, slave.url()};
        for (int i = 0; i < syncs; ++i) {
            // Half of them stand still where a snapshot is held, until it is lost. Before a load that is "apply", too.
            const std::array<std::string, 4> places{"compare", "stage", "apply", "compare"};
            const auto& place = places.at(static_cast<std::size_t>(i / 2 % 4));
            s.on_phase = [&, i] {
                if (i % 2 == 0 && s.phase == place) s.disturb(1, 5s, [] {});
            };
            if (place == "apply") production.run("TRUNCATE b");
            CAPTURE(i, place);
            s.snapshots = 0;
            REQUIRE(ending(s.f.sync()) == "done");
            retaken += s.snapshots - 1;
            CHECK(s.f.staging() == none);

            const auto found =
                production.run("SELECT min(generation), max(generation), count(*) FROM "
                               "(SELECT generation FROM a UNION ALL SELECT generation FROM b) AS both_tables")[0];
            CHECK(found[0].as<int>() == found[1].as<int>()); // never mixed
            CHECK(found[0].as<int>() >= last);               // and never back
            CHECK(found[2].as<int>() == 2500);
            last = found[0].as<int>();
        }
    }
    const auto hit = s.replica.conflicts(slave) - hit_before;
    WARN(fmt::format("{} snapshots of {} were cancelled, generation {}", retaken, syncs + retaken, last));
    CHECK(retaken >= 8); // or it was no test
    CHECK(hit >= retaken);
    CHECK(last > syncs);
    s.on_phase = [] {};
    REQUIRE(ending(s.sync()) == "done");
    CHECK(s.f.difference("a") == none);
    CHECK(s.f.difference("b") == none);
}

TEST_CASE("a standby says that it is one before it is asked anything", "[jobs][standby]") {
    standby_fixture s;
    const auto says = [](const std::string& url) {
        return postgres::session{postgres::address::parse(url), "slave", {}, {}}.in_hot_standby();
    };
    CHECK(says(s.replica.url(s.f.both.slave)));
    CHECK_FALSE(says(s.f.both.slave.url()));
}

TEST_CASE("a table that is altered while it is read from a standby is read again", "[jobs][standby]") {
    standby_fixture s;
    s.make_tables();
    s.f.both.production.run("INSERT INTO big VALUES (1, 'not to be loaded')");
    bool altered = false;
    s.on_rows = [&](std::int64_t rows) {
        if (s.phase != "stage" || rows < 4096) return;
        if (altered) return std::this_thread::sleep_for(500ms); // the statement is still under way when it is hit
        s.disturb(1, 3s, [&] { s.f.both.slave.run("ALTER TABLE big ADD note text"); });
        altered = true;
    };
    const auto result = s.sync();
    CHECK(ending(result) == "done");
    CHECK(altered);
    CHECK(s.snapshots == 2);
    CHECK(s.replica.conflicts(s.f.both.slave, "confl_lock") >= 2); // the session that stood idle, and the statement
    CHECK(written(result, "public.big") == "+11999 ~1 =0");
    CHECK(lacking(warnings(result), {"note"}) == none); // which the first snapshot did not have
    CHECK(s.f.difference("big") == none);
    CHECK(s.f.staging() == none);
}

TEST_CASE("a load that a standby cancels rolls back and begins anew", "[jobs][standby]") {
    standby_fixture s;
    s.make_tables();
    bool cleared = false;
    s.on_rows = [&](std::int64_t rows) {
        if (s.phase != "apply" || rows < 4096) return;
        if (cleared) return std::this_thread::sleep_for(500ms);
        s.disturb(1, 3s, [&] { s.clear_away(); });
        cleared = true;
    };
    std::string left = "never looked";
    const auto count = s.f.progress.on_phase;
    s.f.progress.on_phase = [&](std::string_view name) {
        count(name);
        if (name == "plan" && s.snapshots == 2) left = s.f.both.production.value("SELECT count(*) FROM big");
    };
    const auto result = s.sync();
    CHECK(ending(result) == "done");
    CHECK(cleared);
    CHECK(s.snapshots == 2);
    CHECK(left == "0");
    CHECK(written(result, "public.big") == "+12000 ~0 =0");
    CHECK(s.f.difference("big") == none);
    CHECK(s.f.difference("small") == none);
}

TEST_CASE("a standby that ends sessions which stand idle is read again", "[jobs][standby]") {
    standby_fixture s;
    s.make_tables();
    s.f.both.run_on_both("TRUNCATE big");
    s.f.both.production.run("INSERT INTO small VALUES (1, 7)");
    SECTION("for its replay, during a sync") {
        s.on_phase = [&] {
            if (s.phase == "compare") s.disturb(2, 10s, [&] { s.clear_away(); });
        };
        CHECK(ending(s.sync()) == "done");
        CHECK(s.replica.conflicts(s.f.both.slave, "confl_snapshot") == 2); // both sessions
        CHECK(s.snapshots == 2);
        CHECK(s.f.difference("small") == none);
    }
    SECTION("for its replay, during a check of small tables, where one session holds the snapshot") {
        s.on_phase = [&] {
            if (s.phase == "compare") s.disturb(1, 10s, [&] { s.clear_away(); });
        };
        const auto result = s.run([&] { return s.f.check(); });
        CHECK(ending(result) == "done");
        CHECK(s.replica.conflicts(s.f.both.slave, "confl_snapshot") == 1);
        CHECK(s.snapshots == 2);
        CHECK(found(result, "public.small") == "missing 9, different 1, extra 0 of 10");
    }
    SECTION("for its replay, while a second reader waits for its connections") {
        make_both_large(s);
        s.on_phase = [&] {
            if (s.phase == "compare") s.disturb(2, 10s, [&] { s.clear_away(); });
        };
        CHECK(ending(s.sync()) == "done");
        CHECK(s.snapshots == 2);
        CHECK(s.f.difference("small") == none);
        CHECK(s.f.difference("big") == none);
    }
    SECTION("by an operator's hand") {
        const auto end_sessions = [&](const auto& run) {
            const std::string reading = "FROM pg_stat_activity WHERE application_name = 'tidesync' AND "
                                        "state = 'idle in transaction'";
            CHECK(run("SELECT count(pg_terminate_backend(pid)) " + reading) == "2");
            while (run("SELECT count(*) " + reading) != "0") std::this_thread::sleep_for(5ms);
        };
        s.on_phase = [&] {
            if (s.phase == "compare") end_sessions([&](const std::string& sql) { return s.replica.value(sql); });
        };
        CHECK(ending(s.sync()) == "done");
        CHECK(s.snapshots == 2);
        s.f.slave_url = s.f.both.slave.url(); // on a primary that means something else
        s.on_phase = [&] {
            if (s.phase == "compare") end_sessions([&](const std::string& sql) { return s.f.both.slave.value(sql); });
        };
        CHECK(lacking(ending(s.sync()), {"retry unreachable: slave: "}) == none);
        CHECK(s.snapshots == 1);
    }
}

// Its replay waits for those who held the snapshot when it began to wait, not for whoever borrowed it since.
TEST_CASE("what was read in a borrowed snapshot does not count when its owner is gone", "[jobs][standby]") {
    standby_fixture s;
    s.make_tables();
    make_both_large(s);
    const auto owner = std::this_thread::get_id();
    bool ended = false;
    s.on_rows = [&](std::int64_t) {
        if (s.phase != "compare" || std::this_thread::get_id() == owner || std::exchange(ended, true)) return;
        // The first of the sessions, once it has nothing to do.
        const std::string end_owner =
            "SELECT pg_terminate_backend(pid) FROM (SELECT * FROM pg_stat_activity WHERE application_name = 'tidesync' "
            "AND backend_type = 'client backend' ORDER BY backend_start LIMIT 1) AS owner "
            "WHERE state = 'idle in transaction' AND state_change < clock_timestamp() - interval '0.5 s'";
        const auto until = std::chrono::steady_clock::now() + 10s;
        while (s.replica.value(end_owner) != "t" && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(20ms);
    };
    SECTION("of a sync") {
        CHECK(ending(s.sync()) == "done");
        CHECK(s.f.difference("small") == none);
        CHECK(s.f.difference("big") == none);
    }
    SECTION("of a check") {
        const auto result = s.run([&] { return s.f.check(); });
        CHECK(ending(result) == "done");
        CHECK(found(result, "public.big") == "missing 11999, different 1, extra 0 of 12000");
    }
    CHECK(ended);
    CHECK(s.snapshots == 2);
}

TEST_CASE(
    "a standby that cancels every snapshot is told with what to do, and a stop is not waited for", "[jobs][standby]") {
    standby_fixture s;
    s.make_tables();
    s.f.both.run_on_both("TRUNCATE big");
    s.f.both.production.run("INSERT INTO small VALUES (1, 7)");
    s.replica.set("max_standby_streaming_delay", "0");
    const auto before = s.f.rows_of(s.f.both.production);
    std::chrono::steady_clock::time_point stopped;
    std::jthread stopper;
    const auto cancel_all = [&](bool stop) {
        s.f.progress.on_phase = [&, stop](std::string_view name) {
            if (name == "plan") ++s.snapshots;
            if (name != "compare") return;
            s.disturb(2, 10s, [&] { s.clear_away(); });
            if (!stop || s.snapshots < 5) return;
            stopper = std::jthread{[&] {
                std::this_thread::sleep_for(500ms); // the fifth pause lasts for 2 s or more
                stopped = std::chrono::steady_clock::now();
                s.f.stop.request_stop();
            }};
        };
    };
    cancel_all(false);
    const auto result = s.sync();
    CHECK(
        lacking(
            ending(result),
            {"retry busy: the slave, a standby, cancelled 6 of 6 snapshots for its replay; the last: slave: ",
             "conflict with recovery", " | on the standby set hot_standby_feedback = on"}) == none);
    CHECK(s.snapshots == 6);
    CHECK(result.what.source.has_value());

    cancel_all(true);
    CHECK(lacking(ending(s.sync()), {"give_up stopped"}) == none);
    CHECK(std::chrono::steady_clock::now() - stopped < 1s);
    CHECK(s.snapshots == 5);
    CHECK(s.f.rows_of(s.f.both.production) == before);
    CHECK(s.f.staging() == none);
}

TEST_CASE("a serialization failure of production takes no other snapshot of the standby", "[jobs][standby]") {
    standby_fixture s;
    s.make_tables();
    s.f.both.production.run("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                            "$$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = 'serialization_failure'; END $$; "
                            "CREATE TRIGGER refuse BEFORE INSERT ON small FOR EACH ROW EXECUTE FUNCTION refuse()");
    CHECK(lacking(ending(s.sync()), {"retry busy: production: "}) == none);
    CHECK(s.snapshots == 1);
    CHECK(s.f.both.production.value("SELECT count(*) FROM big") == "0");
}

// On a primary where nobody else commits: the standby counts from the last transaction, of whatever database.
TEST_CASE("a standby tells how old what it has replayed is", "[jobs][standby][idle]") {
    standby_fixture s;
    s.f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY)");
    const login_role reader{s.f.both.slave}; // who may see nothing of the server but that
    s.f.both.slave.run("GRANT SELECT ON t TO " + reader.name());
    s.f.slave_url = with_login(s.replica.url(s.f.both.slave), reader.name(), "a role of one test");
    const auto age = [&]() -> std::chrono::seconds {
        const auto result = s.f.check();
        CHECK(ending(result) == "done");
        REQUIRE(result.what.source);
        CHECK(result.what.source->standby);
        REQUIRE(result.what.source->replay_age);
        return *result.what.source->replay_age;
    };
    s.replica.catch_up(s.f.both.slave);

    // Nothing happens on the primary: its last transaction grows old, and what is here does not.
    std::this_thread::sleep_for(2100ms);
    CHECK(age() == 0s);
    REQUIRE(s.replica.value("SELECT now() - pg_last_xact_replay_timestamp() > interval '2 s'") == "t");

    s.replica.value("SELECT pg_wal_replay_pause()");
    s.f.both.slave.run("INSERT INTO t VALUES (1)");
    const auto received = [&] {
        return s.replica.value("SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()") == "t";
    };
    while (!received()) std::this_thread::sleep_for(10ms);
    const auto behind = age();
    CHECK(behind >= 2s);
    CHECK(behind < 60s);
    std::this_thread::sleep_for(1100ms);
    CHECK(age() > behind);

    s.replica.value("SELECT pg_wal_replay_resume()");
    s.replica.catch_up(s.f.both.slave);
    CHECK(age() == 0s);

    // Nothing comes in any more: that all of it is replayed proves nothing.
    s.replica.set("primary_conninfo", "");
    while (s.replica.value("SELECT count(*) FROM pg_stat_wal_receiver") != "0") std::this_thread::sleep_for(10ms);
    std::this_thread::sleep_for(1100ms);
    CHECK(age() >= 1s);

    s.f.slave_url = s.f.both.slave.url();
    const auto primary = s.f.check();
    REQUIRE(primary.what.source);
    CHECK_FALSE(primary.what.source->standby);
    CHECK_FALSE(primary.what.source->replay_age);
}
