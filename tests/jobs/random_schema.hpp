#pragma once

#include "tests/jobs/dice.hpp"
#include "tests/jobs/random_types.hpp"

#include <array>
#include <string>
#include <vector>

/// Tables for random worlds: what they are made of, and the SQL that makes them on either side.
namespace tidesync::tests {

enum class world_side : std::size_t { slave, production };

enum class partitioning { none, range, hash, list };

/// How a unique column is kept unique.
enum class unique_rule {
    constraint, ///< UNIQUE
    deferred,   ///< DEFERRABLE INITIALLY DEFERRED
    deferrable, ///< DEFERRABLE, but checked after each statement
    one_null,   ///< NULLS NOT DISTINCT
    lower,      ///< an index over lower(x)
    while_live, ///< an index WHERE live
    until_gone, ///< an index WHERE gone IS NULL
    exclusion,  ///< EXCLUDE ... WITH &&
};

/// Where a column is computed; on the other side it is an ordinary one.
enum class generated { nowhere, on_both, on_slave, in_production };

struct key_part {
    std::string name;
    value_kind kind{};
};

struct plain_column {
    std::string name;
    const column_type* type = nullptr;
    bool not_null = false;
    bool packed = true; ///< false: long values are stored as they are, outside the row
};

struct unique_column {
    std::string name;
    value_kind kind{};
    unique_rule rule{};
    bool not_null = false;
    std::string condition; ///< the column that says whether a row counts; empty for rules without
    bool condition_first = false;

    /// Ends of the type leave no room for a value that is higher than all others.
    [[nodiscard]] bool extremes() const { return !not_null && rule != unique_rule::one_null; }
};

struct reference {
    std::size_t to = 0; ///< the table, by its place
    std::vector<std::string> columns;
    std::string deferrable;
};

/// One table. Names are as people write them.
struct random_shape {
    std::string schema = "public";
    std::string name;
    std::vector<key_part> key;
    std::string identity; ///< ALWAYS or BY DEFAULT; empty for a key that has none
    bool primary = true;
    bool deferrable_key = false;
    std::array<partitioning, 2> partitions{}; ///< on each side
    std::vector<plain_column> columns;
    std::vector<unique_column> uniques;
    std::vector<reference> references;
    generated twice = generated::nowhere; ///< a column of that name, computed from `base`
    bool own_column = false;              ///< only production has it
    bool dropped_column = false;          ///< production had one more once
    std::size_t turned = 0;               ///< so many columns of production have moved to the end
    bool large = false;                   ///< 3000 more rows, with a filler

    [[nodiscard]] std::string sql() const;  ///< `"schema"."name"`
    [[nodiscard]] std::string text() const; ///< as reports name it
    [[nodiscard]] bool has_spellings() const;

    /// How many rows can be told apart; a mood alone does not reach far.
    [[nodiscard]] std::size_t rows_max() const;

    /// Whether `twice` is given values on this side, rather than computed or missing.
    [[nodiscard]] bool twice_is_plain(world_side) const;
};

using random_shapes = std::vector<random_shape>;

[[nodiscard]] random_shapes choose_shapes(dice&);

/// Everything but rows.
[[nodiscard]] std::string create_tables(const random_shapes&, world_side);

[[nodiscard]] std::string quote_name(const std::string& name);

} // namespace tidesync::tests
