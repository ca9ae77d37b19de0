#pragma once

#include "tests/jobs/dice.hpp"
#include "tests/jobs/random_schema.hpp"

#include <set>
#include <string>
#include <vector>

/// Which rows the tables of random worlds hold on either side.
namespace tidesync::tests {

/// A value of a key, by its number.
struct numbered_value {
    std::size_t number = nothing;
    std::size_t spelling = 0;
};

/// A value of a unique column.
struct unique_value {
    std::size_t number = nothing;
    std::size_t spelling = 0; ///< in capitals, which lower() does not see
    bool counts = true;       ///< by the condition of its index
};

struct random_row {
    numbered_value key;
    std::vector<unique_value> uniques;
    std::vector<numbered_value> references;
    std::vector<std::size_t> cells; ///< indices of values
    std::size_t base = 0;
};

/// How production began.
enum class beginning { empty, equal, older };

struct random_rows {
    std::vector<random_row> slave, production;
    beginning began = beginning::older;
};

/// From here on keys and unique values are those of rows that only production has. A value that such a row holds and
/// the slave needs would be a conflict that no sync can settle.
[[nodiscard]] std::size_t own_numbers(const random_shape&);

/// @param features  what is remarkable about the rows, in words
[[nodiscard]] std::vector<random_rows> choose_rows(const random_shapes&, dice&, std::set<std::string>& features);

} // namespace tidesync::tests
