#include "worker/cli.hpp"

#include "worker/exit_code.hpp"
#include "worker/version.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <functional>

namespace tidesync::worker {

namespace {

constexpr const char* environment_help = R"(Settings come from the environment, or from files named by <NAME>_FILE:
  SLAVE_DATABASE_URL            where rows are read   postgresql://user:password@host:port/database
  PROD_DATABASE_URL             where they are written
  TIDESYNC_DATABASE_URL         where runs are stored (default: production, schema tidesync)
  QSTASH_CURRENT_SIGNING_KEY    serve: the keys that QStash signs deliveries with
  QSTASH_NEXT_SIGNING_KEY
  TIDESYNC_PUBLIC_URL           serve: the address that QStash calls, https://...
  TIDESYNC_ADMIN_TOKEN          serve: what a person sends as Authorization: Bearer ...
  TIDESYNC_LISTEN               serve: address:port (default 127.0.0.1:8090)
`tidesync check-config` tells what is set, what is missing and what is wrong.
Exit codes: 0 in step, 1 differences found, 3 failed, 64 wrong usage, 78 configuration.)";

} // namespace

command parse_command_line(int argc, const char* const* argv, int& exit_status) {
    command result;
    CLI::App app{
        "Tidesync brings a production PostgreSQL up to date from a slave PostgreSQL: inserts what is new, "
        "updates what differs, in one transaction.",
        "tidesync"};
    app.set_version_flag("--version", std::string{"tidesync "} + version);
    app.footer(environment_help);
    app.require_subcommand(1);

    const auto add = [&](const char* name, const char* help, command::verb verb) {
        auto* sub = app.add_subcommand(name, help);
        sub->add_option("--config", result.config_file, "Job file (default: $TIDESYNC_CONFIG, else ./tidesync.yaml)");
        sub->callback([&result, verb] { result.what = verb; });
        return sub;
    };
    const auto with_job = [&](CLI::App* sub) {
        sub->add_option("job", result.job, "The job: slave-to-prod")
            ->required()
            ->check(CLI::IsMember({"slave-to-prod"}));
        return sub;
    };
    const auto with_json = [&](CLI::App* sub) {
        sub->add_flag("--json", result.json, "Print exactly one JSON document on stdout");
        return sub;
    };

    add("serve", "Answer QStash and people over HTTP until SIGTERM", command::verb::serve)
        ->add_flag(
            "--insecure-dev", result.insecure_dev,
            "Accept the public development keys of QStash; only on a loopback address");
    with_json(with_job(add("run", "Run a job now and wait for its end", command::verb::run)))
        ->add_flag("--dry-run", result.dry_run, "Report what would be done, write nothing");
    with_json(
        with_job(add("check", "Compare both sides; write nothing. Exit 1 when they differ", command::verb::check)));
    with_json(add("check-config", "Test every setting and say what is wrong with it", command::verb::check_config));
    add("migrate", "Make or update the schemas tidesync and tidesync_staging", command::verb::migrate);
    with_json(add("runs", "List the latest runs", command::verb::runs))
        ->add_option("--limit", result.runs_max, "How many")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    add("demo", "Send one signed delivery to the running worker and show what it did", command::verb::demo);

    try {
        app.parse(argc, argv);
        exit_status = 0;
    } catch (const CLI::Success& e) { // --help, --version
        exit_status = app.exit(e);
        result.what = command::verb::none;
    } catch (const CLI::ParseError& e) {
        app.exit(e);
        exit_status = static_cast<int>(exit_code::usage);
        result.what = command::verb::none;
    }
    return result;
}

} // namespace tidesync::worker
