#include "worker/start.hpp"

#include "jobs/stores/postgres/failure.hpp"
#include "worker/answers.hpp"
#include "worker/run_store.hpp"

#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <pwd.h>
#include <random>
#include <unistd.h>

namespace tidesync::worker {

namespace {

std::string host_name() {
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    return host.data();
}

/// Something that `migrate` has not done for a part.
std::optional<shortage> shortage_of(const postgres::address& where, schema_part part) {
    if (!where.given()) return std::nullopt;
    auto missing = missing_schema(where, part);
    if (missing.problem.empty()) return std::nullopt;
    return shortage{"not_set_up", std::move(missing)};
}

std::optional<shortage> shortage_of_rights(const postgres::address& where, schema_part part) {
    if (!where.given()) return std::nullopt;
    auto missing = missing_rights(where, part);
    if (missing.problem.empty()) return std::nullopt;
    return shortage{"access_denied", std::move(missing)};
}

bool is_there(const std::optional<shortage>& missing, const command& command) {
    if (missing) explain_failure(command, missing->code, missing->what.problem, missing->what.hint);
    return !missing;
}

/// Who knows more about the settings of a verb: `check-config`, where it looks at them.
std::string_view settings_hint(const command& command) {
    switch (command.what) {
    case command::verb::serve:
    case command::verb::run:
    case command::verb::check:
    case command::verb::check_config:
    case command::verb::doctor:
    case command::verb::runs:
    case command::verb::show_run:
    case command::verb::cancel_run:
    case command::verb::retry_run:
    case command::verb::pause:
    case command::verb::resume:
    case command::verb::ensure:
    case command::verb::token:
    case command::verb::audit:
    case command::verb::setup:
    case command::verb::demo:
        return "`tidesync check-config` tests all of them";
    case command::verb::migrate: // may be about the scheduler's database
    case command::verb::schedule:
    case command::verb::health:
    case command::verb::pre_stop:
    case command::verb::qstash_local:
    case command::verb::none:
        break;
    }
    return "docs/configuration.md lists them";
}

} // namespace

void explain_failure(
    const command& command, std::string_view code, const std::string& message, const std::string& hint,
    std::string_view run_id) {
    fmt::print(stderr, "tidesync: {}\n  {}\n", message, hint);
    if (!command.json) return;
    const auto document = error_document(code, message, hint, run_id);
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void explain_crowd(const command& command, std::string_view job) {
    explain_failure(
        command, "too_many_requests", fmt::format("{} dry runs of {} have not ended yet", run_store::dry_runs_max, job),
        "wait for one of them; `tidesync runs` lists them");
}

std::optional<settings> load_or_explain(purpose what_for, const command& command) {
    auto loaded = load_settings(process_environment(), what_for, command.config_file, command.insecure_dev);
    if (loaded.problems.empty()) return std::move(loaded.values);
    explain_settings(command, loaded);
    return std::nullopt;
}

void explain_settings(const command& command, const loading& loaded) {
    explain_failure(
        command, "configuration",
        fmt::format(
            "{} to put right:\n    {}", loaded.problems.size() == 1 ? "one setting" : "settings",
            fmt::join(loaded.problems, "\n    ")),
        std::string{settings_hint(command)});
    for (const auto& note : loaded.notes) fmt::print(stderr, "  note: {}\n", note);
}

std::optional<shortage> find_shortage(const settings& settings) {
    const std::array parts{
        std::pair{&settings.production, schema_part::production},
        std::pair{&settings.run_store, schema_part::run_store}};
    for (const auto& [where, part] : parts)
        if (auto missing = shortage_of(*where, part)) return missing;
    for (const auto& [where, part] : parts)
        if (auto missing = shortage_of_rights(*where, part)) return missing;
    return shortage_of(settings.scheduler.store, schema_part::scheduler);
}

bool schemas_are_there(const settings& settings, const command& command) {
    return is_there(find_shortage(settings), command);
}

bool run_store_is_there(const settings& settings, const command& command) {
    return is_there(shortage_of(settings.run_store, schema_part::run_store), command);
}

std::optional<settings> settings_with_store(const command& command) {
    auto config = load_or_explain(purpose::store, command);
    if (!config || !run_store_is_there(*config, command)) return std::nullopt;
    return config;
}

bool scheduler_is_there(const settings& settings, const command& command) {
    return is_there(shortage_of(settings.scheduler.store, schema_part::scheduler), command);
}

std::string process_name() {
    std::random_device random;
    return fmt::format("{}/{}/{:08x}", host_name(), getpid(), random());
}

void record_or_warn(const postgres::address& where, const audit_entry& entry) {
    if (!where.given()) return;
    try {
        run_store{where}.record(entry);
    } catch (const postgres::error& e) {
        fmt::print(stderr, "tidesync: this is not in the audit: {}\n", e.what());
    }
}

requester user_of_command_line() {
    std::array<char, 1024> texts{};
    passwd entry{};
    passwd* found = nullptr;
    getpwuid_r(geteuid(), &entry, texts.data(), texts.size(), &found);
    // In a container nobody may have told the system what this user is called.
    return {
        .actor = found == nullptr ? fmt::format("cli uid {}", geteuid()) : fmt::format("cli {}", found->pw_name),
        .remote = host_name()};
}

} // namespace tidesync::worker
