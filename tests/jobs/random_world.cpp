#include "tests/jobs/random_world.hpp"

#include "tests/jobs/random_rows.hpp"

#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::tests {

namespace {

std::string joined(const std::vector<std::string>& terms) { return fmt::format("{}", fmt::join(terms, ", ")); }

/// Columns and what they are given, in one order.
struct assignment {
    std::vector<std::string> columns, values;

    void add(const std::string& column, std::string value) {
        columns.push_back(column);
        values.push_back(std::move(value));
    }

    [[nodiscard]] std::string text(std::string_view between) const {
        std::vector<std::string> terms;
        for (std::size_t i = 0; i < columns.size(); ++i) terms.push_back(fmt::format("{} = {}", columns[i], values[i]));
        return fmt::format("{}", fmt::join(terms, between));
    }
};

// -- one row ----------------------------------------------------------------------------------------------------------

/// The first parts of a composite key have three values each, so that many rows share them.
std::vector<std::string> key_values(const random_shape& shape, const numbered_value& key) {
    std::vector<std::string> values;
    auto rest = key.number;
    for (std::size_t i = 0; i < shape.key.size(); ++i) {
        const auto kind = shape.key[i].kind;
        const auto spelling = has_spellings(kind) ? key.spelling : 0;
        const bool last = i + 1 == shape.key.size();
        values.push_back(key.number == nothing ? "NULL" : numbered(kind, last ? rest : rest % 3, spelling, true));
        rest /= 3;
    }
    return values;
}

assignment key_of(const random_shape& shape, const numbered_value& key) {
    assignment result;
    auto values = key_values(shape, key);
    for (std::size_t i = 0; i < values.size(); ++i) result.add(quote_name(shape.key[i].name), std::move(values[i]));
    return result;
}

assignment reference_to(const random_shapes& shapes, const reference& reference, const numbered_value& key) {
    return {reference.columns, key_values(shapes[reference.to], key)};
}

std::string unique_sql(const unique_column& column, const unique_value& value) {
    const bool the_null = column.rule == unique_rule::one_null && value.number == 3;
    if (value.number == nothing || the_null) return "NULL";
    return numbered(column.kind, value.number, value.spelling, column.extremes());
}

std::string condition_sql(const unique_column& column, bool counts) {
    if (column.rule == unique_rule::while_live) return counts ? "true" : "false";
    return counts ? "NULL" : "'2020-01-01'";
}

/// What a plain `twice` holds. Where production computes it, what the slave has counts for nothing.
std::string twice_sql(world_side side, std::string_view base) {
    return fmt::format("{}::bigint * {}", base, side == world_side::slave ? 3 : 2);
}

std::string insert_row(const random_shape& shape, const random_row& row, world_side side) {
    auto row_sql = key_of(shape, row.key);
    for (std::size_t i = 0; i < shape.uniques.size(); ++i) {
        const auto& column = shape.uniques[i];
        row_sql.add(quote_name(column.name), unique_sql(column, row.uniques[i]));
        if (!column.condition.empty()) row_sql.add(column.condition, condition_sql(column, row.uniques[i].counts));
    }
    for (std::size_t i = 0; i < shape.columns.size(); ++i)
        row_sql.add(quote_name(shape.columns[i].name), value_sql(*shape.columns[i].type, row.cells[i]));
    if (shape.twice != generated::nowhere) row_sql.add("base", fmt::format("{}", row.base));
    if (shape.twice_is_plain(side)) row_sql.add("twice", twice_sql(side, fmt::format("{}", row.base)));
    return fmt::format(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})", shape.sql(), joined(row_sql.columns),
        joined(row_sql.values));
}

/// References are set when all rows are there, so that they can point anywhere.
void refer(
    const random_shapes& shapes, const random_shape& shape, const random_row& row, std::vector<std::string>& into) {
    for (std::size_t i = 0; i < shape.references.size(); ++i)
        if (row.references[i].number != nothing)
            into.push_back(fmt::format(
                "UPDATE {} SET {} WHERE {}", shape.sql(),
                reference_to(shapes, shape.references[i], row.references[i]).text(", "),
                key_of(shape, row.key).text(" AND ")));
}

// -- three thousand more ----------------------------------------------------------------------------------------------

constexpr std::size_t large_rows = 3000;

/// Rows whose values follow from a number, `s.i`. Production lacks every 11th, and others differ.
class large_part {
public:
    large_part(const random_shapes& shapes, std::size_t place, dice& chance)
        : shapes_{shapes}
        , shape_{shapes[place]} {
        for (const auto& column : shape_.columns) cells_.push_back(any_cell(column, chance));
        changed_column_ = chance.below(shape_.columns.size());
        const auto& changed = shape_.columns[changed_column_];
        changed_cell_ = value_sql(*changed.type, chance.below(changed.type->values.size()));
        swaps_ = !shape_.uniques.empty() && !chance.one_in(4);
    }

