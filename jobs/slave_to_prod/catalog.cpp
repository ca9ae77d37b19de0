#include "jobs/slave_to_prod/catalog.hpp"

#include "jobs/stores/postgres/connection.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sql/slave_to_prod.hpp>

namespace tidesync::slave_to_prod {

namespace {

std::string text_or_empty(const pqxx::row& row, const char* column) {
    const auto field = row[column];
    return field.is_null() ? std::string{} : field.as<std::string>();
}

std::vector<std::string> names_in(const pqxx::row& row, const char* column) {
    return nlohmann::json::parse(row[column].as<std::string>()).get<std::vector<std::string>>();
}

image_kind image_of(const std::string& word) {
    if (word == "raw") return image_kind::raw;
    return word == "send" ? image_kind::send : image_kind::text;
}

parking_kind parking_of(const std::string& word) {
    if (word == "number") return parking_kind::number;
    if (word == "text") return parking_kind::text;
    if (word == "time") return parking_kind::time;
    if (word == "uuid") return parking_kind::uuid;
    return word == "range" ? parking_kind::range : parking_kind::none;
}

void read_columns(pqxx::transaction_base& transaction, catalog& into) {
    for (const auto& row : postgres::query(transaction, sql::read_columns.text)) {
        const table_name name{row["schema_name"].as<std::string>(), row["table_name"].as<std::string>()};
        auto& table = into.relations[name];
        table.name = name;
        table.partitioned = row["partitioned"].as<bool>();
        table.estimated_rows = row["estimated_rows"].as<std::int64_t>();
        table.may_use_schema = row["may_use_schema"].as<bool>();
        table.may_select = row["may_select"].as<bool>();
        table.may_write = row["may_write"].as<bool>();
        table.may_delete = row["may_delete"].as<bool>();
        table.columns.push_back({
            .name = row["column_name"].as<std::string>(),
            .type = row["type_name"].as<std::string>(),
            .full_type = row["full_type"].as<std::string>(),
            .not_null = row["not_null"].as<bool>(),
            .has_default = row["has_default"].as<bool>(),
            .generated = row["generated"].as<bool>(),
            .identity_always = row["identity_always"].as<bool>(),
            .image = image_of(row["image"].as<std::string>()),
            .send_function = text_or_empty(row, "send_function"),
            .carries_type_numbers = row["carries_type_numbers"].as<bool>(),
            .has_binary_form = row["has_binary_form"].as<bool>(),
            .equality = text_or_empty(row, "equality"),
            .key_hashes_raw = row["key_hashes_raw"].as<bool>(),
            .parking = parking_of(text_or_empty(row, "parking")),
            .referred = row["referred"].as<bool>(),
            .integer = row["integer"].as<bool>(),
        });
    }
}

void read_tables(pqxx::transaction_base& transaction, catalog& into) {
    for (const auto& row : postgres::query(transaction, sql::read_tables.text)) {
        const auto table =
            into.relations.find({row["schema_name"].as<std::string>(), row["table_name"].as<std::string>()});
        if (table == into.relations.end()) continue;
        table->second.bytes = row["bytes"].as<std::int64_t>();
        table->second.rows_have_places = row["rows_have_places"].as<bool>();
    }
}

void read_keys(pqxx::transaction_base& transaction, catalog& into) {
    for (const auto& row : postgres::query(transaction, sql::read_unique_keys.text)) {
        const auto table =
            into.relations.find({row["schema_name"].as<std::string>(), row["table_name"].as<std::string>()});
        if (table == into.relations.end()) continue;
        table->second.keys.push_back({
            .index = row["index_name"].as<std::string>(),
            .primary = row["is_primary"].as<bool>(),
            .immediate = row["immediate"].as<bool>(),
            .columns = nlohmann::json::parse(row["columns"].as<std::string>()).get<std::vector<std::string>>(),
            .operators = nlohmann::json::parse(row["operators"].as<std::string>()).get<std::vector<std::string>>(),
        });
    }
}

void read_rivals(pqxx::transaction_base& transaction, catalog& into) {
    for (const auto& row : postgres::query(transaction, sql::read_rivals.text)) {
        const auto table =
            into.relations.find({row["schema_name"].as<std::string>(), row["table_name"].as<std::string>()});
        if (table == into.relations.end()) continue;
        table->second.rivals.push_back({
            .index = row["index_name"].as<std::string>(),
            .excludes = row["excludes"].as<bool>(),
            .nulls_distinct = row["nulls_distinct"].as<bool>(),
            .columns = nlohmann::json::parse(row["columns"].as<std::string>()).get<std::vector<std::string>>(),
            .keys = nlohmann::json::parse(row["keys"].as<std::string>()).get<std::vector<std::string>>(),
        });
    }
}

void read_rewriters(pqxx::transaction_base& transaction, catalog& into) {
    for (const auto& row : postgres::query(transaction, sql::read_rewriters.text)) {
        const auto table =
            into.relations.find({row["schema_name"].as<std::string>(), row["table_name"].as<std::string>()});
        if (table != into.relations.end()) table->second.rewriters = row["names"].as<std::string>();
    }
}

void read_relations_between(pqxx::transaction_base& transaction, catalog& into) {
    for (const auto& row : postgres::query(transaction, sql::read_foreign_keys.text))
        into.foreign_keys.push_back(
            {row["name"].as<std::string>(),
             {row["child_schema"].as<std::string>(), row["child_table"].as<std::string>()},
             {row["parent_schema"].as<std::string>(), row["parent_table"].as<std::string>()},
             row["deferrable"].as<bool>(),
             text_or_empty(row, "on_delete"),
             names_in(row, "columns"),
             names_in(row, "parent_columns"),
             names_in(row, "operators")});
    for (const auto& row : postgres::query(transaction, sql::read_sequences.text))
        into.sequences.push_back(
            {{row["schema_name"].as<std::string>(), row["table_name"].as<std::string>()},
             row["column_name"].as<std::string>(),
             row["sequence_name"].as<std::string>(),
             row["value_max"].as<std::int64_t>(),
             row["may_advance"].as<bool>()});
}

} // namespace

std::string table_name::sql() const { return postgres::quote_name(schema) + '.' + postgres::quote_name(table); }

const column* relation::find(const std::string& column_name) const {
    const auto found = std::ranges::find(columns, column_name, &column::name);
    return found == columns.end() ? nullptr : &*found;
}

catalog read_catalog(pqxx::transaction_base& transaction) {
    transaction.exec("SET LOCAL search_path = pg_catalog");
    catalog result;
    const auto side = postgres::query(transaction, sql::read_side.text);
    result.version_num = side[0]["version_num"].as<int>();
    result.version = side[0]["version"].as<std::string>();
    result.encoding = side[0]["encoding"].as<std::string>();
    result.in_recovery = side[0]["in_recovery"].as<bool>();
    result.now = side[0]["now"].as<std::string>();
    result.collation = side[0]["collation"].as<std::string>();
    if (const auto age = side[0]["replay_age_s"]; !age.is_null())
        result.replay_age = std::chrono::seconds{age.as<std::int64_t>()};
    read_columns(transaction, result);
    read_tables(transaction, result);
    read_keys(transaction, result);
    read_rivals(transaction, result);
    read_rewriters(transaction, result);
    read_relations_between(transaction, result);
    return result;
}

} // namespace tidesync::slave_to_prod
