#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tidesync::worker {

/// The two sets of numbered schema files. They may share a database or not.
enum class schema_part { run_store, production };

[[nodiscard]] std::string_view to_string(schema_part);

struct migration {
    int from = 0;
    int to = 0;
};

/// Brings one part up to the newest numbered file, in one transaction. Does nothing when it is there already.
/// @throws postgres::error
migration migrate(const postgres::address&, schema_part);

/// Whether a part is where this binary needs it.
/// @returns what is missing and what to do; empty when all is well
/// @throws postgres::error
[[nodiscard]] std::string missing_schema(const postgres::address&, schema_part);

} // namespace tidesync::worker
