#include "worker/migrate.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"
#include "qstash/local/store.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sql/doctor.hpp>
#include <sql/migrate.hpp>
#include <sql/production_schema.hpp>
#include <sql/run_store_schema.hpp>
#include <vector>

namespace tidesync::worker {

namespace {

std::vector<std::string_view> files_of(schema_part part) {
    switch (part) {
    case schema_part::run_store:
        return {sql::run_store_schema::schema_0001_runs.text,
                sql::run_store_schema::schema_0002_delivery_alarms.text,
                sql::run_store_schema::schema_0003_durable_runs.text,
                sql::run_store_schema::schema_0004_doubt.text,
                sql::run_store_schema::schema_0005_alarms.text,
                sql::run_store_schema::schema_0006_tokens_and_audit.text,
                sql::run_store_schema::schema_0007_approvals.text};
    case schema_part::production:
        return {sql::production_schema::schema_0001_fence_and_receipts.text};
    case schema_part::scheduler:
        break;
    }
    return qstash::local::schema_files();
}

std::string_view side_of(schema_part part) {
    switch (part) {
    case schema_part::run_store:
        return "run store";
    case schema_part::production:
        return "production";
    case schema_part::scheduler:
        break;
    }
    return "scheduler store";
}

/// So that no two change the same schema at once. The number only has to be ours.
void stand_alone(pqxx::transaction_base& transaction) {
    transaction.exec("SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '300s'");
    transaction.exec("SELECT pg_advisory_xact_lock(hashtextextended('tidesync migrate', 0))");
}

/// Where a part remembers which of its files ran: in the schema it makes, so that it needs no other one.
struct version_table {
    std::string_view schema;
    std::string_view create, read, record; ///< statements
};

version_table versions_of(schema_part part) {
    if (part == schema_part::scheduler)
        return {
            "tidesync_qstash", sql::create_scheduler_version_table.text, sql::read_scheduler_version.text,
            sql::record_scheduler_version.text};
    return {"tidesync", sql::create_version_table.text, sql::read_version.text, sql::record_version.text};
}

/// @returns the number of the last file that ran, -1 when `migrate` never ran in this database
int read_version(pqxx::transaction_base& transaction, schema_part part) {
    const auto versions = versions_of(part);
    const auto table = fmt::format("{}.schema_version", versions.schema);
    if (!postgres::query(transaction, sql::find_version_table.text, table)[0]["present"].as<bool>()) return -1;
    return postgres::query(transaction, versions.read, std::string{to_string(part)})[0]["version"].as<int>();
}

bool has_staging_schema(pqxx::transaction_base& transaction) {
    return postgres::query(transaction, sql::find_staging_schema.text)[0]["present"].as<bool>();
}

} // namespace

std::string_view to_string(schema_part part) {
    switch (part) {
    case schema_part::run_store:
        return "run_store";
    case schema_part::production:
        return "production";
    case schema_part::scheduler:
        break;
    }
    return "scheduler";
}

migration migrate(const postgres::address& where, schema_part part) {
    const auto versions = versions_of(part);
    return postgres::named(side_of(part), fmt::format("making schema {}", versions.schema), [&] {
        auto connection = postgres::connect(where, side_of(part));
        pqxx::work transaction{connection};
        stand_alone(transaction);
        const auto files = files_of(part);
        const int wanted = static_cast<int>(files.size());
        const int found = read_version(transaction, part);
        const bool staging_is_gone = part == schema_part::production && found > 0 && !has_staging_schema(transaction);
        if (staging_is_gone) transaction.exec("CREATE SCHEMA tidesync_staging");
        if (found >= wanted) {
            transaction.commit();
            return migration{found, found};
        }
        transaction.exec(std::string{versions.create});
        for (int version = std::max(found, 0); version < wanted; ++version) {
            transaction.exec(std::string{files[static_cast<std::size_t>(version)]});
            postgres::query(transaction, versions.record, std::string{to_string(part)}, version + 1);
        }
        transaction.commit();
        return migration{std::max(found, 0), wanted};
    });
}

std::optional<std::vector<std::string>>
grant_missing_rights(const postgres::address& where, schema_part part, const std::string& role) {
    return postgres::named(
        side_of(part), fmt::format("granting to role {}", role), [&]() -> std::optional<std::vector<std::string>> {
            auto connection = postgres::connect(where, side_of(part));
            pqxx::work transaction{connection};
            stand_alone(transaction);
            if (!postgres::query(transaction, sql::find_role.text, role)[0]["present"].as<bool>()) return std::nullopt;
            auto missing = missing_rights(transaction, part, role);
            for (const auto& what : missing)
                transaction.exec(fmt::format("GRANT {} TO {}", what, postgres::quote_name(role)));
            // Who may not grant is only warned by PostgreSQL.
            if (const auto left = missing_rights(transaction, part, role); !left.empty())
                throw postgres::error{
                    side_of(part), fmt::format("granting {} to role {}", left.front(), role), "42501",
                    "permission denied: only the owner of schema tidesync may grant it"};
            transaction.commit();
            return missing;
        });
}

schema_check missing_schema(const postgres::address& where, schema_part part) {
    return postgres::named(side_of(part), fmt::format("reading {}.schema_version", versions_of(part).schema), [&] {
        auto connection = postgres::connect(where, side_of(part));
        pqxx::work transaction{connection};
        return missing_schema(transaction, part, where.describe());
    });
}

schema_check missing_schema(pqxx::transaction_base& transaction, schema_part part, const std::string& where) {
    const auto schema = versions_of(part).schema;
    const int wanted = static_cast<int>(files_of(part).size());
    const int found = read_version(transaction, part);
    if (found < wanted)
        return {
            fmt::format(
                "schema {} in {} is {}", schema, where,
                found < 0 ? "missing" : fmt::format("at {} version {}, {} is needed", to_string(part), found, wanted)),
            "run `tidesync migrate`"};
    if (found > wanted)
        return {
            .problem = fmt::format(
                "schema {} in {} is at {} version {}, newer than this binary knows ({})", schema, where,
                to_string(part), found, wanted),
            .hint = "use the newer binary",
            .is_newer = true};
    if (part == schema_part::production && !has_staging_schema(transaction))
        return {fmt::format("schema tidesync_staging in {} is missing", where), "run `tidesync migrate`"};
    return {};
}

std::vector<std::string>
missing_rights(pqxx::transaction_base& transaction, schema_part part, const std::optional<std::string>& role) {
    std::vector<std::string> missing;
    for (const auto& row :
         postgres::query(transaction, sql::doctor::read_missing_privileges.text, std::string{to_string(part)}, role))
        missing.push_back(row["missing"].as<std::string>());
    return missing;
}

schema_check missing_rights(const postgres::address& where, schema_part part) {
    const auto missing = postgres::named(side_of(part), "looking at the rights of its role", [&] {
        auto connection = postgres::connect(where, side_of(part));
        pqxx::work transaction{connection};
        return missing_rights(transaction, part);
    });
    if (missing.empty()) return {};
    constexpr std::size_t shown_max = 3;
    const auto shown = std::min(missing.size(), shown_max);
    return {
        fmt::format(
            "{}: its role lacks {}{} in {}", side_of(part),
            fmt::join(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
            missing.size() > shown ? fmt::format(" and {} more", missing.size() - shown) : "", where.describe()),
        "`tidesync doctor` has the statements, docs/configuration.md the list under \"What the roles need\""};
}

} // namespace tidesync::worker
