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
  QSTASH_TOKEN                  schedule, setup: what we show QStash; serve needs it for its schedule route
  QSTASH_URL                    where QStash is (default https://qstash.upstash.io)
`tidesync check-config` tells what is set, what is missing and what is wrong.
Exit codes: 0 in step, 1 differences found, 3 failed, 64 wrong usage, 78 configuration.)";

/// `tidesync schedule VERB [ID]`.
void add_schedule(CLI::App& app, command& result) {
    auto* schedule = app.add_subcommand("schedule", "Look at and change the schedules that QStash keeps for us");
    schedule->require_subcommand(1);
    auto& order = result.schedule.action.order;

    const auto add = [&](const char* name, const char* help, schedule_command::verb what,
                         schedule_action::verb change) {
        auto* sub = schedule->add_subcommand(name, help);
        sub->add_flag("--json", result.json, "Print exactly one JSON document on stdout");
        sub->callback([&result, what, change] {
            result.what = command::verb::schedule;
            result.schedule.what = what;
            result.schedule.action.what = change;
        });
        return sub;
    };
    const auto with_id = [&](CLI::App* sub) {
        sub->add_option("id", order.schedule_id, "The schedule (default: tidesync-slave-to-prod)");
        return sub;
    };
    const auto add_change = [&](const char* name, const char* help, schedule_action::verb what) {
        return with_id(add(name, help, schedule_command::verb::change, what));
    };

    using verb = schedule_action::verb;
    auto* create = add_change("create", "Create the schedule of a job, or replace it", verb::create);
    create->add_option("--job", order.job, "The job")->capture_default_str();
    create->add_option("--cron", order.cron, "Five fields")->capture_default_str();
    create->add_option("--timezone", order.timezone, "Area/City that the fields are meant in (default: UTC)");
    create->add_option("--retries", order.retries, "How often QStash tries a failed delivery again")
        ->capture_default_str();
    create->add_option_function<int>(
        "--timeout", [&order](int seconds) { order.timeout = std::chrono::seconds{seconds}; },
        "Seconds that QStash waits for an answer (default: 30)");
    create->add_option("--parameters", order.parameters, R"(JSON object for the job, such as '{"dry_run": true}')");
    add("list", "List every schedule of the account", schedule_command::verb::list, verb::create);
    with_id(add("get", "Show one schedule", schedule_command::verb::get, verb::create));
    add_change("pause", "Let no more ticks happen", verb::pause);
    add_change("resume", "Let ticks happen again", verb::resume);
    add_change("delete", "Delete a schedule", verb::remove);
    add_change("trigger", "Let QStash deliver now what the schedule delivers at its ticks", verb::trigger);
}

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
    add_schedule(app, result);
    with_json(add("setup", "Test everything, own the schedule, send one message through QStash", command::verb::setup))
        ->add_flag("--insecure-dev", result.insecure_dev, "For a worker that was started with --insecure-dev");
    auto* local =
        add("qstash-local", "Serve the API of QStash from PostgreSQL: schedules, messages, retries, dead letters",
            command::verb::qstash_local);
    local->add_option("--listen", result.listen, "IP-address:port")->capture_default_str();
    local->add_flag(
        "--dev", result.dev,
        "The public development users and keys of QStash, which its clients look for on port 8080; only on loopback. "
        "Makes its schema by itself");
    local->add_flag(
        "--catch-up", result.catch_up, "After downtime, make one message for the ticks that each schedule missed");
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
