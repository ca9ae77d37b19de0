#pragma once

#include "jobs/slave_to_prod/slave_to_prod.hpp"
#include "qstash/keys.hpp"
#include "qstash/local/destination.hpp"
#include "worker/runs.hpp"
#include "worker/secret.hpp"
#include "worker/webhook.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidesync::worker {

struct listen_address {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8090;                    ///< 0 lets the system choose
    std::string_view setting = "TIDESYNC_LISTEN"; ///< what to change when it cannot be had
};

/// What `tidesync qstash-local` adds.
struct scheduler_settings {
    postgres::address store;
    qstash::local::destination_policy policy; ///< the public URL's host is always in it
};

/// Everything that can be set, typed, with defaults. Only settings.cpp and job_file.cpp read the outside.
struct settings {
    postgres::address slave;
    postgres::address production;
    postgres::address run_store; ///< production's database unless TIDESYNC_DATABASE_URL says otherwise

    std::vector<qstash::signing_key> signing_keys; ///< `current`, `next`, and those of regions: `eu-central-1/next`
    std::chrono::seconds clock_tolerance{5};
    std::string public_url; ///< without a trailing slash; what QStash calls, and `sub` is compared with
    secret admin_token;

    std::string qstash_url = "https://qstash.upstash.io"; ///< what we call: the origin, without /v2
    secret qstash_token; ///< empty when there is none; then nothing can be asked of QStash

    alarm_receiver alarms; ///< of runs that died and the like
    secret ping_url;       ///< told when a run starts and how it ended; without a trailing slash, empty when nobody is

    listen_address listen;
    std::optional<listen_address> admin_listen; ///< for people and probes; then `listen` answers deliveries only
    [[nodiscard]] const listen_address& for_people() const { return admin_listen ? *admin_listen : listen; }
    std::chrono::seconds delivery_wait{25}; ///< how long the delivery that started a run waits for its end
    std::chrono::seconds drain_limit{30};   ///< how long SIGTERM lets a run finish before it is rolled back

    scheduler_settings scheduler; ///< of `tidesync qstash-local`

    std::string job_file; ///< empty when there is none
    slave_to_prod::table_rules rules;
    slave_to_prod::server_limits limits;
    std::vector<job_rules> jobs{{.name = "slave-to-prod"}}; ///< it comes first, then one for each group of tables
    std::chrono::seconds run_time_limit{6 * 3600};          ///< an attempt that takes longer is stopped and rolled back
    std::chrono::seconds run_deadline{24 * 3600};           ///< from the request to the end of the last attempt
    std::chrono::seconds lease{30};                         ///< how long a worker that fell silent keeps its run
};

using environment = std::map<std::string, std::string>;

/// What the settings are for; decides which of them must be there.
enum class purpose {
    serve,         ///< databases, keys, public URL and admin token
    job,           ///< databases
    doctor,        ///< databases; what `serve` and QStash need, where it is set
    health,        ///< nothing: where the worker listens has a default
    migrate,       ///< production, and the run store where it is set apart
    store,         ///< the run store
    qstash,        ///< QSTASH_TOKEN; databases and job file are not looked at
    schedule,      ///< the same, and the public URL and the job file for what QStash is to call
    setup,         ///< everything
    scheduler,     ///< the scheduler's store, token and keys
    scheduler_dev, ///< the scheduler's store alone: token and keys are the public ones
};

struct loading {
    settings values;
    std::vector<std::string> problems; ///< every bad setting at once: its name, what was expected, what to do
    std::vector<std::string> notes;    ///< worth knowing; nothing is wrong
};

/// Reads the environment (and the files named by `*_FILE`) and the job file.
/// @param job_file      path given with --config; empty for TIDESYNC_CONFIG, else ./tidesync.yaml where there is one
/// @param insecure_dev  accept the public development keys; only with a listener on loopback
[[nodiscard]] loading
load_settings(const environment&, purpose, const std::string& job_file = {}, bool insecure_dev = false);

/// The process's environment as a map.
[[nodiscard]] environment process_environment();

/// Reads `127.0.0.1:8090`, `[::]:8090` or `localhost:0`. @returns nothing for another text
/// @param setting  where the text stood; a literal
[[nodiscard]] std::optional<listen_address>
parse_listen(const std::string&, std::string_view setting = "TIDESYNC_LISTEN");

/// True for 127.0.0.0/8, ::1 and localhost.
[[nodiscard]] bool is_loopback(const std::string& host);

} // namespace tidesync::worker
