#include "jobs/slave_to_prod/delete_statements.hpp"

#include "jobs/slave_to_prod/images.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/slave_to_prod/write_statements.hpp"
#include "jobs/stores/postgres/connection.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::slave_to_prod {

namespace {

using postgres::quote_name;

/// Live rows that count, under the alias t.
std::string live_rows(const table_plan& table) {
    return fmt::format("(SELECT * FROM {}) AS t", rows_of(table, side::production));
}

std::string keys(const table_plan& table, std::string_view alias) {
    return fmt::format("{}", fmt::join(quoted(table.key, alias), ", "));
}

} // namespace

std::string create_gone(const table_plan& table, const table_name& gone) {
    return fmt::format(
        "CREATE UNLOGGED TABLE {} WITH (autovacuum_enabled = off) AS SELECT {} FROM {} WITH NO DATA", gone.sql(),
        keys(table, ""), from(table, side::production));
}

std::string copy_gone_in(const table_plan& table, const table_name& gone) {
    return fmt::format(
        "COPY {} FROM STDIN (FORMAT {})", gone.sql(), table.format == copy_format::binary ? "binary" : "text");
}

std::string copy_keys(const table_plan& table) {
    std::vector<std::string> whole;
    for (const auto& name : quoted(table.key, "t")) whole.push_back(name + " IS NOT NULL");
    return fmt::format(
        "COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT {})", keys(table, "t"), live_rows(table),
        fmt::join(whole, " AND "), table.format == copy_format::binary ? "binary" : "text");
}

std::string keep_staged(const table_plan& table, const table_name& gone, const table_name& staging) {
    return fmt::format("DELETE FROM {} AS t USING {} AS s WHERE {}", gone.sql(), staging.sql(), same_key(table));
}

std::string fingerprint_gone(const table_plan& table, const table_name& gone) {
    // Hashed once more: numbers that follow each other cancel out.
    return fmt::format(
        "SELECT pg_catalog.count(*), coalesce(pg_catalog.bit_xor(pg_catalog.hashint8extended({}, 0)), 0) FROM {}",
        key_word(table, true), gone.sql());
}

std::string hold_gone(const table_plan& table, const table_name& gone) {
    return fmt::format(
        "WITH held AS MATERIALIZED (SELECT s.* FROM {} JOIN {} AS s ON {} ORDER BY {} FOR {}UPDATE OF t) "
        "DELETE FROM {} AS t WHERE NOT EXISTS (SELECT FROM held AS s WHERE {})",
        live_rows(table), gone.sql(), same_key(table), keys(table, "s"),
        table.deletes == delete_policy::hard ? "" : "NO KEY ", gone.sql(), same_key(table));
}

std::string remove_gone(const table_plan& table, const table_name& gone) {
    const auto live = from(table, side::production);
    if (table.deletes == delete_policy::hard)
        return fmt::format("DELETE FROM {} AS t USING {} AS s WHERE {}", live, gone.sql(), same_key(table));
    return fmt::format(
        "UPDATE {} AS t SET {} = {} FROM {} AS s WHERE {}", live, quote_name(table.mark.column),
        table.mark.is_time ? "pg_catalog.now()" : "true", gone.sql(), same_key(table));
}

std::string find_dependants(const table_plan& table, const planned_cascade& cascade, const table_name& gone) {
    std::vector<std::string> refers;
    refers.reserve(cascade.columns.size());
    for (std::size_t i = 0; i < cascade.columns.size(); ++i)
        refers.push_back(fmt::format(
            "t.{} {} c.{}", quote_name(cascade.parent_columns[i]), cascade.operators[i],
            quote_name(cascade.columns[i])));
    // Rows of the same table may go together.
    std::string but;
    if (cascade.child == table.name) {
        std::vector<std::string> same;
        same.reserve(table.key.size());
        for (std::size_t i = 0; i < table.key.size(); ++i)
            same.push_back(fmt::format("c.{0} {1} g.{0}", quote_name(table.key[i]), table.key_operators[i]));
        but = fmt::format(" AND NOT EXISTS (SELECT FROM {} AS g WHERE {})", gone.sql(), fmt::join(same, " AND "));
    }
    return fmt::format(
        "SELECT FROM {} AS t JOIN {} AS s ON {} JOIN {} AS c ON {}{} LIMIT 1", from(table, side::production),
        gone.sql(), same_key(table), cascade.child.sql(), fmt::join(refers, " AND "), but);
}

std::string count_left(const table_plan& table, const table_name& gone) {
    auto text = fmt::format(
        "SELECT count(*) FROM {} AS t JOIN {} AS s ON {}", from(table, side::production), gone.sql(), same_key(table));
    if (table.deletes == delete_policy::soft)
        text += fmt::format(
            " WHERE t.{} {}", quote_name(table.mark.column), table.mark.is_time ? "IS NULL" : "IS NOT TRUE");
    return text;
}

} // namespace tidesync::slave_to_prod
