#pragma once

#include "jobs/slave_to_prod/plan.hpp"
#include "qstash/client.hpp"
#include "worker/doctor_facts.hpp"
#include "worker/settings.hpp"

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

/// Facts in, findings out. Reads no clock, no network and no environment.
namespace tidesync::worker {

// -- a database: doctor_databases.cpp

/// What the server itself brings along: recovery, time limits, durability, room for connections. Nothing where it did
/// not answer.
[[nodiscard]] std::vector<check> judge_server(const database_facts&, const settings&);

/// @param tolerance  of signatures, TIDESYNC_CLOCK_TOLERANCE
[[nodiscard]] check judge_clock(std::string_view name, const clock_reading&, std::chrono::seconds tolerance);

/// What stands in front of it means something else for each of our databases.
[[nodiscard]] check judge_pooler(const database_facts&, pooler in_front, const settings&);

/// How many connections a worker may open at once to what this database is for.
[[nodiscard]] int connections_of_a_worker(const database_facts&, const settings&);

// -- what the roles may do: doctor_rights.cpp

/// Too little is a problem, too much a warning. Nothing where the server did not answer.
[[nodiscard]] std::vector<check> judge_rights(const database_facts&);

/// What the job would say of the tables, and of rows that row level security hides from it.
[[nodiscard]] std::vector<check> judge_tables(
    const slave_to_prod::plan&, const std::vector<slave_to_prod::table_name>& hidden_on_slave,
    const std::vector<slave_to_prod::table_name>& hidden_in_production);

/// Tables with `delete: hard` in tidesync.yaml whose rows the role may not delete in production.
[[nodiscard]] std::vector<slave_to_prod::table_name> find_undeletable(
    const slave_to_prod::catalog& slave, const slave_to_prod::catalog& production, const slave_to_prod::table_rules&);

/// Nothing where there are none.
/// @param role  of production
[[nodiscard]] std::vector<check>
judge_deletes(const std::vector<slave_to_prod::table_name>& undeletable, std::string_view role);

// -- what the run store knows: doctor_runs.cpp

/// Whether production still lets pass what the run store will give out next.
/// @param where  the run store, for the remedy
[[nodiscard]] check judge_tokens(std::int64_t last_token, const fence_state&, std::string_view where);

/// The token that a restored run store is set to: far beyond any that workers may still hold.
[[nodiscard]] std::int64_t token_after_restore(const fence_state&);

/// @param unknown  those of `looked_at` receipts that the run store has no run for, newest first
[[nodiscard]] check judge_receipts(std::size_t looked_at, const std::vector<receipt>& unknown);

[[nodiscard]] std::vector<check> judge_job(const job_state&);

[[nodiscard]] check judge_alarms(int lately);

// -- settings against each other: doctor_settings.cpp

[[nodiscard]] std::vector<check> judge_times(const settings&);

// -- QStash: doctor_schedule.cpp

/// @param found  the job's schedule as QStash has it; nothing when there is none
[[nodiscard]] std::vector<check> judge_schedule(
    const job_rules&, const std::optional<qstash::schedule>& found, const settings&, std::chrono::sys_seconds now);

/// Whether `ensure` looks for the ticks that QStash has.
[[nodiscard]] check judge_ticks(std::string_view cron, std::chrono::seconds slot_every, std::chrono::sys_seconds now);

/// @param given_up  messages of our schedule in the dead letter queue
[[nodiscard]] check judge_dead_letters(int given_up);

} // namespace tidesync::worker
