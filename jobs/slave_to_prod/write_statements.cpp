#include "jobs/slave_to_prod/write_statements.hpp"

#include "jobs/slave_to_prod/images.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/stores/postgres/connection.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::slave_to_prod {

namespace {

using postgres::quote_literal;
using postgres::quote_name;

std::string live(const table_plan& table) { return from(table, side::production); }

/// Whether the stored images of `names` differ. Plain inequality misses numeric scale, the case of citext and -0.0, and
/// has no operator for json.
std::string differ(const std::vector<std::string>& names) {
    return fmt::format(
        "ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record", fmt::join(quoted(names, "t"), ", "),
        fmt::join(quoted(names, "s"), ", "));
}

/// Whether a live row is not as its staged one: another image, or marked as gone.
std::string is_unlike(const table_plan& table, const std::vector<std::string>& names) {
    if (table.mark.column.empty()) return differ(names);
    const auto mark = quote_name(table.mark.column);
    const auto marked = fmt::format("t.{} {}", mark, table.mark.is_time ? "IS NOT NULL" : "IS TRUE");
    return names.empty() ? marked : fmt::format("({} OR {})", marked, differ(names));
}

bool is_key(const table_plan& table, const std::string& column) {
    return std::ranges::find(table.key, column) != table.key.end();
}

/// What an UPDATE has to set and compare. A key column is left out where equal keys are equal bytes.
std::vector<std::string> settable(const table_plan& table) {
    std::vector<std::string> names;
    for (const auto& column : table.columns)
        if (!column.identity_always && !(is_key(table, column.name) && column.image == image_kind::raw))
            names.push_back(column.name);
    return names;
}

/// @param rows   whose keys say which rows it is about
/// @param where  which of them, with WHERE; empty for all
std::string set_aside_rows(
    const table_plan& table, const planned_rival& rival, const table_name& staging, const table_name& rows,
    const std::string& where) {
    if (rival.parked.empty()) return {};
    const auto column = quote_name(rival.parked);
    std::string highest;
    if (rival.parking.find(highest_value) != std::string::npos)
        highest = fmt::format(
            ", (SELECT max(top) AS {0} FROM (SELECT max({1}) FROM {2} UNION ALL SELECT max({1}) FROM {3}) AS each "
            "(top)) "
            "AS highest",
            highest_value, column, live(table), staging.sql());
    return fmt::format(
        "UPDATE {0} AS t SET {1} = {2} FROM (SELECT {3}, pg_catalog.row_number() OVER () AS {4} "
        "FROM {0} AS t JOIN {5} AS s ON {6} {7}) AS s{8} WHERE {6}",
        live(table), column, rival.parking, fmt::join(quoted(table.key, "s"), ", "), row_number, rows.sql(),
        same_key(table), where, highest);
}

std::string_view format_name(const table_plan& table) {
    return table.format == copy_format::binary ? "binary" : "text";
}

} // namespace

std::string same_key(const table_plan& table) {
    std::vector<std::string> terms;
    for (std::size_t i = 0; i < table.key.size(); ++i) {
        const auto name = quote_name(table.key[i]);
        terms.push_back(fmt::format("t.{} {} s.{}", name, table.key_operators[i], name));
    }
    return fmt::format("{}", fmt::join(terms, " AND "));
}

table_name staging_name(std::string_view job, std::int64_t lease_token, std::size_t n) {
    return {"tidesync_staging", fmt::format("{}{}_{}", staging_prefix(job), lease_token, n)};
}

std::string staging_prefix(std::string_view job) {
    std::string prefix{job};
    std::ranges::replace_if(prefix, [](char c) { return c == '-' || c == '.'; }, '_');
    return prefix + "_";
}

std::string create_staging(const table_plan& table, const table_name& staging) {
    // UNLOGGED: no WAL for rows that may be dropped at any time. After a crash of the server it is empty, which is why
    // its rows are counted and hashed again before they are applied.
    return fmt::format(
        "CREATE UNLOGGED TABLE {} WITH (autovacuum_enabled = off) AS SELECT {} FROM {} WITH NO DATA", staging.sql(),
        fmt::join(quoted(column_names(table)), ", "), live(table));
}

std::string copy_in(const table_plan& table, const table_name& staging) {
    return fmt::format("COPY {} FROM STDIN (FORMAT {})", staging.sql(), format_name(table));
}

std::string load(const table_plan& table) {
    return fmt::format(
        "COPY {} ({}) FROM STDIN (FORMAT {})", table.name.sql(), fmt::join(quoted(column_names(table)), ", "),
        format_name(table));
}

std::string fingerprint_staged(const table_plan& table, const table_name& staging, bool portable) {
    return fmt::format("SELECT {} FROM {}", fingerprint_columns(table, portable), staging.sql());
}

std::string fingerprint_landed(const table_plan& table, const table_name& staging, bool portable) {
    return fmt::format(
        "SELECT {} FROM {} AS t JOIN {} AS s ON {}", fingerprint_columns(table, portable, "t"), live(table),
        staging.sql(), same_key(table));
}

std::string fingerprint_loaded(const table_plan& table, bool portable) {
    return fmt::format("SELECT {} FROM {}", fingerprint_columns(table, portable), live(table));
}

std::string find_bad_keys(const table_plan& table, const table_name& staging) {
    std::vector<std::string> nulls;
    for (const auto& name : quoted(table.key)) nulls.push_back(name + " IS NULL");
    return fmt::format(
        "SELECT EXISTS (SELECT FROM {0} WHERE {1}), EXISTS (SELECT FROM {0} GROUP BY {2} HAVING count(*) > 1)",
        staging.sql(), fmt::join(nulls, " OR "), fmt::join(quoted(table.key), ", "));
}

