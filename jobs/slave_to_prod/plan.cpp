#include "jobs/slave_to_prod/plan.hpp"

#include "jobs/slave_to_prod/references.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace tidesync::slave_to_prod {

namespace {

constexpr int major_min = 14; // hash_record_extended, and binary arrays of types with other numbers

/// How many characters fit into a varchar or char.
std::size_t length_max(const column& text) {
    for (const std::string_view type : {"character varying(", "character("})
        if (const auto at = text.full_type.find(type); at != std::string::npos)
            return std::stoul(text.full_type.substr(at + type.size()));
    return std::string::npos;
}

/// Same type, and every value of the slave fits as it is.
bool holds_exactly(const column& production, const column& slave) {
    if (production.type != slave.type) return false;
    if (production.full_type == slave.full_type) return true;
    // More room is safe for text alone: numbers and times would be rounded without a word.
    return production.type == "character varying" && length_max(production) >= length_max(slave);
}

const unique_key* with_columns(const std::vector<unique_key>& keys, std::vector<std::string> columns) {
    std::ranges::sort(columns);
    for (const auto& key : keys) {
        auto sorted = key.columns;
        std::ranges::sort(sorted);
        if (sorted == columns) return &key;
    }
    return nullptr;
}

/// A value of the column that no other row has, for a moment; empty when none is known. CHECK constraints may object.
std::string parking_for(const rival& rival, const column& column) {
    if (!column.not_null && rival.nulls_distinct) return "NULL";
    switch (column.parking) {
    case parking_kind::number:
        return fmt::format("{} + {}", highest_value, row_number);
    case parking_kind::time:
        return fmt::format("{} + {} * interval '1 day'", highest_value, row_number);
    case parking_kind::text:
        return fmt::format("left(gen_random_uuid()::text, {})", std::min<std::size_t>(length_max(column), 36));
    case parking_kind::uuid:
        return "gen_random_uuid()";
    case parking_kind::range:
        return rival.excludes ? "'empty'" : "";
    case parking_kind::none:
        break;
    }
    return {};
}

/// Settles one table; what is wrong with it goes to `plan.problems`.
class table_planner {
public:
    table_planner(
        const relation& slave, const relation& production, table_settings settings, plan_for purpose,
        bool binary_agrees, plan& into)
        : slave_{slave}
        , production_{production}
        , settings_{std::move(settings)}
        , purpose_{purpose}
        , binary_agrees_{binary_agrees}
        , plan_{into} {}

    std::optional<table_plan> settle() {
        const auto problems_before = plan_.problems.size();
        result_.name = slave_.name;
        result_.partitioned_on_slave = slave_.partitioned;
        result_.partitioned_on_production = production_.partitioned;
        result_.estimated_rows = slave_.estimated_rows;
        result_.bytes = slave_.bytes;
        result_.rows_have_places =
            slave_.rows_have_places && (settings_.deletes == delete_policy::off || production_.rows_have_places);
        result_.rewriters = production_.rewriters;
        result_.guards = settings_.guards;
        check_privileges();
        choose_deletes();
        choose_columns();
        choose_key();
        choose_filter();
        if (plan_.problems.size() != problems_before) return std::nullopt;
        add_rivals();
        return std::move(result_);
    }

private:
    void problem(std::string text) { plan_.problems.push_back(std::move(text)); }

    [[nodiscard]] bool is_skipped(const std::string& column_name) const {
        return std::ranges::find(settings_.skip_columns, column_name) != settings_.skip_columns.end() ||
               column_name == result_.mark.column;
    }

    void check_privileges() {
        const auto name = slave_.name.text();
        if (!slave_.may_use_schema)
            problem(fmt::format(
                "table {} cannot be read on the slave: GRANT USAGE ON its SCHEMA to the role of SLAVE_DATABASE_URL, or "
                "exclude it",
                name));
        if (!slave_.may_select)
            problem(fmt::format(
                "table {} cannot be read on the slave: GRANT SELECT to the role of SLAVE_DATABASE_URL, or exclude it",
                name));
        if (purpose_ == plan_for::comparing) {
            if (!production_.may_select)
                problem(fmt::format(
                    "table {} cannot be read in production: GRANT SELECT to the role of PROD_DATABASE_URL, or exclude "
                    "it",
                    name));
        } else if (!production_.may_select || !production_.may_write)
            problem(fmt::format(
                "table {} cannot be written in production: GRANT SELECT, INSERT, UPDATE to the role of "
                "PROD_DATABASE_URL, or exclude it",
                name));
        else if (settings_.deletes == delete_policy::hard && !production_.may_delete)
            problem(fmt::format(
                "rows of table {} cannot be deleted in production: GRANT DELETE to the role of PROD_DATABASE_URL, or "
                "set delete: off or soft",
                name));
    }

