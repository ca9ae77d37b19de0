#include "worker/cli.hpp"

#include "worker/answers.hpp"
#include "worker/exit_code.hpp"
#include "worker/runs.hpp"
#include "worker/version.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>

namespace tidesync::worker {

namespace {

constexpr const char* environment_help = R"(Settings come from the environment, or from files named by <NAME>_FILE:
  SLAVE_DATABASE_URL            where rows are read   postgresql://user:password@host:port/database
  PROD_DATABASE_URL             where they are written
  TIDESYNC_DATABASE_URL         where runs are stored (default: production, schema tidesync)
  TIDESYNC_CONFIG               the job file (default: ./tidesync.yaml where there is one)
  QSTASH_CURRENT_SIGNING_KEY    serve: the keys that QStash signs deliveries with; qstash-local: keys of your own
  QSTASH_NEXT_SIGNING_KEY
  US_EAST_1_QSTASH_CURRENT_SIGNING_KEY, US_EAST_1_QSTASH_NEXT_SIGNING_KEY, EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY,
  EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY   serve: those of a region, beside them or instead
  TIDESYNC_PUBLIC_URL           serve: the address that QStash calls, https://...
  TIDESYNC_ADMIN_TOKEN          serve: what a person sends as Authorization: Bearer ...; `tidesync token` makes others
  TIDESYNC_LISTEN               serve: address:port (default 127.0.0.1:8090)
  TIDESYNC_ADMIN_LISTEN         serve: a second address:port, for people, probes and metrics; the first keeps deliveries
  TIDESYNC_CLOCK_TOLERANCE      serve: seconds that our clock may be off (default 5)
  TIDESYNC_DELIVERY_WAIT        serve: seconds that a delivery waits for the end of its run (default 25)
  TIDESYNC_DRAIN_LIMIT          serve: seconds that SIGTERM lets a run finish (default 30)
  TIDESYNC_LEASE                serve, run, ensure: seconds that a worker which fell silent keeps its run (default 30)
  TIDESYNC_ALARM_URL            serve, run, ensure: where alarms of dead runs and late jobs go, as signed webhooks
  TIDESYNC_ALARM_SECRET         serve, run, ensure: what they are signed with, whsec_ and base64
  TIDESYNC_PING_URL             serve, run, ensure: told when a run starts and how it ended, as Healthchecks has it
  QSTASH_TOKEN                  schedule, setup: what we show QStash; serve needs it for its schedule route;
                                qstash-local: what its clients show
  QSTASH_URL                    where QStash is (default https://qstash.upstash.io)
  TIDESYNC_QSTASH_DATABASE_URL  qstash-local: where its messages are, schema tidesync_qstash
  TIDESYNC_QSTASH_ALLOW_HOSTS   qstash-local: hosts it may call: app.example.com, *.example.org, or *
  TIDESYNC_QSTASH_ALLOW_NETWORKS   qstash-local: private networks they may be in: 10.0.0.0/8, fd00::/8
`tidesync check-config` tells what `serve` has, what is missing and what is wrong; docs/configuration.md has all.
`tidesync doctor` tells what will bite once it runs: clocks, poolers, privileges, time limits, a restored run store.
Exit codes: 0 in step (`ensure`: or the tick was served, or the job is paused), 1 differences or (`doctor`, `health`) problems
found, 3 failed, 64 wrong usage, 78 configuration.)";

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
    create->add_option("--job", order.job, "The job: slave-to-prod, or slave-to-prod-GROUP")->capture_default_str();
    create->add_option(
        "--cron", order.cron,
        "Five fields (minute hour day month weekday), or @hourly, @daily, ... (default: the job's slots, `0 */6 * * *` "
        "for slot_every_s 21600)");
    create->add_option("--config", result.config_file, "Job file (default: $TIDESYNC_CONFIG, else ./tidesync.yaml)");
    create->add_option("--timezone", order.timezone, "Area/City that the fields are meant in (default: UTC)");
    create->add_option("--retries", order.retries, "How often QStash tries a failed delivery again")
        ->capture_default_str();
    create->add_option_function<int>(
        "--timeout", [&order](int seconds) { order.timeout = std::chrono::seconds{seconds}; },
        "Seconds that QStash waits for an answer (default: 30, more where TIDESYNC_DELIVERY_WAIT needs it)");
    create->add_option("--parameters", order.parameters, R"(JSON object for the job, such as '{"dry_run": true}')");
    add("list", "List every schedule of the account", schedule_command::verb::list, verb::create);
    with_id(add("get", "Show one schedule", schedule_command::verb::get, verb::create));
    add_change("pause", "Stop the schedule until it is resumed; ticks meanwhile are dropped", verb::pause);
    add_change("resume", "Start it again from the next tick", verb::resume);
    add_change("delete", "Delete a schedule", verb::remove);
    add_change("trigger", "Let QStash deliver now what the schedule delivers at its ticks", verb::trigger);
}

/// `tidesync token create|list|revoke`.
void add_tokens(CLI::App* token, command& result) {
    token->require_subcommand(1);
    const auto add = [&](const char* name, const char* help, token_command::verb what) {
        auto* sub = token->add_subcommand(name, help);
        sub->add_flag("--json", result.json, "Print exactly one JSON document on stdout");
        sub->callback([&result, what] {
            result.what = command::verb::token;
            result.token.what = what;
        });
        return sub;
    };
    auto* create = add("create", "Make a token and print it, this once", token_command::verb::create);
    create->add_option("--name", result.token.name, "Whose it is; of two with one name, one replaces the other")
        ->check([](const std::string& name) {
            return is_token_name(name) ? std::string{} : fmt::format("expected {}", token_name_form);
        })
        ->required();
    create
        ->add_option_function<std::string>(
            "--scope", [&result](const std::string& word) { result.token.scope = *scope_of(word); },
            "read (look), trigger (and start, cancel, retry runs) or admin (and everything else)")
        ->check(CLI::IsMember({"read", "trigger", "admin"}))
        ->required();
    create
        ->add_option_function<int>(
            "--expires", [&result](int days) { result.token.days = days; }, "Days that it is good for (default: ever)")
        ->check(CLI::Range(1, 3650));
    add("list", "List tokens, those that open nothing any more as well", token_command::verb::list);
    add("revoke", "End a token; every worker refuses it within two seconds", token_command::verb::revoke)
        ->add_option("token", result.token.name, "Its id, or its name where only one has it")
        ->required();
}

/// `tidesync runs [show|cancel|retry ID]`.
void add_runs(CLI::App* runs, command& result) {
    runs->add_option("--limit", result.rows_max, "How many")->check(CLI::Range(1, 1000))->capture_default_str();
    // A subcommand's callback comes before its parent's.
    runs->callback([runs, &result] {
        if (runs->get_subcommands().empty()) result.what = command::verb::runs;
    });
    const auto add = [&](const char* name, const char* help, command::verb verb) {
        auto* sub = runs->add_subcommand(name, help);
        sub->add_option("run", result.run_id, "The run's id")->required();
        sub->add_flag("--json", result.json, "Print exactly one JSON document on stdout");
        sub->callback([&result, verb] { result.what = verb; });
    };
    add("show", "Show one run with all that is known about it", command::verb::show_run);
    add("cancel", "Stop a run, or take it out of the line; production stays as it was", command::verb::cancel_run);
    add("retry", "Make a new run for one that is dead, cancelled or skipped", command::verb::retry_run);
}

void add_migration(CLI::App* migrate, command& result) {
    auto* grant = migrate->add_option(
        "--grant-to", result.grant_to,
        "Then let this role do what runs need in these schemas, and no more. (Where TIDESYNC_QSTASH_DATABASE_URL is "
        "set "
        "alone: what qstash-local needs)");
    migrate
        ->add_option_function<int>(
            "--await", [&result](int seconds) { result.await = std::chrono::seconds{seconds}; },
            "Change nothing: wait at most so many seconds until somebody has migrated and this role may work")
        ->check(CLI::Range(1, 3600))
        ->excludes(grant);
}

/// What supervisors of `serve` call: Docker, Kubernetes, scripts.
void add_lifecycle(CLI::App& app, command& result) {
    auto* health = app.add_subcommand(
        "health", "Ask the worker of this machine whether it is alive. Exit 0 when it says so, 1 otherwise");
    health->add_flag(
        "--ready", result.ready, "Whether it would take a delivery now: it does not drain, its store answers");
    health->callback([&result] { result.what = command::verb::health; });
    auto* pre_stop =
        app.add_subcommand("pre-stop", "Wait, so that a load balancer can take this worker out before SIGTERM comes");
    pre_stop
        ->add_option_function<int>(
            "--sleep", [&result](int seconds) { result.sleep = std::chrono::seconds{seconds}; }, "Seconds")
        ->check(CLI::Range(1, 600))
        ->required();
    pre_stop->callback([&result] { result.what = command::verb::pre_stop; });
}

/// What could not be parsed may have stopped before the flag, so that the words themselves are looked at.
bool asks_for_json(int argc, const char* const* argv) {
    return std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--json"; });
}

void print_usage_error(const std::string& what) {
    const auto document =
        error_document("usage", what, "`tidesync --help` and `tidesync <verb> --help` show what there is");
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

} // namespace

command parse_command_line(int argc, const char* const* argv, int& exit_status) {
    command result;
    CLI::App app{
        "Tidesync brings a production PostgreSQL up to date from a slave PostgreSQL: inserts what is new, "
        "updates what differs, in one transaction.",
        "tidesync"};
    app.set_version_flag("--version", std::string{"tidesync "} + version);
    app.footer("`tidesync --help` lists the settings, docs/configuration.md all of them."); // what each verb inherits
    app.require_subcommand(1);

    const auto add_without_job_file = [&](const char* name, const char* help, command::verb verb) {
        auto* sub = app.add_subcommand(name, help);
        sub->callback([&result, verb] { result.what = verb; });
        return sub;
    };
    const auto add = [&](const char* name, const char* help, command::verb verb) {
        auto* sub = add_without_job_file(name, help, verb);
        sub->add_option("--config", result.config_file, "Job file (default: $TIDESYNC_CONFIG, else ./tidesync.yaml)");
        return sub;
    };
    const auto with_job = [&](CLI::App* sub) {
        sub->add_option("job", result.job, "The job: slave-to-prod, or slave-to-prod-GROUP")
            ->required()
            ->check([](const std::string& name) {
                const bool fits = name == "slave-to-prod" || name.starts_with("slave-to-prod-");
                return fits ? std::string{} : std::string{"expected slave-to-prod, or slave-to-prod-GROUP"};
            });
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
    auto* run = with_json(with_job(add("run", "Run a job now and wait for its end", command::verb::run)));
    auto* dry_run = run->add_flag("--dry-run", result.dry_run, "Report what would be done, write nothing");
    run->add_option(
           "--approve", result.approve,
           "A run that a guard stopped: let exactly what it would have done through, once. Exit 4 when something else "
           "differs by now")
        ->excludes(dry_run);
    with_json(
        with_job(add("check", "Compare both sides; write nothing. Exit 1 when they differ", command::verb::check)));
    with_json(
        add("check-config",
            "Test every setting of `serve`, and that its databases answer. (doctor looks at how the whole behaves)",
            command::verb::check_config))
        ->add_flag("--insecure-dev", result.insecure_dev, "As `serve --insecure-dev` will take them");
    with_json(
        add("doctor",
            "Look at how the whole behaves: clocks, poolers, privileges, tokens, time limits, schedule and runs, each "
            "with a remedy. Writes nothing; exit 1 when something is to be put right, 3 when a database is away. "
            "(check-config looks at the settings alone)",
            command::verb::doctor));
    add_migration(
        with_json(
            add("migrate",
                "Make or update the schemas tidesync, tidesync_staging and, where TIDESYNC_QSTASH_DATABASE_URL is set, "
                "tidesync_qstash",
                command::verb::migrate)),
        result);
    add_runs(
        with_json(add("runs", "List the latest runs; or show, cancel and retry one", command::verb::runs)), result);
    with_json(with_job(add("pause", "Let a job start nothing until it is resumed", command::verb::pause)))
        ->add_option("--reason", result.reason, "Why: whoever finds it paused will ask")
        ->check([](const std::string& reason) {
            const bool fits = !reason.empty() && reason.size() <= pause_reason_bytes_max;
            return fits ? std::string{} : fmt::format("expected 1 to {} bytes", pause_reason_bytes_max);
        })
        ->required();
    with_json(with_job(add("resume", "Let a paused job start again", command::verb::resume)));
    auto* ensure = with_json(with_job(
        add("ensure", "Run a job only if nothing served the last tick of its schedule", command::verb::ensure)));
    ensure->add_option("--slot", "Which tick: current")->check(CLI::IsMember({"current"}));
    ensure->add_flag("--wait", result.wait, "Work on the run here and wait for its end");
    add_schedule(app, result);
    add_tokens(app.add_subcommand("token", "Make, list and revoke bearer tokens for people and programs"), result);
    with_json(add("audit", "List what people did: triggers, cancels, pauses, tokens, schedules", command::verb::audit))
        ->add_option("--limit", result.rows_max, "How many")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    with_json(add("setup",
                  "Test every setting, make two dry runs (one by hand, one through QStash), create or correct the "
                  "schedule",
                  command::verb::setup))
        ->add_flag("--insecure-dev", result.insecure_dev, "For a worker that was started with --insecure-dev");
    auto* local = add_without_job_file(
        "qstash-local", "Serve the API of QStash from PostgreSQL: schedules, messages, retries, dead letters",
        command::verb::qstash_local);
    local->add_option("--listen", result.listen, "IP-address:port")->capture_default_str();
    local->add_flag(
        "--dev", result.dev,
        "The public development users and keys of QStash, which its clients look for on port 8080; only on loopback. "
        "Makes its schema by itself");
    local->add_flag(
        "--catch-up", result.catch_up, "After downtime, make one message for the ticks that each schedule missed");
    add_lifecycle(app, result);
    add("demo", "For `./dev demo`: makes a schedule of every minute at the local scheduler and follows one message",
        command::verb::demo);

    app.footer(environment_help);

    try {
        app.parse(argc, argv);
        exit_status = 0;
    } catch (const CLI::Success& e) { // --help, --version
        exit_status = app.exit(e);
        result.what = command::verb::none;
    } catch (const CLI::ParseError& e) {
        app.exit(e);
        if (asks_for_json(argc, argv)) print_usage_error(e.what());
        exit_status = static_cast<int>(exit_code::usage);
        result.what = command::verb::none;
    }
    return result;
}

} // namespace tidesync::worker
