#include "jobs/slave_to_prod/statements.hpp"

#include "jobs/stores/postgres/connection.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::slave_to_prod {

namespace {

using postgres::quote_literal;
using postgres::quote_name;

std::vector<std::string> quoted(const std::vector<std::string>& names, std::string_view prefix = "") {
    std::vector<std::string> result;
    result.reserve(names.size());
    for (const auto& name : names) result.push_back(std::string{prefix} + quote_name(name));
    return result;
}

std::vector<std::string> column_names(const table_plan& table) {
    std::vector<std::string> names;
    names.reserve(table.columns.size());
    for (const auto& column : table.columns) names.push_back(column.name);
    return names;
}

/// A parent's rows include its partitions'. Tables that merely inherit are synced each for itself.
std::string from(const table_plan& table, bool on_slave) {
    const bool partitioned = on_slave ? table.partitioned_on_slave : table.partitioned_on_production;
    return (partitioned ? "" : "ONLY ") + table.name.sql();
}

std::string same_key(const table_plan& table) {
    std::vector<std::string> terms;
    for (std::size_t i = 0; i < table.key.size(); ++i) {
        const auto name = quote_name(table.key[i]);
        terms.push_back(fmt::format("t.{} {} s.{}", name, table.key_operators[i], name));
    }
    return fmt::format("{}", fmt::join(terms, " AND "));
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

std::string image(const planned_column& column, bool portable) {
    const auto name = quote_name(column.name);
    switch (column.image) {
    case image_kind::send:
        return fmt::format("{}({})", column.send_function, name);
    case image_kind::text:
        return fmt::format("pg_catalog.textsend({}::text)", name);
    case image_kind::raw:
        break;
    }
    // textsend turns text into the client's encoding, which is UTF8 on both sides.
    return portable ? fmt::format("pg_catalog.textsend({}::text)", name) : name;
}

std::string row_hash(const std::vector<std::string>& images) {
    return fmt::format("pg_catalog.hash_record_extended(ROW({})::record, 0)", fmt::join(images, ", "));
}

std::string hash_of_row(const table_plan& table, bool portable) {
    std::vector<std::string> images;
    images.reserve(table.columns.size());
    for (const auto& column : table.columns) images.push_back(image(column, portable));
    return row_hash(images);
}

std::string hash_of_key(const table_plan& table, bool portable) {
    std::vector<std::string> images;
    for (const auto& name : table.key) {
        const auto& column = *std::ranges::find(table.columns, name, &planned_column::name);
        images.push_back(column.key_hashes_raw && !portable ? quote_name(name) : image(column, portable));
    }
    return row_hash(images);
}

std::string_view format_name(const table_plan& table) {
    return table.format == copy_format::binary ? "binary" : "text";
}

} // namespace

std::string pin_text_output() {
    return "SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'; "
           "SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; ";
}

std::string set_limits(const server_limits& limits) {
    return fmt::format(
        "SET LOCAL statement_timeout = '{}s'; SET LOCAL lock_timeout = '{}s'; "
        "SET LOCAL idle_in_transaction_session_timeout = '{}s'; SET LOCAL row_security = off; ",
        limits.statement.count(), limits.lock.count(), limits.idle_in_transaction.count());
}

std::string begin_reading(const server_limits& limits, const std::string& snapshot) {
    auto text = std::string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "};
    if (!snapshot.empty()) text += fmt::format("SET TRANSACTION SNAPSHOT {}; ", quote_literal(snapshot));
    auto patient = limits;
    // While one side computes, the other waits inside its transaction.
    patient.idle_in_transaction = limits.statement;
    return text + set_limits(patient) + pin_text_output() + "SET LOCAL search_path = pg_catalog";
}

table_name staging_name(std::int64_t lease_token, std::size_t n) {
    return {"tidesync_staging", fmt::format("{}{}_{}", staging_prefix, lease_token, n)};
}

std::string copy_out(const table_plan& table) {
    return fmt::format(
        "COPY (SELECT {} FROM {}) TO STDOUT (FORMAT {})", fmt::join(quoted(column_names(table)), ", "),
        from(table, true), format_name(table));
}

std::string create_staging(const table_plan& table, const table_name& staging) {
    // UNLOGGED: no WAL for rows that may be dropped at any time. After a crash of the server it is empty, which is why
    // its rows are counted again before they are applied.
    return fmt::format(
        "CREATE UNLOGGED TABLE {} WITH (autovacuum_enabled = off) AS SELECT {} FROM {} WITH NO DATA", staging.sql(),
        fmt::join(quoted(column_names(table)), ", "), from(table, false));
}

std::string copy_in(const table_plan& table, const table_name& staging) {
    return fmt::format("COPY {} FROM STDIN (FORMAT {})", staging.sql(), format_name(table));
}

std::string find_bad_keys(const table_plan& table, const table_name& staging) {
    std::vector<std::string> nulls;
    for (const auto& name : quoted(table.key)) nulls.push_back(name + " IS NULL");
    return fmt::format(
        "SELECT EXISTS (SELECT FROM {0} WHERE {1}) AS nulls, "
        "EXISTS (SELECT FROM {0} GROUP BY {2} HAVING count(*) > 1) AS doubles",
        staging.sql(), fmt::join(nulls, " OR "), fmt::join(quoted(table.key), ", "));
}

std::string find_doubled_targets(const table_plan& table, const table_name& staging) {
    return fmt::format(
        "SELECT 1 FROM {} AS t JOIN {} AS s ON {} GROUP BY {} HAVING count(*) > 1 LIMIT 1", from(table, false),
        staging.sql(), same_key(table), fmt::join(quoted(table.key, "s."), ", "));
}

std::string count_unlike(const table_plan& table, const table_name& staging) {
    const auto names = column_names(table);
    return fmt::format(
        "SELECT (SELECT count(*) FROM {0} AS s WHERE NOT EXISTS (SELECT FROM {1} AS t WHERE {2})) AS missing, "
        "(SELECT count(*) FROM {1} AS t JOIN {0} AS s ON {2} "
        "WHERE ROW({3})::record OPERATOR(pg_catalog.*<>) ROW({4})::record) AS different",
        staging.sql(), from(table, false), same_key(table), fmt::join(quoted(names, "t."), ", "),
        fmt::join(quoted(names, "s."), ", "));
}

std::string insert_missing(const table_plan& table, const table_name& staging) {
    const auto names = quoted(column_names(table));
    auto text = fmt::format(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS s "
        "WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {})",
        table.name.sql(), fmt::join(names, ", "), fmt::join(quoted(column_names(table), "s."), ", "), staging.sql(),
        from(table, false), same_key(table));
    // A row that the application inserts at this moment is left to the UPDATE that follows.
    if (table.key_arbitrates) text += fmt::format(" ON CONFLICT ({}) DO NOTHING", fmt::join(quoted(table.key), ", "));
    return text;
}

std::string update_different(const table_plan& table, const table_name& staging) {
    const auto names = settable(table);
    if (names.empty()) return {};
    std::vector<std::string> assignments;
    for (const auto& name : quoted(names)) assignments.push_back(fmt::format("{0} = s.{0}", name));
    // *<> compares the stored bytes. Plain inequality misses numeric scale, the case of citext and -0.0, and has no
    // operator for json.
    return fmt::format(
        "UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record",
        from(table, false), fmt::join(assignments, ", "), staging.sql(), same_key(table),
        fmt::join(quoted(names, "t."), ", "), fmt::join(quoted(names, "s."), ", "));
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
        "SELECT 1 FROM {} AS t JOIN {} AS s ON {} WHERE ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record LIMIT "
        "1",
        from(table, false), staging.sql(), same_key(table), fmt::join(quoted(fixed, "t."), ", "),
        fmt::join(quoted(fixed, "s."), ", "));
}

std::string forward_sequence(const sequence& sequence, const table_name& staging) {
    return fmt::format(
        "SELECT pg_catalog.setval({}::regclass, staged.top::bigint) "
        "FROM (SELECT max({}) AS top FROM {}) AS staged, {} AS live "
        "WHERE (staged.top > live.last_value OR staged.top = live.last_value AND NOT live.is_called) AND staged.top <= "
        "{}",
        quote_literal(sequence.sql), quote_name(sequence.column), staging.sql(), sequence.sql, sequence.value_max);
}

std::string copy_fingerprint(const table_plan& table, bool on_slave, bool portable) {
    return fmt::format(
        "COPY (SELECT count(*), coalesce(bit_xor({}), 0) FROM {}) TO STDOUT (FORMAT text, DELIMITER ',')",
        hash_of_row(table, portable), from(table, on_slave));
}

std::string copy_hashes(const table_plan& table, bool on_slave, bool portable) {
    return fmt::format(
        "COPY (SELECT {}, {} FROM {} ORDER BY 1, 2) TO STDOUT (FORMAT binary)", hash_of_key(table, portable),
        hash_of_row(table, portable), from(table, on_slave));
}

} // namespace tidesync::slave_to_prod
