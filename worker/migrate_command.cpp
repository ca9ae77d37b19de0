#include "worker/commands.hpp"

#include "jobs/stores/postgres/failure.hpp"
#include "worker/migrate.hpp"
#include "worker/printable.hpp"
#include "worker/start.hpp"
#include "worker/stop_signals.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

/// What keeps runs from starting, and what the command would end with.
struct obstacle {
    shortage what;
    exit_code outcome = exit_code::configuration;
};

std::optional<obstacle> find_obstacle(const settings& config) {
    try {
        auto missing = find_shortage(config);
        return missing ? std::optional{obstacle{std::move(*missing)}} : std::nullopt;
    } catch (const postgres::error& e) { // it may come up yet, or be granted
        const auto how = postgres::outcome_of(e);
        const auto* failure = jobs::why(how);
        const bool denied = failure->code == jobs::failure_code::access_denied;
        return obstacle{
            {to_string(failure->code), {.problem = failure->message, .hint = failure->hint}},
            denied ? exit_code::configuration : exit_code::failed};
    }
}

/// `migrate --await`: for whoever starts beside the one that migrates.
exit_code await_schemas(const settings& config, const command& command) {
    const stop_signals signals; // the first process of a container gets no SIGTERM that it did not ask for
    const auto until = std::chrono::steady_clock::now() + command.await;
    std::string said;
    while (const auto found = find_obstacle(config)) {
        const auto& missing = found->what;
        if (missing.what.is_newer || std::chrono::steady_clock::now() >= until) {
            explain_failure(
                command, missing.code,
                missing.what.is_newer
                    ? missing.what.problem
                    : fmt::format("after {} s of waiting: {}", command.await.count(), missing.what.problem),
                missing.what.hint);
            return found->outcome;
        }
        if (missing.what.problem != said) fmt::print(stderr, "waiting: {}\n", missing.what.problem);
        said = missing.what.problem;
        if (signals.wait(std::chrono::seconds{1})) {
            explain_failure(command, "stopped", "stopped while waiting: " + said, missing.what.hint);
            return exit_code::failed;
        }
    }
    if (command.json) fmt::print("{}\n", nlohmann::ordered_json{{"success", true}}.dump(2));
    return exit_code::in_step;
}

struct part_to_migrate {
    const postgres::address& where;
    schema_part part;
};

std::vector<part_to_migrate> parts_of(const settings& config) {
    std::vector<part_to_migrate> parts;
    for (const part_to_migrate& each :
         {part_to_migrate{config.production, schema_part::production},
          part_to_migrate{config.run_store, schema_part::run_store},
          part_to_migrate{config.scheduler.store, schema_part::scheduler}})
        if (each.where.given()) parts.push_back(each);
    return parts;
}

/// @returns what is to be shown of it
nlohmann::ordered_json migrate_one(const part_to_migrate& each, const command& command) {
    const auto& [where, part] = each;
    const auto made = migrate(where, part);
    if (!command.json && made.from == made.to)
        fmt::print("{}: {} is at version {} already\n", where.describe(), to_string(part), made.to);
    else if (!command.json)
        fmt::print("{}: {} from version {} to {}\n", where.describe(), to_string(part), made.from, made.to);
    return {{"part", to_string(part)}, {"where", where.describe()}, {"from", made.from}, {"to", made.to}};
}

/// @returns false, explained, when there is no such role
bool grant(const part_to_migrate& to, const command& command, nlohmann::ordered_json& document) {
    const auto lacked = grant_missing_rights(to.where, to.part, command.grant_to);
    const auto role = printable(command.grant_to, 64);
    if (!lacked) {
        explain_failure(
            command, "configuration", fmt::format("there is no role {} in {}", role, to.where.describe()),
            fmt::format("the schemas are made; CREATE ROLE \"{}\" LOGIN PASSWORD ..., then migrate again", role));
        return false;
    }
    document["granted"] = *lacked;
    if (command.json) return true;
    fmt::print("{}: ", to.where.describe());
    if (lacked->empty())
        fmt::print("role {} may do all that is needed in {} already\n", role, to_string(to.part));
    else
        fmt::print("granted to role {}, for {}: {} rights\n", role, to_string(to.part), lacked->size());
    return true;
}

} // namespace

exit_code migrate_schemas(const command& command) {
    const auto config = load_or_explain(purpose::migrate, command);
    if (!config) return exit_code::configuration;
    if (command.await.count() > 0) return await_schemas(*config, command);
    const auto parts = parts_of(*config);
    auto schemas = nlohmann::ordered_json::array();
    for (const auto& each : parts) schemas.push_back(migrate_one(each, command));
    for (std::size_t i = 0; i < parts.size() && !command.grant_to.empty(); ++i) {
        // The scheduler's tables hold keys of every application: its role is not the worker's.
        if (parts[i].part == schema_part::scheduler && parts.size() > 1) continue;
        if (!grant(parts[i], command, schemas[i])) return exit_code::configuration;
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
