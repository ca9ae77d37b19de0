#include "jobs/stores/postgres/failure.hpp"
#include "worker/cli.hpp"
#include "worker/commands.hpp"
#include "worker/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

using namespace tidesync;
using namespace tidesync::worker;

namespace {

exit_code dispatch(const command& command) {
    switch (command.what) {
    case command::verb::serve:
        return serve(command);
    case command::verb::run:
        return run_job(command);
    case command::verb::check:
        return check_job(command);
    case command::verb::check_config:
        return check_config(command);
    case command::verb::migrate:
        return migrate_schemas(command);
    case command::verb::runs:
        return list_runs(command);
    case command::verb::demo:
        return demo(command);
    case command::verb::none:
        break;
    }
    return exit_code::usage;
}

} // namespace

int main(int argc, char** argv) try {
    log::start(isatty(STDERR_FILENO) != 0 ? log::style::human : log::style::json);
    int exit_status = 0;
    const auto command = parse_command_line(argc, argv, exit_status);
    if (command.what == command::verb::none) return exit_status;
    return static_cast<int>(dispatch(command));
} catch (const postgres::error& e) {
    fmt::print(stderr, "tidesync: {}\n", e.what());
    const auto how = postgres::outcome_of(e);
    if (const auto* give_up = std::get_if<jobs::give_up>(&how)) fmt::print(stderr, "  {}\n", give_up->why.hint);
    if (const auto* retry = std::get_if<jobs::retry>(&how)) fmt::print(stderr, "  {}\n", retry->why.hint);
    return static_cast<int>(exit_code::failed);
} catch (const std::exception& e) {
    fmt::print(stderr, "tidesync: {}\n", e.what());
    return static_cast<int>(exit_code::failed);
}
