#include "worker/commands.hpp"

#include "worker/checks.hpp"
#include "worker/migrate.hpp"
#include "worker/start.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

void print_as_text(const loading& loaded, const std::vector<probe>& probes) {
    for (const auto& line : wrong_settings(loaded)) print(line);
    for (const auto& probe : probes) print(check_of(probe));
    for (const auto& line : good_settings(loaded)) print(line);
}

} // namespace

exit_code check_config(const command& command) {
    const auto loaded = load_settings(process_environment(), purpose::serve, command.config_file, command.insecure_dev);
    const auto probes = probe_databases(loaded.values);
    const bool good =
        loaded.problems.empty() && std::ranges::all_of(probes, [](const auto& p) { return p.problem.empty(); });
    if (!command.json) {
        print_as_text(loaded, probes);
        fmt::print("{}\n", good ? "everything `tidesync serve` needs is there" : "not ready to serve");
        return good ? exit_code::in_step : exit_code::configuration;
    }
    auto databases = nlohmann::ordered_json::array();
    for (const auto& probe : probes)
        databases.push_back({{"name", probe.name}, {"where", probe.where}, {"problem", probe.problem}});
    auto keys = nlohmann::ordered_json::array();
    for (const auto& key : loaded.values.signing_keys) keys.push_back(key.label);
    const nlohmann::ordered_json document{
        {"success", good},
        {"problems", loaded.problems},
        {"databases", databases},
        {"signing_keys", std::move(keys)},
        {"notes", loaded.notes}};
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return good ? exit_code::in_step : exit_code::configuration;
}

exit_code migrate_schemas(const command& command) {
    const auto config = load_or_explain(purpose::migrate, command);
    if (!config) return exit_code::configuration;
    auto schemas = nlohmann::ordered_json::array();
    for (const auto& [where, part] :
         {std::pair{config->production, schema_part::production}, std::pair{config->run_store, schema_part::run_store},
          std::pair{config->scheduler.store, schema_part::scheduler}}) {
        if (!where.given()) continue;
        const auto made = migrate(where, part);
        schemas.push_back(
            {{"part", to_string(part)}, {"where", where.describe()}, {"from", made.from}, {"to", made.to}});
        if (command.json) continue;
        if (made.from == made.to)
            fmt::print("{}: {} is at version {} already\n", where.describe(), to_string(part), made.to);
        else
            fmt::print("{}: {} from version {} to {}\n", where.describe(), to_string(part), made.from, made.to);
    }
    // A scheduler may be all that was to be set up; nobody should believe that more was.
    auto notes = nlohmann::ordered_json::array();
    if (!config->production.given()) notes.push_back("production: PROD_DATABASE_URL is not set, left alone");
    if (command.json) {
        const nlohmann::ordered_json document{{"success", true}, {"schemas", schemas}, {"notes", notes}};
        fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
        return exit_code::in_step;
    }
    for (const auto& note : notes) fmt::print("{}\n", note.get<std::string>());
    return exit_code::in_step;
}

} // namespace tidesync::worker
