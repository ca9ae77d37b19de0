#pragma once

#include "jobs/slave_to_prod/catalog.hpp"
#include "jobs/slave_to_prod/rules.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidesync::slave_to_prod {

enum class copy_format { binary, text };

struct planned_column {
    std::string name;
    image_kind image = image_kind::raw;
    std::string send_function{};
    bool identity_always = false;
    bool key_hashes_raw = false;
    bool integer = false; ///< smallint, integer or bigint
};

/// What two rows of a table cannot have in common besides the key, and how they can swap it all the same.
struct planned_rival {
    std::string index;
    std::vector<std::string> columns; ///< synced ones
    std::string parked;               ///< the one of them that is set aside meanwhile; empty when none can be
    std::string parking;              ///< as what: an expression over the two names below
};

/// The column of production that says that a row is gone on the slave.
struct soft_mark {
    std::string column;
    bool is_time = false; ///< when it went; otherwise a boolean
};

/// A foreign key that takes rows along, or changes them, when a row of the table is deleted.
struct planned_cascade {
    std::string constraint;
    table_name child;
    std::vector<std::string> columns;        ///< of the child
    std::vector<std::string> parent_columns; ///< in their order
    std::vector<std::string> operators;      ///< `parent = child`, qualified
};

/// Names no column is likely to have: of a row's number among those set aside, and of the column's highest value.
inline constexpr std::string_view row_number = R"("tidesync row number")";
inline constexpr std::string_view highest_value = R"("tidesync highest value")";

/// One table, ready to be synced. Columns are those that both sides have and that production does not compute.
struct table_plan {
    table_name name;
    bool partitioned_on_slave = false;
    bool partitioned_on_production = false;
    std::int64_t estimated_rows = 0;
    std::int64_t bytes = 0;       ///< on the slave, with TOAST
    bool rows_have_places = true; ///< where they are asked for: ctid tells rows apart within a snapshot
    std::vector<planned_column> columns;
    std::vector<std::string> key;
    std::vector<std::string> key_operators; ///< one per key column
    bool key_arbitrates = false;            ///< an immediate unique index on production: usable for ON CONFLICT
    bool key_unique_in_production = false;  ///< false: live rows are checked for doubles
    bool key_unique_on_slave = false;       ///< false: staged rows are checked for doubles
    copy_format format = copy_format::binary;
    std::string rewriters; ///< what may change or drop rows on their way in; then the outcome is looked at again
    std::string filter{};  ///< a condition that rows must meet, on both sides; empty: all rows count
    delete_policy deletes = delete_policy::off;
    soft_mark mark{}; ///< of delete_policy::soft
    guard_limits guards{};
    std::vector<planned_cascade> cascades{}; ///< of delete_policy::hard
    std::vector<planned_rival> rivals;
    std::set<table_name> parents;    ///< planned tables that it refers to, and those they refer to
    std::vector<sequence> sequences; ///< those of production that feed one of its columns
};

struct plan {
    std::vector<table_plan> tables;                   ///< parents before children
    bool defer_constraints = false;                   ///< foreign keys form a circle through deferrable constraints
    std::optional<std::chrono::seconds> source_age{}; ///< of what a standby has replayed
    std::string now;                                  ///< when the slave was looked at, as SQL reads it
    bool portable_hashes = false;                     ///< the servers differ so much that only text hashes compare
    std::vector<std::string> drift;                   ///< columns and tables that only the slave has
    std::vector<std::string> warnings;
    std::vector<std::string> problems; ///< each names the thing and what to do; any of them stops the run
};

/// What will be done with the plan: comparing needs fewer privileges, and production may then be a standby.
enum class plan_for { comparing, writing };

/// Decides what is synced and how. Reads no database.
[[nodiscard]] plan
make_plan(const catalog& slave, const catalog& production, const table_rules&, plan_for = plan_for::writing);

} // namespace tidesync::slave_to_prod
