#include "jobs/slave_to_prod/images.hpp"

#include "jobs/stores/postgres/connection.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::slave_to_prod {

namespace {

std::string qualified(const std::string& name, std::string_view alias) {
    const auto quoted = postgres::quote_name(name);
    return alias.empty() ? quoted : fmt::format("{}.{}", alias, quoted);
}

std::string image(const planned_column& column, bool portable, std::string_view alias) {
    const auto name = qualified(column.name, alias);
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

std::string hash_of(const std::vector<std::string>& images) {
    return fmt::format("pg_catalog.hash_record_extended(ROW({})::record, 0)", fmt::join(images, ", "));
}

} // namespace

std::vector<std::string> quoted(const std::vector<std::string>& names, std::string_view alias) {
    std::vector<std::string> result;
    result.reserve(names.size());
    for (const auto& name : names) result.push_back(qualified(name, alias));
    return result;
}

std::vector<std::string> column_names(const table_plan& table) {
    std::vector<std::string> names;
    names.reserve(table.columns.size());
    for (const auto& column : table.columns) names.push_back(column.name);
    return names;
}

std::string row_word(const table_plan& table, bool portable, std::string_view alias) {
    std::vector<std::string> images;
    images.reserve(table.columns.size());
    for (const auto& column : table.columns) images.push_back(image(column, portable, alias));
    // Hashed once more: the hash of a record is a sum over its columns, so what one row gains another loses when they
    // swap a value. About one such pair in 10^8 would cancel out under bit_xor; tests/jobs/strategies_pgtest.cpp has
    // one.
    return fmt::format("pg_catalog.hashint8extended({}, 0)", hash_of(images));
}

bool key_word_is_exact(const table_plan& table) noexcept {
    return table.key.size() == 1 && std::ranges::find(table.columns, table.key.front(), &planned_column::name)->integer;
}

std::string key_word(const table_plan& table, bool portable) {
    if (key_word_is_exact(table)) return fmt::format("{}::int8", postgres::quote_name(table.key.front()));
    std::vector<std::string> images;
    for (const auto& name : table.key) {
        const auto& column = *std::ranges::find(table.columns, name, &planned_column::name);
        images.push_back(column.key_hashes_raw && !portable ? postgres::quote_name(name) : image(column, portable, ""));
    }
    return hash_of(images);
}

std::string fingerprint_columns(const table_plan& table, bool portable, std::string_view alias) {
    return fmt::format("pg_catalog.count(*), coalesce(pg_catalog.bit_xor({}), 0)", row_word(table, portable, alias));
}

} // namespace tidesync::slave_to_prod
