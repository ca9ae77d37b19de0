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

/// `migrate --await`: for whoever starts beside the one that migrates.
exit_code await_schemas(const settings& config, const command& command) {
    const stop_signals signals; // the first process of a container gets no SIGTERM that it did not ask for
    const auto until = std::chrono::steady_clock::now() + command.await;
    std::string said;
    for (;;) {
        std::optional<shortage> missing;
        auto outcome = exit_code::configuration;
        try {
            missing = find_shortage(config);
        } catch (const postgres::error& e) { // it may come up yet
            missing =
                shortage{"unreachable", {.problem = e.what(), .hint = "`tidesync check-config` tests the addresses"}};
            outcome = exit_code::failed;
        }
        if (!missing) return exit_code::in_step;
        if (std::chrono::steady_clock::now() >= until) {
            explain_failure(
                command, missing->code,
                fmt::format("after {} s of waiting: {}", command.await.count(), missing->what.problem),
                missing->what.hint);
            return outcome;
        }
        if (missing->what.problem != said) fmt::print(stderr, "waiting: {}\n", missing->what.problem);
        said = missing->what.problem;
        if (signals.wait(std::chrono::seconds{1})) {
            explain_failure(command, "stopped", "stopped while waiting: " + said, missing->what.hint);
            return exit_code::failed;
        }
    }
}

struct part_to_migrate {
    const postgres::address& where;
    schema_part part;
};

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
        fmt::print("role {} may do all that runs need in {} already\n", role, to_string(to.part));
    else
        fmt::print("granted to role {}, for {}: {} rights\n", role, to_string(to.part), lacked->size());
    return true;
}

} // namespace

exit_code migrate_schemas(const command& command) {
    const auto config = load_or_explain(purpose::migrate, command);
    if (!config) return exit_code::configuration;
    if (command.await.count() > 0) return await_schemas(*config, command);
    auto schemas = nlohmann::ordered_json::array();
    for (const part_to_migrate& each :
         {part_to_migrate{config->production, schema_part::production},
          part_to_migrate{config->run_store, schema_part::run_store},
          part_to_migrate{config->scheduler.store, schema_part::scheduler}}) {
        const auto& [where, part] = each;
        if (!where.given()) continue;
        const auto made = migrate(where, part);
        auto& document = schemas.emplace_back(nlohmann::ordered_json{
            {"part", to_string(part)}, {"where", where.describe()}, {"from", made.from}, {"to", made.to}});
        if (!command.json && made.from == made.to)
            fmt::print("{}: {} is at version {} already\n", where.describe(), to_string(part), made.to);
        else if (!command.json)
            fmt::print("{}: {} from version {} to {}\n", where.describe(), to_string(part), made.from, made.to);
        if (!command.grant_to.empty() && !grant(each, command, document)) return exit_code::configuration;
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
