#include "worker/commands.hpp"

#include "worker/doctor_findings.hpp"
#include "worker/doctor_probe.hpp"
#include "worker/job_list.hpp"
#include "worker/schedule_order.hpp"
#include "worker/schedules.hpp"
#include "worker/setup_keys.hpp"
#include "worker/start.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tidesync::worker {

namespace {

using state = check::state;

constexpr std::chrono::seconds qstash_limit{15};

/// What was found, area by area; shown at once to people, kept for the one document.
class findings {
public:
    explicit findings(bool json)
        : json_{json} {}

    void area(std::string name) {
        area_ = std::move(name);
        if (!json_) fmt::print("{}{}\n", counts_.empty() ? "" : "\n", area_);
    }

    void add(const check& line) {
        ++counts_[line.how];
        if (!json_) print(line);
        nlohmann::ordered_json entry{{"area", area_}};
        entry.update(document_of(line));
        document_["checks"].push_back(std::move(entry));
    }

    void add(const std::vector<check>& lines) {
        for (const auto& line : lines) add(line);
    }

    void add_away(const check& line) {
        somebody_is_away_ = true;
        add(line);
    }

    exit_code end() {
        const auto problems = counts_[state::problem];
        const auto warnings = counts_[state::warning];
        const auto message = fmt::format(
            "{} problem{}, {} warning{}", problems, problems == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
        document_["success"] = problems == 0;
        document_["message"] = message;
        if (json_)
            fmt::print("{}\n", document_.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
        else
            fmt::print("\n{}\n", message);
        if (somebody_is_away_) return exit_code::failed;
        return problems == 0 ? exit_code::in_step : exit_code::differences;
    }

private:
    bool json_;
    bool somebody_is_away_ = false;
    std::string area_;
    std::map<check::state, int> counts_;
    nlohmann::ordered_json document_{{"success", false}, {"message", ""}, {"checks", nlohmann::ordered_json::array()}};
};

const database_facts* find(const std::vector<database_facts>& all, bool database_facts::* what) {
    const auto found = std::ranges::find_if(all, [&](const auto& one) { return one.*what; });
    return found == all.end() ? nullptr : &*found;
}

void tell_database(findings& into, const database_facts& of, const settings& config) {
    into.area(of.name);
    into.add(judge_server(of, config));
    if (of.clock) into.add(judge_clock(of.name, *of.clock, config.clock_tolerance));
    if (of.in_front) into.add(judge_pooler(of, *of.in_front, config));
    if (of.away.empty()) into.add(judge_rights(of));
    into.add(of.unread);
    if (!of.away.empty())
        into.add_away({state::problem, fmt::format("{} {}: {}", of.name, of.where, of.away), of.away_hint});
}

void tell_tables(
    findings& into, const database_facts& slave, const database_facts& production, const settings& config) {
    into.area("tables");
    if (!slave.tables || !production.tables)
        return into.add(check{state::note, "not looked at: both the slave and production have to answer", {}});
    auto ours = *production.tables;
    if (production.server) {
        const auto undeletable = find_undeletable(*slave.tables, ours, config.rules);
        into.add(judge_deletes(undeletable, production.server->role));
        // Told of, all at once and with the statement for it: the plan need not say so again, table by table.
        for (const auto& name : undeletable) ours.relations.at(name).may_delete = true;
    }
    for (const auto& job : config.jobs) {
        if (&job != &config.jobs.front()) into.area("tables of " + job.name);
        into.add(judge_tables(
            slave_to_prod::make_plan(*slave.tables, ours, rules_of_job(config, job.name)), slave.hidden,
            production.hidden));
    }
}

void tell_history(
    findings& into, const database_facts& production, const database_facts& store, const settings& config) {
    into.area("runs");
    if (store.last_token && production.fence) {
        into.add(judge_tokens(*store.last_token, *production.fence, store.where));
        if (const auto unknown = find_unknown(config.run_store, production.receipts))
            into.add(judge_receipts(production.receipts.size(), *unknown));
    } else {
        into.add(
            check{state::note, "tokens and receipts: not compared, production or the run store could not be read", {}});
    }
    if (!store.jobs) return;
    if (store.jobs->empty()) into.add(check{state::note, "no worker has ever served a job with this run store", {}});
    for (const auto& one : *store.jobs) into.add(judge_job(one));
    into.add(judge_alarms(store.alarms));
}

void tell_settings(findings& into, const command& command, const loading& loaded, settings& config) {
    into.area("settings");
    into.add(judge_times(config));
    const auto serve = load_settings(process_environment(), purpose::serve, command.config_file, command.insecure_dev);
    if (serve.problems.empty())
        config.signing_keys = serve.values.signing_keys;
    else
        into.add(check{
            state::warning,
            fmt::format(
                "`tidesync serve` would not start here: {} of its settings to put right", serve.problems.size()),
            "`tidesync check-config` names them; where only `run` and `ensure` are used, nothing is wrong"});
    for (const auto& note : loaded.notes) into.add(check{state::note, note, {}});
}

void ask_qstash(findings& into, const settings& config) {
    qstash::client client{qstash_client(config, qstash_limit)};
    const auto all = client.list_schedules();
    into.add(check{state::ok, fmt::format("QStash at {} takes the token", config.qstash_url), {}});
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    std::set<std::string> ids;
    for (const auto& job : config.jobs) {
        const auto& id = *ids.insert(default_schedule_id(job.name)).first;
        const auto ours = std::ranges::find(all, id, &qstash::schedule::schedule_id);
        into.add(judge_schedule(job, ours == all.end() ? std::nullopt : std::optional{*ours}, config, now));
    }
    const auto letters = client.list_dlq();
    into.add(judge_dead_letters(static_cast<int>(
        std::ranges::count_if(letters, [&](const auto& letter) { return ids.contains(letter.schedule_id); }))));
    if (!config.signing_keys.empty()) into.add(compare_signing_keys(config.signing_keys, client.get_keys()));
}

void tell_qstash(findings& into, const settings& config) {
    into.area("QStash");
    if (config.qstash_token.empty()) {
        into.add(check{state::note, "not looked at: QSTASH_TOKEN is not set", {}});
        return;
    }
    try {
        ask_qstash(into, config);
    } catch (const qstash::api_error& e) {
        auto failure = explain(e);
        into.add(check{state::problem, fmt::format("QStash: {}", failure.message), std::move(failure.hint)});
    }
}

} // namespace

exit_code doctor(const command& command) {
    auto loaded = load_settings(process_environment(), purpose::doctor, command.config_file, command.insecure_dev);
    if (!loaded.problems.empty()) {
        explain_settings(command, loaded);
        return exit_code::configuration;
    }
    auto& config = loaded.values;
    findings found{command.json};
    const auto databases = probe_all(config);
    for (const auto& one : databases) tell_database(found, one, config);
    const auto& slave = *find(databases, &database_facts::is_slave);
    const auto& production = *find(databases, &database_facts::is_production);
    const auto& store = *find(databases, &database_facts::is_run_store);
    tell_tables(found, slave, production, config);
    tell_history(found, production, store, config);
    tell_settings(found, command, loaded, config);
    tell_qstash(found, config);
    return found.end();
}

} // namespace tidesync::worker
