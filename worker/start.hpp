#pragma once

#include "worker/cli.hpp"
#include "worker/migrate.hpp"
#include "worker/settings.hpp"

#include <optional>
#include <string>
#include <string_view>

/// What every verb does before its own work.
namespace tidesync::worker {

/// Says on stderr why a verb cannot do its work; with --json on stdout, too, as the one document.
void explain_failure(
    const command&, std::string_view code, const std::string& message, const std::string& hint,
    std::string_view run_id = {});

/// The same for one more dry run than a job may have at work.
void explain_crowd(const command&, std::string_view job);

/// The same for settings that are wrong, all at once.
void explain_settings(const command&, const loading&);

/// Loads the settings, or explains everything that is wrong with them.
[[nodiscard]] std::optional<settings> load_or_explain(purpose, const command&);

/// What `tidesync migrate` has not made yet, or the roles may not use.
struct shortage {
    std::string_view code; ///< of the error document
    schema_check what;
};

/// The first thing that runs need, or the scheduler's schema where that is set, and that is not there. @throws
/// postgres::error when a database does not answer
[[nodiscard]] std::optional<shortage> find_shortage(const settings&);

/// Whether `tidesync migrate` has made what runs need, and the roles may use it; explains when not.
/// @throws postgres::error when a database does not answer
[[nodiscard]] bool schemas_are_there(const settings&, const command&);

/// The same for what the history needs.
[[nodiscard]] bool run_store_is_there(const settings&, const command&);

/// The settings of a verb that needs the run store alone, and that is set up; nothing and an explanation otherwise.
[[nodiscard]] std::optional<settings> settings_with_store(const command&);

/// The same for what the local scheduler needs.
[[nodiscard]] bool scheduler_is_there(const settings&, const command&);

/// `host/pid/random`: no two processes share it, not even after a restart in the same container.
[[nodiscard]] std::string process_name();

/// Writes down what a command is about to do at QStash, where a run store is set; says so on stderr when it cannot.
void record_or_warn(const postgres::address& run_store, const audit_entry&);

/// Who types: `cli ann`, for the history and the audit.
[[nodiscard]] requester user_of_command_line();

} // namespace tidesync::worker