    [[nodiscard]] bool swaps() const { return swaps_; }

    [[nodiscard]] std::string insert(world_side side, beginning began) const {
        if (side == world_side::slave) return insert_some(side, false, 1000, 999 + large_rows);
        if (began == beginning::empty) return {};
        if (began == beginning::equal) return insert_some(side, false, 1000, 999 + large_rows);
        return insert_some(side, true, 1000, 999 + large_rows) + insert_some(side, false, 900'000, 900'019);
    }

    /// Lets every 16th row refer to one row.
    void refer(const random_row& example, std::vector<std::string>& into) const {
        for (std::size_t i = 0; i < shape_.references.size(); ++i)
            if (example.references[i].number != nothing)
                into.push_back(fmt::format(
                    "UPDATE {} SET {} WHERE filler LIKE 'a%'", shape_.sql(),
                    reference_to(shapes_, shape_.references[i], example.references[i]).text(", ")));
    }

private:
    static std::string any_cell(const plain_column& column, dice& chance) {
        std::string cases;
        const auto number = 1 + chance.below(4);
        for (std::size_t i = 0; i < number; ++i)
            cases +=
                fmt::format(" WHEN {} THEN {}", i, value_sql(*column.type, chance.below(column.type->values.size())));
        const auto last = column.not_null ? column.type->values.size() - 1 : nothing;
        return fmt::format("CASE s.i % {}{} ELSE {} END", number + 1, cases, value_sql(*column.type, last));
    }

    [[nodiscard]] std::string key_part_sql(std::size_t place, bool older) const {
        const auto kind = shape_.key[place].kind;
        if (place + 1 < shape_.key.size())
            return fmt::format(
                "CASE s.i % 2 WHEN 0 THEN {} ELSE {} END", numbered(kind, 0, 0, true), numbered(kind, 1, 0, true));
        const auto value = numbered_by(kind, "s.i", 0);
        if (!older || !has_spellings(kind)) return value;
        return fmt::format("CASE WHEN s.i % 19 = 3 THEN {} ELSE {} END", numbered_by(kind, "s.i", 1), value);
    }

    [[nodiscard]] std::string insert_some(world_side side, bool older, std::size_t first, std::size_t last) const {
        assignment row;
        for (std::size_t i = 0; i < shape_.key.size(); ++i)
            row.add(quote_name(shape_.key[i].name), key_part_sql(i, older));
        for (const auto& unique : shape_.uniques) {
            const auto* const moved = "CASE WHEN s.i % 50 IN (10, 11) THEN s.i # 1 ELSE s.i END";
            row.add(quote_name(unique.name), numbered_by(unique.kind, older && swaps_ ? moved : "s.i", 0));
            if (!unique.condition.empty()) row.add(unique.condition, condition_sql(unique, true));
        }
        for (std::size_t i = 0; i < shape_.columns.size(); ++i) {
            auto cell = cells_[i];
            if (older && i == changed_column_)
                cell = fmt::format("CASE WHEN s.i % 13 = 5 THEN {} ELSE {} END", changed_cell_, cell);
            row.add(quote_name(shape_.columns[i].name), std::move(cell));
        }
        if (shape_.twice != generated::nowhere) row.add("base", "s.i");
        if (shape_.twice_is_plain(side)) row.add("twice", twice_sql(side, "s.i"));
        row.add(
            "filler",
            older ? "CASE s.i % 17 WHEN 2 THEN 'x' ELSE repeat(md5(s.i::text), 3) END" : "repeat(md5(s.i::text), 3)");
        return fmt::format(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM generate_series({}, {}) AS s (i){};\n",
            shape_.sql(), joined(row.columns), joined(row.values), first, last, older ? " WHERE s.i % 11 <> 4" : "");
    }

    const random_shapes& shapes_;
    const random_shape& shape_;
    std::vector<std::string> cells_;
    std::size_t changed_column_ = 0;
    std::string changed_cell_;
    bool swaps_ = false;
};

// -- all rows of a side -----------------------------------------------------------------------------------------------

/// Row by row, and what a constraint forbids is left out: so a state is valid whatever chance has come up with.
std::string attempt(const std::vector<std::string>& statements) {
    std::string list;
    for (const auto& statement : statements)
        list += fmt::format("{}    $attempt${}$attempt$", list.empty() ? "" : ",\n", statement);
    return fmt::format(
        "DO $world$ DECLARE attempt text; BEGIN\nFOREACH attempt IN ARRAY ARRAY[\n{}\n]::text[] LOOP\n"
        "    BEGIN EXECUTE attempt; EXCEPTION WHEN integrity_constraint_violation THEN NULL; END;\n"
        "END LOOP; END $world$;\n",
        list);
}

