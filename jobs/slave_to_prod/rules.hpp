#pragma once

#include "jobs/slave_to_prod/catalog.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a person may settle about tables, from tidesync.yaml.
namespace tidesync::slave_to_prod {

/// What becomes of rows that production has and the slave does not.
enum class delete_policy {
    off,  ///< nothing
    soft, ///< a column of production says that they are gone
    hard, ///< they are deleted
};

/// How much a run may do to one table before a person has to look. Shares are of the rows that production has.
struct guard_limits {
    int changed_percent_max = 50;   ///< rows updated
    int deleted_percent_max = 10;   ///< rows deleted, softly or not
    std::int64_t rows_min = 100;    ///< a share of fewer rows means nothing
    bool empty_source_stops = true; ///< the slave has no row of a table that had some
};

/// What one entry under `tables:` says. What it leaves open, earlier entries or the defaults say.
struct table_rule {
    std::string pattern;                     ///< over `schema.table`
    std::vector<std::string> key{};          ///< columns that tell its rows apart
    std::vector<std::string> skip_columns{}; ///< neither read, compared nor written
    std::string where{};                     ///< a condition in SQL: other rows are as good as not there, on both sides
    std::optional<delete_policy> deletes{};
    std::string soft_column{};
    std::optional<int> changed_percent_max{};
    std::optional<int> deleted_percent_max{};
    std::optional<std::int64_t> rows_min{};
    std::optional<bool> empty_source_stops{};
};

/// Tables that need not change together with the others: they have a job of their own.
struct table_group {
    std::string name;
    std::vector<std::string> tables; ///< patterns over `schema.table`
};

struct table_rules {
    std::vector<table_group> groups{};
    std::string group{};                   ///< whose tables are meant; empty: those that are in none
    std::vector<std::string> include{"*"}; ///< patterns over `schema.table`; `*` stands for any run of characters
    std::vector<std::string> exclude{};
    std::vector<table_rule> tables{}; ///< of those that match a table the later ones go before the earlier
    guard_limits guards{};
    std::chrono::seconds source_age_max{3600}; ///< of a standby: how old what it has replayed may be; 0: any age
    bool drift_stops = false;                  ///< columns or tables that only the slave has stop the run
};

/// What holds for one table.
struct table_settings {
    std::vector<std::string> key{};
    std::vector<std::string> skip_columns{};
    std::string where{};
    delete_policy deletes = delete_policy::off;
    std::string soft_column{};
    guard_limits guards{};
};

[[nodiscard]] table_settings settings_of(const table_rules&, const table_name&);

/// Whether rows of any table may be deleted.
[[nodiscard]] bool may_delete(const table_rules&);

/// Whether include and exclude let a table be synced, by whatever group.
[[nodiscard]] bool is_included(const table_rules&, const table_name&);

/// The groups that name a table; more than one is a mistake.
[[nodiscard]] std::vector<std::string> groups_of(const table_rules&, const table_name&);

/// Whether the rules mean this table: it is included, and in the group whose tables are meant.
[[nodiscard]] bool is_selected(const table_rules&, const table_name&);

/// The job that syncs a group: `slave-to-prod-logs`. The tables that are in none belong to `slave-to-prod`.
[[nodiscard]] std::string job_of_group(std::string_view group);

/// Whether it can be part of a job's name: a small letter, then small letters, digits and hyphens, 32 at most.
[[nodiscard]] bool is_group_name(std::string_view);

/// `*` stands for any run of characters, everything else for itself.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view name);

/// The word in a filter that stands for the time at which the run's snapshot of the slave was taken.
inline constexpr std::string_view filter_time = ":now";

/// Why a condition cannot be a filter: it is more than one expression, or two askers would get two answers.
/// @returns empty when nothing is wrong that can be seen without a server
[[nodiscard]] std::string problem_with_filter(std::string_view condition);

/// Every name in it, of a column or of anything else.
[[nodiscard]] std::vector<std::string> names_in_filter(std::string_view condition);

/// The condition with `:now` written out.
/// @param now  as SQL reads it, quoted
[[nodiscard]] std::string filter_at(std::string_view condition, std::string_view now);

} // namespace tidesync::slave_to_prod
