#include "worker/commands.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"
#include "worker/migrate.hpp"
#include "worker/start.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

/// One line per database: reachable or why not.
struct probe {
    std::string name;
    std::string where;
    std::string problem; ///< empty when all is well
};

probe probe_database(const std::string& name, const postgres::address& where, std::optional<schema_part> part) {
    probe result{name, where.describe(), {}};
    try {
        postgres::named(name, "asking for an answer", [&] {
            auto connection = postgres::connect(where, name);
            pqxx::work transaction{connection};
            transaction.exec("SELECT 1");
        });
        if (part) {
            const auto missing = missing_schema(where, *part);
            if (!missing.problem.empty()) result.problem = fmt::format("{}: {}", missing.problem, missing.hint);
        }
    } catch (const postgres::error& e) {
        result.problem = e.what();
    }
    return result;
}

std::vector<probe> probe_databases(const settings& values) {
    std::vector<probe> probes;
    if (values.slave.given()) probes.push_back(probe_database("slave", values.slave, std::nullopt));
    if (values.production.given())
        probes.push_back(probe_database("production", values.production, schema_part::production));
    if (values.run_store.given())
        probes.push_back(probe_database("run store", values.run_store, schema_part::run_store));
    return probes;
}

void print_as_text(const loading& loaded, const std::vector<probe>& probes) {
    for (const auto& problem : loaded.problems) fmt::print("  wrong  {}\n", problem);
    for (const auto& probe : probes) {
        if (probe.problem.empty())
            fmt::print("  ok     {} {}\n", probe.name, probe.where);
        else
            fmt::print("  wrong  {} {}: {}\n", probe.name, probe.where, probe.problem);
    }
    const auto& values = loaded.values;
    for (const auto& key : values.signing_keys) fmt::print("  ok     signing key {} is set\n", key.label);
    if (!values.public_url.empty()) fmt::print("  ok     QStash calls {}\n", values.public_url);
    fmt::print("  ok     listens on {}:{}\n", values.listen.host, values.listen.port);
    fmt::print("  ok     job file: {}\n", values.job_file.empty() ? "none, defaults apply" : values.job_file);
    fmt::print(
        "  ok     tables: include {}; exclude {}\n", fmt::join(values.rules.include, ", "),
        values.rules.exclude.empty() ? "nothing" : fmt::format("{}", fmt::join(values.rules.exclude, ", ")));
    for (const auto& note : loaded.notes) fmt::print("  note   {}\n", note);
}

} // namespace

exit_code check_config(const command& command) {
    const auto loaded = load_settings(process_environment(), purpose::serve, command.config_file);
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
    const nlohmann::ordered_json document{
        {"success", good}, {"problems", loaded.problems}, {"databases", databases}, {"notes", loaded.notes}};
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return good ? exit_code::in_step : exit_code::configuration;
}

exit_code migrate_schemas(const command& command) {
    const auto config = load_or_explain(purpose::migrate, command);
    if (!config) return exit_code::configuration;
    for (const auto& [where, part] :
         {std::pair{config->production, schema_part::production},
          std::pair{config->run_store, schema_part::run_store}}) {
        if (!where.given()) continue;
        const auto made = migrate(where, part);
        if (made.from == made.to)
            fmt::print("{}: {} is at version {} already\n", where.describe(), to_string(part), made.to);
        else
            fmt::print("{}: {} from version {} to {}\n", where.describe(), to_string(part), made.from, made.to);
    }
    return exit_code::in_step;
}

} // namespace tidesync::worker
