#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <vector>

/// The main job: brings production up to date from the slave.
namespace tidesync::slave_to_prod {

struct table_name {
    std::string schema;
    std::string table;

    auto operator<=>(const table_name&) const = default;

    /// `schema.table` as a person writes it; for messages, reports and settings.
    [[nodiscard]] std::string text() const { return schema + '.' + table; }

    /// `"schema"."table"` as SQL reads it.
    [[nodiscard]] std::string sql() const;
};

/// How a value becomes something whose hash differs whenever the stored value does; see read_columns.sql.
enum class image_kind { raw, send, text };

/// What a value can be set aside as while two rows swap theirs; see read_columns.sql.
enum class parking_kind { none, number, text, time, uuid, range };

struct column {
    std::string name;
    std::string type;      ///< without length or precision; qualified outside pg_catalog
    std::string full_type; ///< as in `numeric(10,2)`, or `public.price over numeric(10,2)` for a domain
    bool not_null = false;
    bool has_default = false;
    bool generated = false;       ///< computed by the server; never copied
    bool identity_always = false; ///< inserted with OVERRIDING SYSTEM VALUE; can never be updated
    image_kind image = image_kind::raw;
    std::string send_function;         ///< for image_kind::send, quoted and qualified
    bool carries_type_numbers = false; ///< binary form names types by number, which PostgreSQL before 14 checks
    bool has_binary_form = true;
    std::string equality;        ///< the type's own, qualified like unique_key::operators; empty when it has none
    bool key_hashes_raw = false; ///< a hash of the value itself follows equality, on any server
    parking_kind parking = parking_kind::none;
    bool referred = false; ///< by a foreign key, from this table or to it
    bool integer = false;  ///< smallint, integer or bigint, or a domain over one
};

struct unique_key {
    std::string index;
    bool primary = false;
    bool immediate = true; ///< false for DEFERRABLE: cannot arbitrate ON CONFLICT
    std::vector<std::string> columns;
    std::vector<std::string> operators; ///< equality of each column, qualified: `OPERATOR(pg_catalog.=)`
};

/// A unique index or exclusion constraint: what two rows cannot have in common.
struct rival {
    std::string index;
    bool excludes = false;            ///< an exclusion constraint
    bool nulls_distinct = true;       ///< two nulls have nothing in common
    std::vector<std::string> columns; ///< that it hangs on
    std::vector<std::string> keys;    ///< those that its keys are made of
};

struct relation {
    table_name name;
    bool partitioned = false;
    std::int64_t estimated_rows = 0;
    std::int64_t bytes = 0;       ///< with TOAST and partitions
    bool rows_have_places = true; ///< ctid tells them apart within a snapshot
    bool may_use_schema = true;
    bool may_select = false;
    bool may_write = false; ///< INSERT and UPDATE
    bool may_delete = false;
    std::vector<column> columns;
    std::vector<unique_key> keys; ///< primary key first
    std::vector<rival> rivals;
    std::string rewriters; ///< triggers and rules that may change or drop a row that is written; empty for none

    [[nodiscard]] const column* find(const std::string& column_name) const;
};

struct foreign_key {
    std::string name;
    table_name child;
    table_name parent;
    bool deferrable = false;
    std::string on_delete{}; ///< CASCADE, SET NULL or SET DEFAULT; empty when the child's rows stand in the way instead
    std::vector<std::string> columns{};        ///< of the child
    std::vector<std::string> parent_columns{}; ///< in their order
    std::vector<std::string> operators{};      ///< `parent = child`, qualified
};

/// A sequence that feeds a column of production.
struct sequence {
    table_name table;
    std::string column;
    std::string sql; ///< its name, quoted and qualified
    std::int64_t value_max = 0;
    bool may_advance = false;
};

/// What one server says of its tables.
struct catalog {
    int version_num = 0; ///< as in 150018
    std::string version;
    std::string encoding;
    bool in_recovery = false;
    std::string collation; ///< the database's own, for texts that name none
    std::string now;       ///< of the transaction that read this, as SQL reads it
    /// How old what a standby has replayed is, by its own clock; nothing on a primary, or when it cannot tell.
    std::optional<std::chrono::seconds> replay_age;
    std::map<table_name, relation> relations;
    std::vector<foreign_key> foreign_keys;
    std::vector<sequence> sequences;

    [[nodiscard]] int major() const { return version_num / 10000; }
};

/// Reads the catalog within a transaction of its own search_path (set locally).
/// @throws whatever libpqxx throws
[[nodiscard]] catalog read_catalog(pqxx::transaction_base&);

} // namespace tidesync::slave_to_prod