    void choose_deletes() {
        const auto name = slave_.name.text();
        result_.deletes = settings_.deletes;
        if (settings_.deletes != delete_policy::soft) return;
        const auto* column = production_.find(settings_.soft_column);
        if (column == nullptr)
            return problem(fmt::format(
                "table {} has no column {} in production, which soft_column in tidesync.yaml names: add it, or correct "
                "the name",
                name, settings_.soft_column));
        result_.mark = {.column = column->name, .is_time = column->type.starts_with("timestamp")};
        if (column->type != "boolean" && !result_.mark.is_time)
            problem(fmt::format(
                "column {}.{} is {}: soft_column in tidesync.yaml must name a boolean, or a timestamp", name,
                column->name, column->full_type));
        else if (column->generated)
            problem(fmt::format(
                "column {}.{} is computed by production: soft_column in tidesync.yaml must name one that can be set",
                name, column->name));
        else if (result_.mark.is_time && column->not_null)
            problem(fmt::format(
                "column {}.{} is NOT NULL, and null is what says that a row is there: drop the constraint, or take a "
                "boolean",
                name, column->name));
    }

    void choose_filter() {
        if (settings_.where.empty()) return;
        result_.filter = filter_at(settings_.where, plan_.now);
        // Production's own value would decide then, where the slave's is meant.
        for (const auto& name : names_in_filter(settings_.where))
            if ((slave_.find(name) != nullptr || production_.find(name) != nullptr) && !is_synced(name))
                problem(fmt::format(
                    "where of table {} in tidesync.yaml names column {}, which is not synced: both sides must have the "
                    "same in it",
                    slave_.name.text(), name));
    }

    void choose_columns() {
        const auto name = slave_.name.text();
        for (const auto& skipped : settings_.skip_columns)
            if (slave_.find(skipped) == nullptr && production_.find(skipped) == nullptr)
                problem(fmt::format(
                    "table {} has no column {} on either side, which skip_columns in tidesync.yaml names: correct it, "
                    "or remove it",
                    name, skipped));
        for (const auto& theirs : slave_.columns) {
            if (is_skipped(theirs.name)) continue;
            const auto* ours = production_.find(theirs.name);
            if (ours == nullptr) {
                plan_.drift.push_back(fmt::format(
                    "column {}.{} exists only on the slave and is not synced: add it to production, or name it in "
                    "skip_columns",
                    name, theirs.name));
                continue;
            }
            if (ours->generated) continue; // production computes it from the columns that are synced
            if (!holds_exactly(*ours, theirs)) {
                problem(fmt::format(
                    "column {}.{} is {} on the slave and {} in production: make the types equal, or exclude the table",
                    name, theirs.name, theirs.full_type, ours->full_type));
                continue;
            }
            const bool binary =
                ours->has_binary_form && theirs.has_binary_form && (binary_agrees_ || !ours->carries_type_numbers);
            if (!binary) result_.format = copy_format::text;
            result_.columns.push_back(
                {.name = ours->name,
                 .image = ours->image,
                 .send_function = ours->send_function,
                 .identity_always = ours->identity_always,
                 .key_hashes_raw = ours->key_hashes_raw,
                 .integer = ours->integer});
        }
        if (result_.format == copy_format::text)
            for (auto& column : result_.columns) // text has one NaN, and binary floats have two
                if (column.send_function == "pg_catalog.float4send" || column.send_function == "pg_catalog.float8send")
                    column.image = image_kind::text;
        for (const auto& ours : production_.columns)
            if ((slave_.find(ours.name) == nullptr || is_skipped(ours.name)) && ours.not_null && !ours.has_default &&
                !ours.generated)
                problem(fmt::format(
                    "column {}.{} of production is NOT NULL without a default and nothing is synced into it: give it a "
                    "default, or exclude the table",
                    name, ours.name));
        if (result_.columns.empty())
            problem(fmt::format("table {} has no column that both sides have: exclude it", name));
    }

    [[nodiscard]] bool is_synced(const std::string& column_name) const {
        return std::ranges::find(result_.columns, column_name, &planned_column::name) != result_.columns.end();
    }

    void choose_key() {
        const auto name = slave_.name.text();
        if (!settings_.key.empty()) return use_declared_key(settings_.key);
        for (const auto& key : production_.keys) {
            if (!std::ranges::all_of(key.columns, [&](const auto& c) { return is_synced(c); })) continue;
            return use_key(key.columns, &key);
        }
        if (production_.keys.empty())
            problem(
                fmt::format("table {} has no primary key: add one, set key: in tidesync.yaml, or exclude it", name));
        else
            problem(fmt::format(
                "table {} has no key whose columns exist on both sides with equal types: set key: in tidesync.yaml, "
                "or exclude it",
                name));
    }

