#pragma once

#include <string>

namespace tidesync::worker {

/// What the command line asks for.
struct command {
    enum class verb { none, serve, run, check, check_config, migrate, runs, demo };

    verb what = verb::none;
    std::string job;
    std::string config_file; ///< --config
    bool json = false;
    bool dry_run = false;
    bool insecure_dev = false;
    int runs_max = 20;
};

/// Parses the command line. Prints help, version or what is wrong with it.
/// @param exit_status  set when there is nothing to run: 0 for help and version, 64 for wrong usage
[[nodiscard]] command parse_command_line(int argc, const char* const* argv, int& exit_status);

} // namespace tidesync::worker
