#include "worker/commands.hpp"

#include "worker/checks.hpp"
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

} // namespace tidesync::worker