std::string insert_rows(
    const random_shapes& shapes, const std::vector<random_rows>& rows, const std::vector<large_part>& large,
    world_side side) {
    // What is deferred would be forbidden at the end only, and everything with it.
    std::string text = "SET CONSTRAINTS ALL IMMEDIATE;\n";
    std::vector<std::string> inserts;
    std::vector<std::string> updates;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const auto& own = side == world_side::slave ? rows[i].slave : rows[i].production;
        if (shapes[i].large) text += large[i].insert(side, rows[i].began);
        for (const auto& row : own) inserts.push_back(insert_row(shapes[i], row, side));
        for (const auto& row : own) refer(shapes, shapes[i], row, updates);
        if (shapes[i].large && !own.empty()) large[i].refer(own.front(), updates);
    }
    return text + attempt(inserts) + attempt(updates);
}

// -- what is remarkable -----------------------------------------------------------------------------------------------

void add_features(const random_shape& shape, std::set<std::string>& into) {
    static constexpr std::array rules{
        "a unique column",
        "a unique column that is checked at the end",
        "a unique column that is checked after each statement",
        "a unique column with one null",
        "a unique index over lower()",
        "a unique index of rows that are live",
        "a unique index of rows that are not gone",
        "an exclusion constraint"};
    const auto slave = shape.partitions[0];
    const auto production = shape.partitions[1];
    const auto note = [&](bool is_so, const std::string& what) {
        if (is_so) into.insert(what);
    };
    for (const auto& part : shape.key) into.insert(fmt::format("key {}", type_of(part.kind)));
    for (const auto& column : shape.columns) into.insert("type " + column.type->name);
    for (const auto& unique : shape.uniques) into.insert(rules.at(static_cast<std::size_t>(unique.rule)));
    note(shape.key.size() == 2, "a key of two columns");
    note(shape.key.size() == 3, "a key of three columns");
    note(!shape.primary, "a unique key that is not primary");
    note(shape.deferrable_key, "a deferrable key");
    note(shape.identity == "ALWAYS", "an identity that is always generated");
    note(shape.identity == "BY DEFAULT", "an identity by default");
    note(slave == production && slave != partitioning::none, "the same partitions");
    note(slave != production && slave != partitioning::none && production != partitioning::none, "other partitions");
    note(slave != partitioning::none && production == partitioning::none, "partitions on the slave alone");
    note(slave == partitioning::none && production != partitioning::none, "partitions in production alone");
    note(shape.twice == generated::on_both, "a column that is computed on both sides");
    note(shape.twice == generated::on_slave, "a column that is computed on the slave");
    note(shape.twice == generated::in_production, "a column that is computed in production");
    note(shape.own_column, "a column that only production has");
    note(shape.dropped_column, "a column that production had once");
    note(shape.turned != 0, "columns in another order");
    note(shape.schema != "public", "an odd schema");
    note(shape.key[0].name != "k0", "odd names");
}

void add_features(
    const random_shapes& shapes, const std::vector<random_rows>& rows, const std::vector<large_part>& large,
    std::set<std::string>& into) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const auto began = rows[i].began;
        const bool is_large = shapes[i].large;
        const auto note = [&](bool is_so, const std::string& what) {
            if (is_so) into.insert(what);
        };
        add_features(shapes[i], into);
        note(is_large, "a large table");
        note(is_large && began == beginning::empty, "a large table that is empty in production");
        note(is_large && began == beginning::older && large[i].swaps(), "a large table where unique values move");
        note(!rows[i].slave.empty() && began == beginning::empty, "a table that is empty in production");
        note(!rows[i].slave.empty() && began == beginning::equal, "a table that is equal from the start");
        for (const auto& reference : shapes[i].references)
            into.insert(
                reference.to == i  ? "a table that refers to itself"
                : reference.to > i ? "tables in a circle"
                                   : "a table that refers to another");
    }
}

} // namespace

random_world make_random_world(std::uint64_t seed) {
    dice chance{seed};
    random_world world;
    const auto shapes = choose_shapes(chance);
    const auto rows = choose_rows(shapes, chance, world.features);
    std::vector<large_part> large;
    for (std::size_t i = 0; i < shapes.size(); ++i) large.emplace_back(shapes, i, chance);
    add_features(shapes, rows, large, world.features);
    // Labels that joined an enum cannot be used in the transaction that added them.
    world.slave = {
        create_types_on_slave(),
        create_tables(shapes, world_side::slave) + insert_rows(shapes, rows, large, world_side::slave)};
    world.production = {
        create_types_in_production(),
        create_tables(shapes, world_side::production) + insert_rows(shapes, rows, large, world_side::production)};
    if (chance.one_in(2)) {
        world.slave.emplace_back("ANALYZE;\n");
        world.features.insert("statistics on the slave");
    }
    for (std::size_t i = 0; i < shapes.size(); ++i)
        world.tables.push_back(
            {.sql = shapes[i].sql(),
             .text = shapes[i].text(),
             .key = joined(key_of(shapes[i], {}).columns),
             .rows_on_slave = rows[i].slave.size() + (shapes[i].large ? large_rows : 0)});
    return world;
}

} // namespace tidesync::tests
