#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

namespace tidesync::worker {

/// The sets of numbered schema files. They may share a database or not.
enum class schema_part { run_store, production, scheduler };

[[nodiscard]] std::string_view to_string(schema_part);

struct migration {
    int from = 0;
    int to = 0;
};

/// Brings one part up to the newest numbered file, in one transaction. Does nothing when it is there already.
/// @throws postgres::error
migration migrate(const postgres::address&, schema_part);

struct schema_check {
    std::string problem{}; ///< empty when all is well
    std::string hint{};    ///< what to do
    bool is_newer = false; ///< it is there, and made for a later binary: no migration helps
};

/// Lets a role do what it lacks of what runs need in a part, and no more.
/// @returns what it lacked, `INSERT on tidesync.run`; nothing at all when there is no such role
/// @throws postgres::error
[[nodiscard]] std::optional<std::vector<std::string>>
grant_missing_rights(const postgres::address&, schema_part, const std::string& role);

/// Whether a part is where this binary needs it.
/// @throws postgres::error
[[nodiscard]] schema_check missing_schema(const postgres::address&, schema_part);

/// The same, for who is connected already. @param where  names the database
[[nodiscard]] schema_check missing_schema(pqxx::transaction_base&, schema_part, const std::string& where);

/// What a role may not do in the schemas of a part, though runs need it: `INSERT on tidesync.run`.
/// @param role  nothing: that of the connection
[[nodiscard]] std::vector<std::string>
missing_rights(pqxx::transaction_base&, schema_part, const std::optional<std::string>& role = {});

/// The same as a problem for whoever starts a worker: one that may not store how its runs end must not begin any.
/// @throws postgres::error
[[nodiscard]] schema_check missing_rights(const postgres::address&, schema_part);

} // namespace tidesync::worker
