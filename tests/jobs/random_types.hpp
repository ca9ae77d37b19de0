#pragma once

#include "tests/jobs/dice.hpp"

#include <string>
#include <string_view>
#include <vector>

/// What the columns of random tables hold.
namespace tidesync::tests {

/// In place of a number or an index: NULL.
inline constexpr std::size_t nothing = static_cast<std::size_t>(-1);

/// A column type, and values chosen for what goes wrong when they are copied or compared.
struct column_type {
    std::string name;                ///< as in CREATE TABLE
    std::vector<std::string> values; ///< as they stand between quotes
    std::size_t twins = 0; ///< so many of the first come in pairs: alike in meaning or to an operator, stored otherwise
    bool holds_long_text = false; ///< then values of 100 kB follow
};

[[nodiscard]] const std::vector<column_type>& column_types();

/// Makes the types above that PostgreSQL does not have. In production they get other numbers than on the slave.
[[nodiscard]] std::string create_types_on_slave();
[[nodiscard]] std::string create_types_in_production();

/// `'it''s'::text`; a COLLATE of the type is left out, since that of the column counts.
[[nodiscard]] std::string literal(std::string_view value, std::string_view type);

/// The value of this index as SQL.
[[nodiscard]] std::string value_sql(const column_type&, std::size_t index);

/// The index of some value: null now and then where it may be, long text rarely.
[[nodiscard]] std::size_t any_value(const column_type&, bool not_null, dice&);

/// The index of another value, often the twin. Chance may give the same one back.
[[nodiscard]] std::size_t other_value(const column_type&, std::size_t index, bool not_null, dice&);

/// Values that are told apart by a number: for keys and for what is unique.
enum class value_kind { integer, bigint, text, uuid, numeric, citext, collated, date, timestamptz, mood, bytea, range };

[[nodiscard]] std::string_view type_of(value_kind);

/// Whether equal values can be spelled in two ways, as 1.0 and 1.00.
[[nodiscard]] bool has_spellings(value_kind) noexcept;

/// The value of this number as SQL. The first few are the ends and oddities of the type when `extremes` are wanted.
/// Numbers of a mood are 0 to 7.
[[nodiscard]] std::string numbered(value_kind, std::size_t number, std::size_t spelling, bool extremes);

/// The same of a number that SQL computes, without extremes. Not for moods.
[[nodiscard]] std::string numbered_by(value_kind, std::string_view number, std::size_t spelling);

} // namespace tidesync::tests
