#pragma once

#include "jobs/slave_to_prod/catalog.hpp"
#include "worker/checks.hpp"
#include "worker/migrate.hpp"
#include "worker/pooler_probe.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// What `doctor` found out, before anybody judges it.
namespace tidesync::worker {

/// How far back it looks into the history. Less than runs are kept, so that none is missed because it was forgotten.
inline constexpr int days_looked_back = 30;
inline constexpr int receipts_looked_at_max = 1000;
/// For what a person has to act on soon, or never.
inline constexpr int days_lately = 7;

/// A server's clock against ours, the round trip taken into account.
struct clock_reading {
    std::chrono::microseconds ahead{};  ///< of this machine's clock
    std::chrono::microseconds unsure{}; ///< either way: half the round trip
};

/// What the server, the database and the role are like: read_server.sql.
struct server_state {
    std::string version;
    std::string role;
    bool superuser = false;
    bool in_recovery = false;
    bool read_only = false;                          ///< default_transaction_read_only
    bool feedback = false;                           ///< hot_standby_feedback
    std::chrono::milliseconds streaming_delay{};     ///< max_standby_streaming_delay; negative for none
    std::chrono::milliseconds transaction_timeout{}; ///< 0 for none, as the others
    std::chrono::milliseconds statement_timeout{};
    std::chrono::milliseconds idle_in_transaction{};
    bool fsync = true;
    bool commits_are_kept = true; ///< synchronous_commit
    int connections_left = 0;     ///< for anybody who is no superuser
    std::optional<int> role_connections_left;
};

/// What a role may do in schema tidesync.
struct store_rights {
    std::vector<std::string> missing; ///< `INSERT on tidesync.run`
    bool owner = false;
    std::string rewritable; ///< append-only tables whose rows it may change
};

struct fence_state {
    std::int64_t token = 0;
    std::string job;
    std::string at;
};

struct receipt {
    std::string run_id;
    std::string at;
};

/// One job in the run store: read_jobs.sql.
struct job_state {
    std::string name{};
    std::chrono::seconds slot_every{};
    std::string paused{}; ///< by whom, since when and why; empty when it is not
    std::string last_success{};
    std::optional<std::chrono::seconds> success_age{};
    bool late = false;                                   ///< as alarms and metrics have it; never while paused
    bool scheduled = false;                              ///< a schedule or the fallback has asked for it
    int fallbacks = 0;                                   ///< lately: runs for ticks that nobody else had served
    int dead = 0;                                        ///< lately
    std::string dead_run{}, dead_code{}, dead_message{}; ///< of the latest
    bool dead_since_success = false;
    std::optional<std::chrono::seconds> waiting{}; ///< how long a run has been due that no worker takes up
    std::optional<std::chrono::seconds> lost{};    ///< since the lease ended of a run that nobody took over
};

/// One database, by what it is for. What could not be read is missing, and `unread` says why.
struct database_facts {
    std::string name{};  ///< slave, production, run store
    std::string where{}; ///< safe to show
    bool is_slave = false;
    bool is_production = false;
    bool is_run_store = false;

    std::string away{}; ///< why it does not answer; then nothing below is known
    std::string away_hint{};
    std::vector<check> unread{};

    std::optional<server_state> server{};
    std::optional<clock_reading> clock{};
    std::optional<pooler> in_front{};
    std::string snapshot_problem{}; ///< slave: why a snapshot cannot be handed on
    std::vector<schema_check> schemas{};
    std::vector<store_rights> rights{};
    int writable_tables = 0; ///< slave
    std::string writable_example{};
    std::vector<slave_to_prod::table_name> hidden{}; ///< tables whose rows row level security may hide
    std::optional<slave_to_prod::catalog> tables{};
    std::optional<fence_state> fence{};           ///< production
    std::vector<receipt> receipts{};              ///< production, newest first
    std::optional<std::int64_t> last_token{};     ///< run store
    std::optional<std::vector<job_state>> jobs{}; ///< run store
    int alarms = 0;                               ///< run store: messages that QStash gave up lately
};

} // namespace tidesync::worker
