#include "tests/faults/scenarios.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <utility>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto back_at_work_max = 10s;

int status_of(std::uint16_t port, const char* path) {
    const auto answer = ask(port, "GET", path, {}, {}, 30s);
    return answer ? answer->status : 0;
}

/// @returns false when a worker does not reach the store in time
bool all_are_ready(const world& in, std::chrono::milliseconds patience) {
    const auto until = clock::now() + patience;
    for (std::size_t i = 0; i < in.count(); ++i)
        while (status_of(in.port(i), "/readyz") != 200) {
            if (clock::now() > until) return false;
            std::this_thread::sleep_for(50ms);
        }
    return true;
}

int resident_kib(pid_t pid) {
    std::ifstream status{fmt::format("/proc/{}/status", pid)};
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmRSS:")) return std::stoi(line.substr(6));
    return 0;
}

std::ptrdiff_t log_lines(world& in, std::size_t which) {
    const auto log = in.worker(which).program->err();
    return std::ranges::count(log, '\n');
}

} // namespace

verdict crash_servers(const dose& given) {
    const int crashes = given.full ? 30 : 4;
    verdict result{.name = "crash-servers", .hits_wanted = crashes};
    world in{{.seed = given.seed, .pooled = given.pooled}};
    in.production_wire.delay(2ms);
    traffic life{in};
    for (int i = 0; i < crashes; ++i) {
        (void)in.await_holder(20s); // one that waits for its next attempt has none
        std::this_thread::sleep_for(std::chrono::milliseconds{in.any(0, 400)});
        crash_server(i % 3 == 2 ? "slave" : "production");
        if (all_are_ready(in, back_at_work_max))
            ++result.hits;
        else
            result.violations.emplace_back("a worker did not reach the store again within 10 s");
    }
    judge(in, life, result);
    return result;
}

// UNLOGGED tables are there after a crash, and empty. Rows that are staged must not be taken for rows that do not
// differ.
verdict empty_staging(const dose& given) {
    const int crashes = given.full ? 10 : 1;
    verdict result{.name = "empty-staging", .hits_wanted = crashes};
    sync_fixture f;
    f.both.run_on_both(
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 50) AS i");
    for (int i = 0; i < crashes; ++i) {
        f.both.slave.run("UPDATE t SET v = v + 1; INSERT INTO t SELECT max(id) + 1, 0 FROM t");
        const auto rows = f.rows_of(f.both.production);
        bool crashed = false;
        f.progress.on_phase = [&](std::string_view phase) {
            if (phase == "apply" && !std::exchange(crashed, true)) crash_server("production");
        };
        const auto how = ending(f.sync());
        if (lacking(how, {"retry busy: of ", " staged rows of public.t 0 are left"}).empty()) ++result.hits;
        if (f.rows_of(f.both.production) != rows) result.violations.push_back("production changed: " + how);
        if (const auto again = ending(f.sync()); again != "done")
            result.violations.push_back("the next attempt: " + again);
        if (const auto found = f.difference("t"); !found.empty()) result.violations.push_back(found);
        if (!f.staging().empty()) result.violations.push_back("left in staging: " + f.staging());
    }
    return result;
}

verdict store_away(const dose& given) {
    const auto outage = given.full ? 60s : 8s;
    verdict result{.name = "store-away", .hits_wanted = 2};
    world in{{.seed = given.seed, .pooled = given.pooled}};
    {
        const traffic before{in};
        (void)in.await_holder(20s);
    }
    const auto lines = log_lines(in, 0);
    const auto memory = resident_kib(in.worker(0).program->id());
    in.store_wire.refuse();
    const auto until = clock::now() + outage;
    int asked = 0;
    while (clock::now() < until) {
        const auto expect = [&](const char* path, int wanted) {
            if (const auto got = status_of(in.port(0), path); got != wanted)
                result.violations.push_back(fmt::format("without the store {} answered {}, not {}", path, got, wanted));
        };
        expect("/livez", 200);
        expect("/readyz", 503);
        const serving::message message{.id = "msg_away", .jti = fmt::format("msg_away_{}", ++asked)};
        const auto answer = ask(in.port(0), "POST", sync_route, delivery_headers(message), message.body, 30s);
        if (!answer || answer->status != 503 || answer->headers.contains("retry-after"))
            result.violations.push_back(
                fmt::format("without the store a delivery got {}", answer ? answer->body : "no answer"));
        std::this_thread::sleep_for(1s);
    }
    ++result.hits;
    // One for each request that was answered with an error, and at most one a second beside them.
    const auto more = log_lines(in, 0) - lines;
    const auto grown = resident_kib(in.worker(0).program->id()) - memory;
    if (more > 2L * asked + std::chrono::duration_cast<std::chrono::seconds>(outage).count())
        result.violations.push_back(fmt::format("the log grew by {} lines in {} s", more, outage.count()));
    in.store_wire.heal();
    if (all_are_ready(in, back_at_work_max)) ++result.hits;
    result.remark = fmt::format("{} s away, {} log lines, {:+} KiB", outage.count(), more, grown);
    judge(in, result);
    return result;
}

verdict crash_pooler(const dose& given) {
    const int crashes = given.full ? 60 : 6;
    verdict result{.name = "crash-pooler", .hits_wanted = crashes};
    world in{{.seed = given.seed, .pooled = true}};
    traffic life{in};
    for (int i = 0; i < crashes; ++i) {
        (void)in.await_holder(20s);
        std::this_thread::sleep_for(std::chrono::milliseconds{in.any(0, 400)});
        in.pool->crash();
        if (all_are_ready(in, back_at_work_max)) ++result.hits;
    }
    // Nothing that was set for one transaction may meet the next one on the same server connection.
    for (int i = 0; i < 20; ++i) {
        pqxx::connection probe{with_port(in.databases.production.url(), in.pool->port())};
        const auto found = pqxx::nontransaction{probe}.exec(
            "SELECT current_setting('lock_timeout') || current_setting('statement_timeout') || "
            "current_setting('idle_in_transaction_session_timeout')")[0][0];
        if (found.as<std::string>() != "000")
            result.violations.push_back(fmt::format("a session setting leaked: {}", found.as<std::string>()));
    }
    judge(in, life, result);
    return result;
}

} // namespace tidesync::tests