    void use_declared_key(const std::vector<std::string>& columns) {
        for (const auto& column_name : columns)
            if (!is_synced(column_name))
                problem(fmt::format(
                    "key of table {} in tidesync.yaml names column {}, which is not synced: it must exist on both "
                    "sides with equal types",
                    slave_.name.text(), column_name));
        use_key(columns, with_columns(production_.keys, columns));
    }

    void use_key(const std::vector<std::string>& columns, const unique_key* index) {
        result_.key = index != nullptr ? index->columns : columns;
        result_.key_arbitrates = index != nullptr && index->immediate;
        result_.key_unique_in_production = index != nullptr;
        result_.key_operators = index != nullptr ? index->operators : own_equality(columns);
        // The slave's word counts where equality is that of bytes. Elsewhere it may hang on a collation, and
        // production's may be another.
        const auto is_equal_by_bytes = [&](const std::string& column_name) {
            return is_synced(column_name) && production_.find(column_name)->image == image_kind::raw;
        };
        result_.key_unique_on_slave =
            with_columns(slave_.keys, columns) != nullptr && std::ranges::all_of(columns, is_equal_by_bytes);
    }

    std::vector<std::string> own_equality(const std::vector<std::string>& columns) {
        std::vector<std::string> operators;
        for (const auto& column_name : columns) {
            const auto* column = production_.find(column_name);
            if (column != nullptr && column->equality.empty())
                problem(fmt::format(
                    "key of table {} in tidesync.yaml names column {} of type {}, which has no equality: choose "
                    "another column",
                    slave_.name.text(), column_name, column->full_type));
            operators.push_back(column != nullptr ? column->equality : std::string{});
        }
        return operators;
    }

    void add_rivals() {
        for (const auto& rival : production_.rivals) {
            planned_rival planned;
            planned.index = rival.index;
            for (const auto& name : rival.columns)
                if (is_synced(name)) planned.columns.push_back(name);
            // Rows with equal keys are one row, and columns that are not synced stay as they are.
            const auto is_key = [&](const auto& name) {
                return std::ranges::find(result_.key, name) != result_.key.end();
            };
            if (std::ranges::all_of(planned.columns, is_key)) continue;
            for (const auto& name : rival.keys) {
                const auto& column = *production_.find(name);
                if (!is_synced(name) || is_key(name) || column.referred || column.identity_always ||
                    !planned.parked.empty())
                    continue;
                planned.parking = parking_for(rival, column);
                if (!planned.parking.empty()) planned.parked = name;
            }
            result_.rivals.push_back(std::move(planned));
        }
    }

