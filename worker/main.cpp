#include "jobs/stores/postgres/failure.hpp"
#include "worker/cli.hpp"
#include "worker/commands.hpp"
#include "worker/http_server.hpp"
#include "worker/log.hpp"
#include "worker/start.hpp"

#include <string>
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
    case command::verb::doctor:
        return doctor(command);
    case command::verb::migrate:
        return migrate_schemas(command);
    case command::verb::runs:
        return list_runs(command);
    case command::verb::show_run:
        return show_run(command);
    case command::verb::cancel_run:
        return cancel_run(command);
    case command::verb::retry_run:
        return retry_run(command);
    case command::verb::pause:
        return pause_job(command);
    case command::verb::resume:
        return resume_job(command);
    case command::verb::ensure:
        return ensure_slot(command);
    case command::verb::schedule:
        return schedule(command);
    case command::verb::token:
        return token(command);
    case command::verb::audit:
        return list_audit(command);
    case command::verb::setup:
        return set_up(command);
    case command::verb::health:
        return health(command);
    case command::verb::pre_stop:
        return pre_stop(command);
    case command::verb::demo:
        return demo(command);
    case command::verb::qstash_local:
        return qstash_local(command);
    case command::verb::none:
        break;
    }
    return exit_code::usage;
}

} // namespace

int main(int argc, char** argv) {
    log::start(isatty(STDERR_FILENO) != 0 ? log::style::human : log::style::json);
    int exit_status = 0;
    const auto command = parse_command_line(argc, argv, exit_status);
    if (command.what == command::verb::none) return exit_status;
    try {
        return static_cast<int>(dispatch(command));
    } catch (const postgres::error& e) {
        const auto how = postgres::outcome_of(e);
        if (const auto* failure = jobs::why(how))
            explain_failure(command, to_string(failure->code), failure->message, failure->hint);
    } catch (const cannot_listen& e) {
        explain_failure(
            command, e.in_use ? "address_in_use" : "configuration", e.what(),
            e.in_use ? "another process listens there: stop it, or set " + e.setting
                     : e.setting + ": expected an address of this machine and a port that this user may open");
    } catch (const std::exception& e) {
        explain_failure(
            command, "internal", e.what(), "docs/runbook.md has what is known; report the rest with the log");
    }
    return static_cast<int>(exit_code::failed);
}
