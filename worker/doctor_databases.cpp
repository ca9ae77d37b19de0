#include "worker/doctor_findings.hpp"

#include "worker/run_store.hpp"
#include "worker/runner.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace tidesync::worker {

namespace {

using namespace std::chrono_literals;
using state = check::state;

constexpr auto clock_worth_a_word = 1s;
constexpr auto clock_unremarkable = 50ms;
/// Of one run. Each reader has two on the slave; in production two, and one to stage. One more reads the catalog, or
/// cleans up.
int connections_of_a_run(const database_facts& of, const settings& config) {
    return (of.is_slave ? 2 * config.limits.readers + 1 : 0) + (of.is_production ? 3 * config.limits.readers + 1 : 0);
}

std::string seconds_text(std::chrono::microseconds time) {
    return fmt::format("{:.1f} s", std::chrono::duration<double>{time}.count());
}

bool is_written(const database_facts& of) { return of.is_production || of.is_run_store; }

void judge_writing(const server_state& server, const database_facts& of, std::vector<check>& lines) {
    if (!is_written(of)) return;
    const auto setting = of.is_production ? "PROD_DATABASE_URL" : "TIDESYNC_DATABASE_URL";
    if (server.in_recovery)
        lines.push_back(
            {state::problem, fmt::format("{} is a standby: nothing can be written there", of.name),
             fmt::format("point {} at the primary", setting)});
    else if (server.read_only)
        lines.push_back(
            {state::problem, fmt::format("{}: default_transaction_read_only is on for role {}", of.name, server.role),
             fmt::format(
                 "ALTER ROLE \"{}\" SET default_transaction_read_only = off; or take it off the database or the "
                 "server, "
                 "wherever it was set",
                 server.role)});
    if (!server.fsync)
        lines.push_back(
            {state::warning, fmt::format("{}: fsync is off: a crash of the machine may destroy it", of.name),
             "fsync = on in postgresql.conf"});
    else if (of.is_run_store && !server.commits_are_kept)
        lines.push_back(
            {state::warning,
             fmt::format(
                 "{}: synchronous_commit is off: a crash may lose runs that callers were told of, and tokens", of.name),
             "synchronous_commit = on for the database or the role"});
}

void judge_standby(const server_state& server, const database_facts& of, std::vector<check>& lines) {
    if (!of.is_slave || !server.in_recovery) return;
    if (server.feedback || server.streaming_delay < 0ms) {
        lines.push_back({state::ok, "slave is a standby whose replay does not cancel long reads", {}});
        return;
    }
    lines.push_back(
        {state::warning,
         fmt::format(
             "slave is a standby that cancels reads which stand in the way of its replay for {} s",
             std::chrono::duration_cast<std::chrono::seconds>(server.streaming_delay).count()),
         "a run that is cancelled is tried again; if that happens often: hot_standby_feedback = on, or a longer "
         "max_standby_streaming_delay on the standby"});
}

void judge_limits(
    const server_state& server, const database_facts& of, const settings& config, std::vector<check>& lines) {
    const bool runs_go_there = of.is_slave || of.is_production;
    if (!runs_go_there) return;
    if (server.transaction_timeout > 0ms && server.transaction_timeout < config.run_time_limit)
        lines.push_back(
            {state::problem,
             fmt::format(
                 "{}: transaction_timeout is {} s: a run is one transaction there, and one that takes longer dies",
                 of.name, std::chrono::duration_cast<std::chrono::seconds>(server.transaction_timeout).count()),
             fmt::format("ALTER ROLE \"{}\" SET transaction_timeout = 0;", server.role)});
    for (const auto& [name, limit, ours] :
         {std::tuple{"statement_timeout", server.statement_timeout, config.limits.statement},
          std::tuple{
              "idle_in_transaction_session_timeout", server.idle_in_transaction, config.limits.idle_in_transaction}})
        if (limit > 0ms && limit < ours)
            lines.push_back(
                {state::note,
                 fmt::format(
                     "{}: {} is {} ms for role {}: runs are not cut by it, they set {} s of their own", of.name, name,
                     limit.count(), server.role, ours.count()),
                 {}});
}

void judge_room(
    const server_state& server, const database_facts& of, const settings& config, std::vector<check>& lines) {
    auto left = server.connections_left;
    std::string_view whose = "the server";
    if (server.role_connections_left && *server.role_connections_left < left) {
        left = *server.role_connections_left;
        whose = "the role";
    }
    const int wanted = connections_of_a_worker(of, config);
    if (left >= wanted) {
        lines.push_back(
            {state::ok,
             fmt::format("{}: {} connections are free; a worker uses {} at most", of.name, left, wanted),
             {}});
        return;
    }
    lines.push_back(
        {state::warning,
         fmt::format(
             "{}: {} allows {} more connections; a worker may use {}", of.name, whose, std::max(left, 0), wanted),
         whose == "the role" ? fmt::format("ALTER ROLE \"{}\" CONNECTION LIMIT {};", server.role, 2 * wanted)
                             : "raise max_connections, or put a pooler in front"});
}

} // namespace

