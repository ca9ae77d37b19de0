#pragma once

#include "worker/cli.hpp"
#include "worker/settings.hpp"

#include <optional>
#include <string>

/// What every verb does before its own work.
namespace tidesync::worker {

/// Loads the settings, or prints everything that is wrong with them to stderr.
[[nodiscard]] std::optional<settings> load_or_explain(purpose, const command&);

/// Whether `tidesync migrate` has made what this binary needs; explains on stderr when not.
/// @throws postgres::error when a database does not answer
[[nodiscard]] bool schemas_are_there(const settings&);

/// `host/pid/random`: no two processes share it, not even after a restart in the same container.
[[nodiscard]] std::string process_name();

} // namespace tidesync::worker
