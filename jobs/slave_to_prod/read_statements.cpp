#include "jobs/slave_to_prod/read_statements.hpp"

#include "jobs/slave_to_prod/images.hpp"
#include "jobs/stores/postgres/connection.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>

namespace tidesync::slave_to_prod {

namespace {

std::string_view format_name(const table_plan& table) {
    return table.format == copy_format::binary ? "binary" : "text";
}

bool is_partitioned(const table_plan& table, side where) {
    return where == side::slave ? table.partitioned_on_slave : table.partitioned_on_production;
}

std::string copy_at(
    const table_plan& table, const std::vector<std::string>& columns, const std::string& from,
    std::span<const row_place> places) {
    std::string list;
    for (const auto& place : places) {
        if (!list.empty()) list += ',';
        fmt::format_to(std::back_inserter(list), R"_("({},{})")_", place.block, place.offset);
    }
    return fmt::format(
        "COPY (SELECT {} FROM {} WHERE ctid = ANY ('{{{}}}'::tid[])) TO STDOUT (FORMAT {})",
        fmt::join(quoted(columns), ", "), from, list, format_name(table));
}

} // namespace

std::string pin_text_output() {
    return "SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'; "
           "SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; "
           "SET LOCAL xmloption = content; SET LOCAL array_nulls = on; ";
}

std::string own_text_output() {
    return "SET LOCAL DateStyle TO DEFAULT; SET LOCAL IntervalStyle TO DEFAULT; SET LOCAL TimeZone TO DEFAULT; "
           "SET LOCAL extra_float_digits TO DEFAULT; SET LOCAL bytea_output TO DEFAULT; ";
}

std::string set_limits(const server_limits& limits) {
    return fmt::format(
        "SET LOCAL statement_timeout = '{}s'; SET LOCAL lock_timeout = '{}s'; "
        "SET LOCAL idle_in_transaction_session_timeout = '{}s'; SET LOCAL row_security = off; ",
        limits.statement.count(), limits.lock.count(), limits.idle_in_transaction.count());
}

std::string begin_reading(const server_limits& limits, const std::string& snapshot) {
    auto text = std::string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "};
    if (!snapshot.empty()) text += fmt::format("SET TRANSACTION SNAPSHOT {}; ", postgres::quote_literal(snapshot));
    auto patient = limits;
    // While one side computes, the other waits inside its transaction.
    patient.idle_in_transaction = limits.statement;
    return text + set_limits(patient) + pin_text_output() + "SET LOCAL search_path = pg_catalog";
}

std::string from(const table_plan& table, side where) {
    return (is_partitioned(table, where) ? "" : "ONLY ") + table.name.sql();
}

std::string rows_of(const table_plan& table, side where) {
    auto text = from(table, where);
    std::string_view joint = " WHERE ";
    const auto add = [&](const std::string& condition) {
        text += fmt::format("{}{}", joint, condition);
        joint = " AND ";
    };
    if (!table.filter.empty()) add(fmt::format("({})", table.filter));
    if (where == side::production && !table.mark.column.empty())
        add(postgres::quote_name(table.mark.column) + (table.mark.is_time ? " IS NULL" : " IS NOT TRUE"));
    return text;
}

std::string copy_fingerprint(const table_plan& table, side where, bool portable) {
    return fmt::format(
        "COPY (SELECT {} FROM {}) TO STDOUT (FORMAT text, DELIMITER ',')", fingerprint_columns(table, portable),
        rows_of(table, where));
}

std::string find_highest_key(const table_plan& table, side where) {
    return fmt::format("SELECT max({}) FROM {}", postgres::quote_name(table.key.front()), from(table, where));
}

std::string copy_words(const table_plan& table, side where, bool portable, bool with_places) {
    const std::string_view places = !with_places ? "" : is_partitioned(table, where) ? ", ctid, tableoid" : ", ctid";
    return fmt::format(
        "COPY (SELECT {}, {}{} FROM {} ORDER BY 1, 2) TO STDOUT (FORMAT binary)", key_word(table, portable),
        row_word(table, portable), places, rows_of(table, where));
}

std::string copy_out(const table_plan& table) {
    return fmt::format(
        "COPY (SELECT {} FROM {}) TO STDOUT (FORMAT {})", fmt::join(quoted(column_names(table)), ", "),
        rows_of(table, side::slave), format_name(table));
}

std::string copy_out_at(const table_plan& table, const std::string& partition, std::span<const row_place> places) {
    return copy_at(table, column_names(table), partition.empty() ? from(table, side::slave) : partition, places);
}

std::string copy_keys_at(const table_plan& table, const std::string& partition, std::span<const row_place> places) {
    return copy_at(table, table.key, partition.empty() ? from(table, side::production) : partition, places);
}

} // namespace tidesync::slave_to_prod
