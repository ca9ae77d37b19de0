#pragma once

#include "worker/schedule_actions.hpp"
#include "worker/tokens.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace tidesync::worker {

/// What `tidesync schedule` is to do.
struct schedule_command {
    enum class verb { list, get, change };
    verb what = verb::list;
    schedule_action action; ///< for get, only the id counts
};

/// What `tidesync token` is to do.
struct token_command {
    enum class verb { create, list, revoke };
    verb what = verb::list;
    std::string name{}; ///< of create; of revoke: name or id
    worker::scope scope = scope::read;
    std::optional<int> days{}; ///< that it is good for
};

/// What the command line asks for.
struct command {
    enum class verb {
        none,
        serve,
        run,
        check,
        check_config,
        doctor,
        migrate,
        runs,
        show_run,
        cancel_run,
        retry_run,
        pause,
        resume,
        ensure,
        schedule,
        token,
        audit,
        setup,
        health,
        pre_stop,
        qstash_local,
        demo
    };

    verb what = verb::none;
    std::string job;
    std::string run_id{};         ///< of runs show, cancel and retry
    std::string reason{};         ///< of pause
    bool wait = false;            ///< of ensure
    bool ready = false;           ///< of health
    std::chrono::seconds sleep{}; ///< of pre-stop
    std::chrono::seconds await{}; ///< of migrate: look only, for so long; zero: migrate
    std::string grant_to{};       ///< of migrate: a role
    std::string config_file{};    ///< --config
    bool json = false;
    bool dry_run = false;
    std::string approve{}; ///< a run that a guard stopped
    bool insecure_dev = false;
    int rows_max = 20; ///< of runs and audit
    schedule_command schedule{};
    token_command token{};
    std::string listen = "127.0.0.1:8080"; ///< of qstash-local
    bool dev = false;
    bool catch_up = false;
};

/// Parses the command line. Prints help, version or what is wrong with it.
/// @param exit_status  set when there is nothing to run: 0 for help and version, 64 for wrong usage
[[nodiscard]] command parse_command_line(int argc, const char* const* argv, int& exit_status);

} // namespace tidesync::worker
