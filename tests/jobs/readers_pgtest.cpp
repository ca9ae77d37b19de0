#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <string>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace std::chrono_literals;

// Several tables at a time, in the two snapshots of one run.

namespace {

constexpr int tables = 4;

/// Tables that are worth a reader each, with rows that are new, changed and gone.
void make_large_tables(const sync_fixture& f) {
    for (int i = 1; i <= tables; ++i) {
        const auto t = "t" + std::to_string(i);
        f.both.run_on_both(
            "CREATE TABLE " + t + " (id int PRIMARY KEY, v text); INSERT INTO " + t +
            " SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, 4000) AS i");
        f.both.slave.run(
            "DELETE FROM " + t + " WHERE id <= " + std::to_string(i) + "; UPDATE " + t +
            " SET v = 'changed' WHERE id > 3990; INSERT INTO " + t + " VALUES (5000, 'new')");
    }
}

/// Hears of a table and waits until another is named, too: which happens only if both are worked on.
class meeting {
public:
    void name(std::string_view table) {
        std::unique_lock lock{mutex_};
        named_.emplace(table);
        changed_.notify_all();
        if (!changed_.wait_for(lock, 20s, [this] { return named_.size() > 1; })) alone_ = true;
    }
    [[nodiscard]] bool took_place() const { return named_.size() > 1 && !alone_; }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string, std::less<>> named_;
    bool alone_ = false;
};

/// A table that nobody can read any more once it was closed.
class closed_table {
public:
    closed_table(const database& where, std::string table)
        : connection_{where.url()}
        , transaction_{connection_}
        , table_{std::move(table)} {}

    void close() { transaction_.exec("LOCK TABLE " + table_ + " IN ACCESS EXCLUSIVE MODE"); }

private:
    pqxx::connection connection_;
    pqxx::work transaction_;
    std::string table_;
};

/// So that two readers take them first.
void make_largest(const sync_fixture& f) {
    f.both.slave.run("UPDATE t1 SET v = repeat(v, 3); UPDATE t2 SET v = repeat(v, 2)");
}

} // namespace

TEST_CASE("large tables are compared and fetched at the same time", "[jobs][sync][readers][threads]") {
    sync_fixture f;
    f.limits.readers = 3;
    f.rules.tables = {{.pattern = "*", .deletes = slave_to_prod::delete_policy::hard}};
    make_large_tables(f);
    meeting comparing;
    meeting staging;
    std::string phase;
    f.progress.on_phase = [&](std::string_view name) { phase = name; };
    f.progress.on_rows = [&](std::string_view table, std::int64_t) {
        if (phase == "compare") comparing.name(table);
        if (phase == "stage") staging.name(table);
    };
    const auto result = f.sync();
    REQUIRE(ending(result) == "done");
    CHECK(comparing.took_place());
    CHECK(staging.took_place());
    for (int i = 1; i <= tables; ++i) {
        const auto t = "t" + std::to_string(i);
        CAPTURE(t);
        CHECK(written(result, "public." + t) == "+1 ~10 =" + std::to_string(3990 - i));
        CHECK(f.difference(t) == none);
        CHECK(f.both.production.value("SELECT count(*) FROM " + t) == std::to_string(4001 - i));
    }
    CHECK(f.staging().empty());
    CHECK(ending(f.check()) == "done");
    CHECK(f.check().what.in_step());
}

TEST_CASE("one reader does it, too", "[jobs][sync][readers][threads]") {
    sync_fixture f;
    f.limits.readers = 1;
    make_large_tables(f);
    CHECK(ending(f.sync()) == "done");
    CHECK(f.check().what.in_step());
}

TEST_CASE(
    "what one reader meets ends the run at once, whatever the others wait for", "[jobs][sync][readers][threads]") {
    sync_fixture f;
    f.limits.lock = 120s;
    f.rules.tables = {{.pattern = "public.t1", .where = "1 / (id - 77) IS NOT NULL"}};
    make_large_tables(f);
    make_largest(f);
    closed_table waits{f.both.slave, "t2"};
    std::promise<void> closed;
    f.progress.on_rows = [&](std::string_view table, std::int64_t) {
        if (table == "public.t2") {
            waits.close();
            closed.set_value();
        } else {
            closed.get_future().wait_for(20s);
        }
    };
    const auto start = std::chrono::steady_clock::now();
    const auto result = f.sync();
    CHECK(std::chrono::steady_clock::now() - start < 60s);
    CHECK(lacking(ending(result), {"public.t1", "division by zero"}) == none);
    CHECK(f.staging().empty());
}

TEST_CASE("a stop reaches every reader", "[jobs][sync][readers][threads]") {
    sync_fixture f;
    f.limits.lock = 120s;
    make_large_tables(f);
    make_largest(f);
    closed_table one{f.both.slave, "t1"};
    closed_table other{f.both.slave, "t2"};
    f.progress.on_rows = [&](std::string_view table, std::int64_t) { (table == "public.t1" ? one : other).close(); };
    bool both_wait = false;
    const std::jthread stopper{[&] {
        const std::string waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = "
                                    "(SELECT oid FROM pg_database WHERE datname = current_database())";
        const auto until = std::chrono::steady_clock::now() + 30s;
        while (!both_wait && std::chrono::steady_clock::now() < until) {
            std::this_thread::sleep_for(20ms);
            both_wait = f.both.slave.value(waiting) == "2";
        }
        f.stop.request_stop();
    }};
    const auto start = std::chrono::steady_clock::now();
    const auto result = f.sync();
    CHECK(both_wait);
    CHECK(std::chrono::steady_clock::now() - start < 60s);
    CHECK(lacking(ending(result), {"stopped", "told to stop"}) == none);
}

TEST_CASE("a reader that gets no connection is done without, and the report says so", "[jobs][sync][readers]") {
    sync_fixture f;
    make_large_tables(f);
    const login_role role{f.both.slave};
    // The first reader has two, and one more while the catalog is read.
    f.both.slave.run(
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + role.name() + "; ALTER ROLE " + role.name() +
        " CONNECTION LIMIT 3");
    f.slave_url = with_login(f.both.slave.url(), role.name(), "a role of one test"); // no pooler knows it
    const auto result = f.sync();
    CHECK(ending(result) == "done");
    CHECK(lacking(warnings(result), {"1 of 2 readers could be opened", "too many connections", "readers:"}) == none);
    for (int i = 1; i <= tables; ++i) CHECK(f.difference("t" + std::to_string(i)) == none);
}
