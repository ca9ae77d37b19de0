#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <fmt/format.h>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace tidesync;
using namespace tidesync::tests;
using namespace std::chrono_literals;

// An application writes to production while it is synced, to the same tables and the same rows.

namespace {

constexpr int rows = 400;
constexpr int syncs = 100;

/// What one thread of the application did, and how long production let it wait.
struct account {
    std::int64_t committed = 0;
    std::int64_t deadlocks = 0;
    std::int64_t other_errors = 0;
    std::string first_error;
    std::chrono::milliseconds longest{0};
};

/// Does `work` again and again until told to stop. A deadlock undoes it, as an application has to expect.
account keep_doing(
    const std::stop_token& over, const std::string& url,
    const std::function<void(pqxx::work&, std::minstd_rand&)>& work, unsigned seed) {
    account result;
    pqxx::connection connection{url};
    std::minstd_rand random{seed};
    while (!over.stop_requested()) {
        const auto start = std::chrono::steady_clock::now();
        try {
            pqxx::work transaction{connection};
            work(transaction, random);
            transaction.commit();
            ++result.committed;
        } catch (const pqxx::deadlock_detected&) {
            ++result.deadlocks;
        } catch (const std::exception& e) {
            ++result.other_errors;
            if (result.first_error.empty()) result.first_error = e.what();
        }
        result.longest = std::max(
            result.longest,
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start));
        std::this_thread::sleep_for(8ms);
    }
    return result;
}

unsigned below(std::minstd_rand& random, unsigned bound) { return static_cast<unsigned>(random() % bound); }

} // namespace

// PostHog PR#43139, ankane/pgsync#60, #200: deadlocks. bucardo#216: a row in 200,000 is lost under load. bucardo#144,
// #157, #180, sling-cli#566: serialization failures.
TEST_CASE("an application goes on writing while it is synced, and nothing of it is lost", "[jobs][traffic]") {
    sync_fixture f;
    // `visits` and `child` belong to the application: the slave knows nothing of them.
    f.both.run_on_both("CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL UNIQUE, n int); "
                       "CREATE TABLE z_last (id int PRIMARY KEY, n int); "
                       "INSERT INTO z_last VALUES (1, 0)");
    f.both.slave.run(
        fmt::format("INSERT INTO parent SELECT i, 'name ' || i, 0 FROM generate_series(1, {}) AS i", rows));
    f.both.production.run(
        "ALTER TABLE parent ADD visits int NOT NULL DEFAULT 0; "
        "CREATE TABLE child (id bigserial PRIMARY KEY, parent int NOT NULL REFERENCES parent ON DELETE CASCADE)");
    f.limits.lock = 5s;
    f.rules.guards.changed_percent_max = 100; // how much the application gets done between two syncs is not for judging
    REQUIRE(ending(f.sync()) == "done");

    std::array<account, 4> accounts;
    {
        std::vector<std::jthread> threads;
        const auto& url = f.both.production.url();
        const auto run = [&](std::size_t i, std::function<void(pqxx::work&, std::minstd_rand&)> work) {
            threads.emplace_back([&, i, work = std::move(work)](const std::stop_token& over) {
                accounts.at(i) = keep_doing(over, url, work, static_cast<unsigned>(i + 1));
            });
        };
        // Several rows in any order, with time in between: that makes deadlocks with whoever else locks several.
        run(0, [](auto& transaction, auto& random) {
            for (int i = 0; i < 3; ++i) {
                transaction.exec(
                    fmt::format("UPDATE parent SET visits = visits + 1 WHERE id = {}", 1 + below(random, rows)));
                std::this_thread::sleep_for(10ms);
            }
        });
        // A child is inserted whatever the sync holds: 100 ms are much less than it holds rows of the parent.
        run(1, [](auto& transaction, auto& random) {
            transaction.exec(fmt::format(
                "SET LOCAL lock_timeout = '100ms'; INSERT INTO child (parent) VALUES ({})", 1 + below(random, rows)));
        });
        // Rows that only production has come, change and go.
        run(2, [](auto& transaction, auto& random) {
            const auto id = 1'000'000 + below(random, 50);
            transaction.exec(fmt::format(
                "DELETE FROM parent WHERE id = {0} AND n > 3; "
                "INSERT INTO parent (id, name, n) VALUES ({0}, 'own ' || {0}, 1) "
                "ON CONFLICT (id) DO UPDATE SET n = parent.n + 1",
                id));
        });
        // And it changes what the slave has, too: the next sync sets that back.
        run(3, [](auto& transaction, auto& random) {
            transaction.exec(fmt::format("UPDATE parent SET n = -1 WHERE id = {}", 1 + below(random, rows)));
        });

        bool applying = false;
        f.progress.on_phase = [&](std::string_view phase) { applying = phase == "apply"; };
        f.progress.on_rows = [&](std::string_view table, std::int64_t) {
            if (applying && table == "public.z_last") std::this_thread::sleep_for(150ms); // rows of the parent are held
        };
        std::minstd_rand random{7};
        for (int i = 0; i < syncs; ++i) {
            f.both.slave.run(fmt::format(
                "UPDATE parent SET n = {0} WHERE id % 4 = {1}; UPDATE z_last SET n = {0}; "
                "INSERT INTO parent VALUES ({2}, 'later {2}', 0)",
                i, below(random, 4), rows + 1 + i));
            std::string how;
            for (int attempt = 0; attempt < 5 && how != "done"; ++attempt) {
                how = ending(f.sync());
                if (how != "done") CHECK(how.find("retry busy") == 0); // as the run store would have it tried again
            }
            CHECK(how == "done");
        }
        f.progress.on_phase = [](std::string_view) {};
        f.progress.on_rows = [](std::string_view, std::int64_t) {};
        for (auto& thread : threads) thread.request_stop();
    }
    std::int64_t committed = 0;
    for (const auto& account : accounts) {
        CAPTURE(account.first_error);
        CHECK(account.other_errors == 0); // no child was kept waiting
        CHECK(account.committed > syncs / 2);
        CHECK(account.longest < 5s);
        committed += account.committed;
    }
    WARN(fmt::format("{} transactions of the application, {} deadlocks", committed, accounts[0].deadlocks));

    CHECK(f.both.production.value("SELECT sum(visits) FROM parent") == std::to_string(accounts[0].committed * 3));
    CHECK(f.both.production.value("SELECT count(*) FROM child") == std::to_string(accounts[1].committed));
    REQUIRE(ending(f.sync()) == "done");
    CHECK(f.difference("parent") == none);
    CHECK(f.both.production.value("SELECT count(*) FROM parent WHERE id >= 1000000") != "0");
    // It was no easy time: two who lock several rows did meet.
    CHECK(
        std::stoll(
            f.both.production.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")) > 0);
}