    const relation& slave_;
    const relation& production_;
    table_settings settings_;
    plan_for purpose_;
    bool binary_agrees_;
    plan& plan_;
    table_plan result_;
};

/// New rows bring numbers that production's sequences have not given out yet.
void add_sequences(const catalog& production, table_plan& table, plan& plan) {
    for (const auto& sequence : production.sequences) {
        if (sequence.table != table.name ||
            std::ranges::find(table.columns, sequence.column, &planned_column::name) == table.columns.end())
            continue;
        if (sequence.may_advance)
            table.sequences.push_back(sequence);
        else
            plan.warnings.push_back(fmt::format(
                "sequence {} of {}.{} is not moved forward: GRANT SELECT, UPDATE on it to the role of "
                "PROD_DATABASE_URL, or the application may draw a number that is taken",
                sequence.sql, table.name.text(), sequence.column));
    }
}

void check_servers(const catalog& slave, const catalog& production, plan_for purpose, plan& plan) {
    for (const auto& [side, server] : {std::pair{"slave", &slave}, std::pair{"production", &production}})
        if (server->major() < major_min)
            plan.problems.push_back(fmt::format(
                "the {} server is PostgreSQL {}: version {} or newer is needed", side, server->version, major_min));
    if (purpose == plan_for::writing && production.in_recovery)
        plan.problems.emplace_back(
            "the production server is a standby and cannot be written: point PROD_DATABASE_URL at the primary");
}

void check_rules(const catalog& slave, const catalog& production, const table_rules& rules, plan& plan) {
    const auto is_there = [](const catalog& server, const std::string& pattern) {
        return std::ranges::any_of(
            server.relations, [&](const auto& entry) { return matches(pattern, entry.first.text()); });
    };
    for (const auto& pattern : rules.include) {
        if (pattern == "*") continue;
        const bool literal = pattern.find('*') == std::string::npos;
        if (!is_there(slave, pattern) || (literal && !is_there(production, pattern)))
            plan.problems.push_back(fmt::format(
                "include in tidesync.yaml: {} is no table {}: correct it (schema.table), or remove it. Views, "
                "partitions, extensions' tables and the schemas that Supabase manages are never synced",
                pattern, literal ? "that both sides have" : "of the slave"));
    }
    for (const auto& group : rules.groups) {
        if (!rules.group.empty() && group.name != rules.group) continue; // a mistake there moves no table here
        for (const auto& pattern : group.tables)
            if (!is_there(slave, pattern) || !is_there(production, pattern))
                plan.problems.push_back(fmt::format(
                    "groups in tidesync.yaml: {} of {} is no table that both sides have: correct it (schema.table), or "
                    "remove it",
                    pattern, group.name));
    }
    for (const auto& rule : rules.tables)
        if (!is_there(slave, rule.pattern) || !is_there(production, rule.pattern))
            plan.problems.push_back(fmt::format(
                "tables in tidesync.yaml: {} is no table that both sides have: correct it (schema.table), or remove it",
                rule.pattern));
}

std::string text_of_group(const std::string& group) { return group.empty() ? "in no group" : "in group " + group; }

/// Tables that refer to each other change together: a child whose parent has not come yet would be refused.
void check_groups(const catalog& slave, const catalog& production, const table_rules& rules, plan& plan) {
    if (rules.groups.empty()) return;
    const auto is_synced = [&](const table_name& name) {
        return is_included(rules, name) && slave.relations.contains(name) && production.relations.contains(name);
    };
    const auto group_of = [&](const table_name& name) {
        const auto groups = groups_of(rules, name);
        return groups.empty() ? std::string{} : groups.front();
    };
    for (const auto& [name, relation] : slave.relations)
        if (const auto groups = groups_of(rules, name); groups.size() > 1 && is_synced(name))
            plan.problems.push_back(fmt::format(
                "groups in tidesync.yaml: table {} is in several, {}: let one of them name it", name.text(),
                fmt::join(groups, ", ")));
    for (const auto& key : production.foreign_keys) {
        if (!is_synced(key.child) || !is_synced(key.parent)) continue;
        const auto child = group_of(key.child);
        const auto parent = group_of(key.parent);
        if (child != parent && (child == rules.group || parent == rules.group))
            plan.problems.push_back(fmt::format(
                "groups in tidesync.yaml: table {} is {} and refers to {}, which is {}: put both into one group, as "
                "they change together",
                key.child.text(), text_of_group(child), key.parent.text(), text_of_group(parent)));
    }
}

} // namespace

plan make_plan(const catalog& slave, const catalog& production, const table_rules& rules, plan_for purpose) {
    plan result;
    result.now = slave.now;
    result.source_age = slave.replay_age;
    check_servers(slave, production, purpose, result);
    check_rules(slave, production, rules, result);
    check_groups(slave, production, rules, result);
    const bool same_major = slave.major() == production.major();
    result.portable_hashes = !same_major || slave.encoding != production.encoding;

    for (const auto& [name, theirs] : slave.relations) {
        if (!is_selected(rules, name)) continue;
        const auto ours = production.relations.find(name);
        if (ours == production.relations.end()) {
            result.drift.push_back(fmt::format(
                "table {} exists only on the slave and is not synced: create it in production, or exclude it",
                name.text()));
            continue;
        }
        if (!ours->second.may_use_schema) {
            result.drift.push_back(fmt::format(
                "table {} is not synced: the role of PROD_DATABASE_URL has no USAGE on its schema; GRANT it, or "
                "exclude the table",
                name.text()));
            continue;
        }
        auto table =
            table_planner{theirs, ours->second, settings_of(rules, name), purpose, same_major, result}.settle();
        if (!table) continue;
        if (purpose == plan_for::writing) add_sequences(production, *table, result);
        result.tables.push_back(std::move(*table));
    }
    result.warnings.insert(result.warnings.begin(), result.drift.begin(), result.drift.end());
    sort_by_foreign_keys(result, production);
    check_cascades(production, result);
    for (const auto& table : result.tables)
        if (!table.filter.empty() && table.deletes != delete_policy::off && slave.collation != production.collation)
            result.warnings.push_back(fmt::format(
                "table {} has a filter and deletes, and texts are compared as {} on the slave and {} in production: "
                "where it compares texts, let it say COLLATE \"C\"",
                table.name.text(), slave.collation, production.collation));
    if (!result.tables.empty() || !result.problems.empty()) return result;
    if (!rules.group.empty())
        result.problems.push_back(fmt::format(
            "group {} in tidesync.yaml has no table: correct its tables:, or what include and exclude let through",
            rules.group));
    else if (!rules.groups.empty())
        result.warnings.emplace_back("every table is in a group: this job has nothing to do, and needs no schedule");
    else
        result.problems.emplace_back(
            "no table is on both sides and selected: check the two addresses, and include and exclude in "
            "tidesync.yaml (`tidesync check-config` shows them)");
    return result;
}

} // namespace tidesync::slave_to_prod