std::string find_doubled_targets(const table_plan& table, const table_name& staging) {
    return fmt::format(
        "SELECT 1 FROM {} AS t JOIN {} AS s ON {} GROUP BY {} HAVING count(*) > 1 LIMIT 1", live(table), staging.sql(),
        same_key(table), fmt::join(quoted(table.key, "s"), ", "));
}

std::string count_unlike(const table_plan& table, const table_name& staging) {
    const auto names = column_names(table);
    std::vector<std::string> columns;
    columns.reserve(names.size());
    for (const auto& name : names) columns.push_back(fmt::format("count(*) FILTER (WHERE {})", differ({name})));
    return fmt::format(
        "SELECT (SELECT count(*) FROM {0} AS s WHERE NOT EXISTS (SELECT FROM {1} AS t WHERE {2})), unlike.* "
        "FROM (SELECT count(*), {4} FROM {1} AS t JOIN {0} AS s ON {2} WHERE {3}) AS unlike",
        staging.sql(), live(table), same_key(table), differ(names), fmt::join(columns, ", "));
}

std::string count_changes(const table_plan& table, const table_name& staging) {
    // OFFSET 0 keeps the comparison in the join: above it all columns of both would have to pass, and 1,664 can.
    return fmt::format(
        "SELECT count(*) FILTER (WHERE lacks), count(*) FILTER (WHERE NOT lacks AND unlike) "
        "FROM (SELECT t.{} IS NULL AS lacks, {} AS unlike FROM {} AS s LEFT JOIN {} AS t ON {} OFFSET 0) AS compared",
        quote_name(table.key.front()), is_unlike(table, column_names(table)), staging.sql(), live(table),
        same_key(table));
}

std::string drop_equal(const table_plan& table, const table_name& staging) {
    return fmt::format(
        "DELETE FROM {} AS s USING {} AS t WHERE {} AND NOT ({})", staging.sql(), live(table), same_key(table),
        is_unlike(table, column_names(table)));
}

std::string insert_missing(const table_plan& table, const table_name& staging) {
    const auto names = column_names(table);
    auto columns = quoted(names);
    auto values = quoted(names, "s");
    if (!table.mark.column.empty()) { // whatever its default says
        columns.push_back(quote_name(table.mark.column));
        values.emplace_back(table.mark.is_time ? "NULL" : "false");
    }
    auto text = fmt::format(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS s "
        "WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {}) ORDER BY {}",
        table.name.sql(), fmt::join(columns, ", "), fmt::join(values, ", "), staging.sql(), live(table),
        same_key(table), fmt::join(quoted(table.key, "s"), ", "));
    // A row that the application inserts at this moment is left to the UPDATE that follows.
    if (table.key_arbitrates) text += fmt::format(" ON CONFLICT ({}) DO NOTHING", fmt::join(quoted(table.key), ", "));
    return text;
}

std::string update_different(const table_plan& table, const table_name& staging) {
    const auto names = settable(table);
    std::vector<std::string> assignments;
    for (const auto& name : quoted(names)) assignments.push_back(fmt::format("{0} = s.{0}", name));
    if (!table.mark.column.empty()) // it is back
        assignments.push_back(
            fmt::format("{} = {}", quote_name(table.mark.column), table.mark.is_time ? "NULL" : "false"));
    if (assignments.empty()) return {};
    // NO KEY UPDATE, as the UPDATE itself: the application may go on inserting rows that refer to these.
    return fmt::format(
        "WITH held AS MATERIALIZED (SELECT s.* FROM {0} AS t JOIN {1} AS s ON {2} ORDER BY {4} FOR NO KEY UPDATE OF t) "
        "UPDATE {0} AS t SET {5} FROM held AS s WHERE {2} AND {3}",
        live(table), staging.sql(), same_key(table), is_unlike(table, names), fmt::join(quoted(table.key, "s"), ", "),
        fmt::join(assignments, ", "));
}

std::string set_aside(const table_plan& table, const planned_rival& rival, const table_name& staging) {
    return set_aside_rows(table, rival, staging, staging, "WHERE " + differ(rival.columns));
}

std::string
set_aside_gone(const table_plan& table, const planned_rival& rival, const table_name& staging, const table_name& gone) {
    return set_aside_rows(table, rival, staging, gone, "");
}

std::vector<std::string> fixed_columns(const table_plan& table) {
    std::vector<std::string> names;
    for (const auto& column : table.columns)
        if (column.identity_always && !is_key(table, column.name)) names.push_back(column.name);
    return names;
}

std::string find_fixed_difference(const table_plan& table, const table_name& staging) {
    const auto fixed = fixed_columns(table);
    if (fixed.empty()) return {};
    return fmt::format(
        "SELECT 1 FROM {} AS t JOIN {} AS s ON {} WHERE {} LIMIT 1", live(table), staging.sql(), same_key(table),
        differ(fixed));
}

std::string forward_sequence(const sequence& sequence, const std::string& rows) {
    return fmt::format(
        "SELECT pg_catalog.setval({}::regclass, landed.top::bigint) "
        "FROM (SELECT max({}) AS top FROM {}) AS landed, {} AS live "
        "WHERE (landed.top > live.last_value OR landed.top = live.last_value AND NOT live.is_called) AND landed.top <= "
        "{}",
        quote_literal(sequence.sql), quote_name(sequence.column), rows, sequence.sql, sequence.value_max);
}

} // namespace tidesync::slave_to_prod
