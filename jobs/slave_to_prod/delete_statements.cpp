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

std::string find_gone(const table_plan& table, const table_name& gone, const table_name& staging) {
    return fmt::format(
        "INSERT INTO {} SELECT {} FROM {} WHERE NOT EXISTS (SELECT FROM {} AS s WHERE {})", gone.sql(),
        keys(table, "t"), live_rows(table), staging.sql(), same_key(table));
}

std::string keep_staged(const table_plan& table, const table_name& gone, const table_name& staging) {
    return fmt::format("DELETE FROM {} AS t USING {} AS s WHERE {}", gone.sql(), staging.sql(), same_key(table));
}

std::string fingerprint_gone(const table_plan& table, const table_name& gone) {
    return fmt::format(
        "SELECT pg_catalog.count(*), coalesce(pg_catalog.bit_xor({}), 0) FROM {}", key_word(table, true), gone.sql());
}

std::string remove_gone(const table_plan& table, const table_name& gone) {
    const bool hard = table.deletes == delete_policy::hard;
    const auto held = fmt::format(
        "WITH held AS MATERIALIZED (SELECT s.* FROM {} JOIN {} AS s ON {} ORDER BY {} FOR {}UPDATE OF t) ",
        live_rows(table), gone.sql(), same_key(table), keys(table, "s"), hard ? "" : "NO KEY ");
    const auto live = from(table, side::production);
    if (hard) return fmt::format("{}DELETE FROM {} AS t USING held AS s WHERE {}", held, live, same_key(table));
    return fmt::format(
        "{}UPDATE {} AS t SET {} = {} FROM held AS s WHERE {}", held, live, quote_name(table.mark.column),
        table.mark.is_time ? "pg_catalog.now()" : "true", same_key(table));
}

std::string count_left(const table_plan& table, const table_name& gone) {
    return fmt::format("SELECT count(*) FROM {} JOIN {} AS s ON {}", live_rows(table), gone.sql(), same_key(table));
}

} // namespace tidesync::slave_to_prod
