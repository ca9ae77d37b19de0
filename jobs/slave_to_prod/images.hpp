#pragma once

#include "jobs/slave_to_prod/plan.hpp"

#include <string>
#include <string_view>
#include <vector>

/// Expressions that turn rows into words of 64 bits which differ whenever what is stored does, on both servers alike.
/// Why images and not values: docs/decisions/0003-images.md.
namespace tidesync::slave_to_prod {

/// The word of a whole row: every synced column's image, hashed.
/// @param portable  the servers' own hashes cannot be compared: every image is text
/// @param alias     of the table, as in `t`; empty when there is only one
[[nodiscard]] std::string row_word(const table_plan&, bool portable, std::string_view alias = "");

/// The word of a row's key: the number itself where the key is one integer, else a hash.
[[nodiscard]] std::string key_word(const table_plan&, bool portable);
/// Whether it is the number itself.
[[nodiscard]] bool key_word_is_exact(const table_plan&) noexcept;

/// `count(*)` and one word over all rows, whatever their order. Two sets of rows have the same one only when they are
/// equal, but for a chance of 2^-64.
[[nodiscard]] std::string fingerprint_columns(const table_plan&, bool portable, std::string_view alias = "");

/// Names in double quotes, each with `alias.` before it where there is one.
[[nodiscard]] std::vector<std::string> quoted(const std::vector<std::string>& names, std::string_view alias = "");

/// Names of the synced columns.
[[nodiscard]] std::vector<std::string> column_names(const table_plan&);

} // namespace tidesync::slave_to_prod