int connections_of_a_worker(const database_facts& of, const settings& config) {
    const int of_runs =
        runner::limits{}.runs_max * static_cast<int>(config.jobs.size()) * connections_of_a_run(of, config);
    const int of_store = static_cast<int>(run_store::working_connections_max + run_store::beating_connections_max);
    return of_runs + (of.is_run_store ? of_store : 0);
}

std::vector<check> judge_server(const database_facts& of, const settings& config) {
    if (!of.server) return {};
    const auto& server = *of.server;
    std::vector<check> lines;
    lines.push_back(
        {state::ok,
         fmt::format(
             "{} {} answers: PostgreSQL {}, role {}{}", of.name, of.where, server.version, server.role,
             of.is_production && of.is_run_store ? "; the run store is in it" : ""),
         {}});
    judge_writing(server, of, lines);
    judge_standby(server, of, lines);
    judge_limits(server, of, config, lines);
    judge_room(server, of, config, lines);
    return lines;
}

check judge_clock(std::string_view name, const clock_reading& reading, std::chrono::seconds tolerance) {
    const auto off = std::chrono::abs(reading.ahead);
    const auto surely = off - std::min(off, reading.unsure);
    const auto direction = reading.ahead > 0us ? "ahead of" : "behind";
    const auto unsure = std::chrono::duration<double>{reading.unsure}.count();
    if (surely <= clock_worth_a_word)
        return {
            state::ok,
            off <= clock_unremarkable
                ? fmt::format("{}: its clock agrees with ours, give or take {:.3f} s", name, unsure)
                : fmt::format(
                      "{}: its clock is {} {} ours, give or take {:.3f} s", name, seconds_text(off), direction, unsure),
            {}};
    return {
        surely > tolerance ? state::problem : state::warning,
        fmt::format("{}: its clock is {} {} ours", name, seconds_text(off), direction),
        fmt::format(
            "set the wrong one by NTP. Ours judges QStash's signatures and may be off by {} s "
            "(TIDESYNC_CLOCK_TOLERANCE); the run store's alone judges leases, deadlines and ticks, and must not jump",
            tolerance.count())};
}

check judge_pooler(const database_facts& of, pooler in_front, const settings& config) {
    switch (in_front) {
    case pooler::none:
        return {state::ok, fmt::format("{}: no pooler in front", of.name), {}};
    case pooler::session:
        return {state::ok, fmt::format("{}: a pooler in session mode in front, which is as good as none", of.name), {}};
    case pooler::statement:
        return {
            state::problem, fmt::format("{}: a pooler in statement mode in front: no transaction is possible", of.name),
            "give this database pool_mode = transaction (or session), or connect past the pooler"};
    case pooler::transaction:
        break;
    }
    const auto text = fmt::format("{}: a pooler in transaction mode in front", of.name);
    if (of.is_slave && !of.snapshot_problem.empty())
        return {
            state::problem,
            fmt::format("{}, through which no snapshot can be handed on: {}", text, of.snapshot_problem),
            "connect past the pooler, or in session mode; or let it lead to one server only, with two connections or "
            "more for this role"};
    if (of.is_slave || of.is_production)
        return {
            state::note,
            fmt::format(
                "{}: it works, because runs keep nothing in a session; each holds up to {} of its connections for as "
                "long as it takes",
                text, connections_of_a_run(of, config)),
            fmt::format(
                "its pool needs {} connections or more, no query_timeout or idle_transaction_timeout shorter than a "
                "run, and one server behind it",
                connections_of_a_worker(of, config))};
    return {state::ok, text + ", which is fine: nothing is kept in a session", {}};
}

} // namespace tidesync::worker
