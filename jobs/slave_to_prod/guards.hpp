#pragma once

#include "jobs/slave_to_prod/rules.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// Decides whether a run may do what it has found to do, or whether a person should look first. Reads no database.
namespace tidesync::slave_to_prod {

/// What a run has found out about one table.
struct table_facts {
    table_name name;
    guard_limits limits{};
    bool deletes = false;
    std::int64_t slave_rows = 0;
    std::int64_t production_rows = 0;
    std::int64_t missing = 0;   ///< to be inserted
    std::int64_t different = 0; ///< to be updated
    std::int64_t gone = 0;      ///< to be deleted
};

struct run_facts {
    std::vector<table_facts> tables{};
    std::vector<std::string> drift{};                  ///< what only the slave has, where that is to stop the run
    std::map<std::string, std::int64_t> last_totals{}; ///< rows of each table on the slave when a run last ended well
    std::vector<std::string> missing_tables{};         ///< tables of that run that one side lacks now
    std::optional<std::chrono::seconds> source_age{};  ///< of a standby
};

/// Whether what the standby has replayed is older than it may be.
[[nodiscard]] bool is_too_old(const run_facts&, const table_rules&) noexcept;

/// @returns a sentence for each thing that a person should look at, naming table, figures and setting; empty when the
///          run may go on
[[nodiscard]] std::vector<std::string> judge(const run_facts&, const table_rules&);

} // namespace tidesync::slave_to_prod
