#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace tidesync::tests {

/// A table of a random world, for those who look whether it arrived.
struct random_table {
    std::string sql;  ///< `"schema"."name"`
    std::string text; ///< as reports name it
    std::string key;  ///< its key columns as SQL
    std::size_t rows_on_slave = 0;
};

/// A schema with rows on the slave, and an earlier or merely other state of it in production, such that one sync can
/// bring production in step: everything that follows from the seed, and nothing else.
struct random_world {
    std::vector<std::string> slave, production; ///< SQL for an empty database each; every text is a transaction
    std::vector<random_table> tables;
    std::set<std::string> features; ///< what is remarkable about it, in words; types as `type numeric`
};

[[nodiscard]] random_world make_random_world(std::uint64_t seed);

} // namespace tidesync::tests
