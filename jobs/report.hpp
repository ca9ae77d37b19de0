#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tidesync::jobs {

/// What happened to one table (or prefix, or collection). All counts are rows.
struct table_report {
    std::string name;
    std::string strategy{}; ///< how the job went about it, in its own words; empty for jobs with one way only
    std::int64_t total = 0; ///< rows on the source, at the snapshot
    std::int64_t inserted = 0;
    std::int64_t updated = 0;
    std::int64_t unchanged = 0;
    std::int64_t deleted = 0;
    std::int64_t missing = 0;   ///< not done: on the source, not on the target
    std::int64_t different = 0; ///< not done: on both sides, not the same
    std::int64_t extra = 0;     ///< not done: on the target, not on the source
    std::int64_t bytes = 0;     ///< moved from the source
    std::chrono::milliseconds took{};
};

/// How long one phase of a run took.
struct phase_report {
    std::string name;
    std::chrono::milliseconds took{};
};

/// Why a guard stopped a run, or would stop one.
struct guard_report {
    std::string difference;         ///< names what the run would have done; whoever approves it approves this
    std::vector<std::string> trips; ///< a sentence each
};

/// The server that the rows were read from.
struct source_report {
    bool standby = false;
    std::optional<std::chrono::seconds> replay_age; ///< how old what a standby had replayed was; nothing when unknown
};

/// What a run found and did. Filled as far as it came, so that a failed run still tells what it knows.
struct report {
    std::vector<table_report> tables;
    std::vector<phase_report> phases;
    std::vector<std::string> warnings;
    std::optional<guard_report> guard{};
    std::string approved{}; ///< the stopped run whose difference this one was allowed to make; empty for none
    std::optional<source_report> source; ///< nothing before it was asked, and in documents of older versions

    /// Sums over the tables; the name is empty.
    [[nodiscard]] table_report totals() const;

    /// True when nothing that the source has is missing or different on the target. Meant for `check`.
    [[nodiscard]] bool in_step() const;
};

void to_json(nlohmann::ordered_json&, const table_report&);
void to_json(nlohmann::ordered_json&, const source_report&);
void to_json(nlohmann::ordered_json&, const report&);
void from_json(const nlohmann::json&, table_report&);
void from_json(const nlohmann::json&, source_report&);
void from_json(const nlohmann::json&, report&);

} // namespace tidesync::jobs
