#pragma once

#include "worker/doctor_facts.hpp"
#include "worker/settings.hpp"

#include <optional>
#include <vector>

/// Fetches the facts, and decides nothing. Writes nothing: every transaction is READ ONLY.
namespace tidesync::worker {

/// Asks every database at once, each within a time limit. A run store inside production is one with it.
[[nodiscard]] std::vector<database_facts> probe_all(const settings&);

/// Which of these runs the run store does not know, newest first.
/// @returns nothing when it does not answer
[[nodiscard]] std::optional<std::vector<receipt>>
find_unknown(const postgres::address& run_store, const std::vector<receipt>&);

} // namespace tidesync::worker
