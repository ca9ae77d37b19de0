#include "tests/jobs/random_schema.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::tests {

namespace {

const std::vector<std::string> odd_table_names{"Order",      "select",     "with.dot",
                                               "with space", "quo\"ted",   "\u0442\u0430\u0431\u043b\u0438\u0446\u0430",
                                               "%s{}",       "back\\slash"};
const std::vector<std::string> odd_column_names{"Mixed Case",         "from",        "a.b", "quo\"ted", "it's", "%d{}",
                                                "\u0438\u043c\u044f", "back\\slash", " "};
const std::vector<std::string> odd_key_names{"Key One", "primary", "key.three"};

std::size_t place(world_side side) { return static_cast<std::size_t>(side); }

std::string names_of(const std::vector<std::string>& names) {
    std::vector<std::string> quoted;
    for (const auto& name : names) quoted.push_back(quote_name(name));
    return fmt::format("{}", fmt::join(quoted, ", "));
}

std::vector<std::string> key_names(const random_shape& shape) {
    std::vector<std::string> names;
    for (const auto& part : shape.key) names.push_back(part.name);
    return names;
}

// -- choices ----------------------------------------------------------------------------------------------------------

void choose_key(random_shape& shape, bool odd, dice& chance) {
    // Whole numbers and texts twice: they are what most tables have.
    static const std::vector<value_kind> kinds{
        value_kind::integer, value_kind::integer,     value_kind::bigint,  value_kind::bigint, value_kind::text,
        value_kind::text,    value_kind::uuid,        value_kind::numeric, value_kind::citext, value_kind::collated,
        value_kind::date,    value_kind::timestamptz, value_kind::bytea,   value_kind::mood};
    const auto size = chance.below(6);
    const std::size_t parts = size == 0 ? 3 : size == 1 ? 2 : 1;
    for (std::size_t i = 0; i < parts; ++i) {
        auto kind = chance.pick(kinds);
        // The last part has to tell all rows apart, and there are only eight moods.
        if (kind == value_kind::mood && parts > 1 && i + 1 == parts) kind = value_kind::integer;
        shape.key.push_back({odd ? odd_key_names[i] : fmt::format("k{}", i), kind});
    }
    shape.primary = !chance.one_in(4);
    if (parts == 1 && shape.key[0].kind == value_kind::bigint) {
        const auto how = chance.below(3);
        shape.identity = how == 0 ? "ALWAYS" : how == 1 ? "BY DEFAULT" : "";
    }
    if (!chance.one_in(4) || !shape.identity.empty() || shape.key[0].kind == value_kind::collated) return;
    for (auto& how : shape.partitions) how = static_cast<partitioning>(chance.below(4));
}

void choose_uniques(random_shape& shape, dice& chance) {
    static const std::vector<value_kind> kinds{
        value_kind::integer, value_kind::text, value_kind::uuid, value_kind::date, value_kind::range};
    static const std::vector<unique_rule> rules{
        unique_rule::constraint, unique_rule::constraint, unique_rule::deferred,   unique_rule::deferrable,
        unique_rule::one_null,   unique_rule::while_live, unique_rule::until_gone, unique_rule::lower};
    const auto most = chance.below(4);
    const std::size_t count = most == 0 ? 0 : most == 3 ? 2 : 1;
    for (std::size_t i = 0; i < count; ++i) {
        unique_column unique;
        unique.name = fmt::format("u{}", i);
        unique.kind = chance.pick(kinds);
        unique.rule = chance.pick(rules);
        if (unique.rule == unique_rule::lower) unique.kind = value_kind::text;
        if (unique.kind == value_kind::range) unique.rule = unique_rule::exclusion;
        const bool could_be_a_key = unique.rule == unique_rule::constraint || unique.rule == unique_rule::deferred ||
                                    unique.rule == unique_rule::deferrable;
        unique.not_null = chance.one_in(2);
        // Without a primary key the job would be free to tell rows apart by this one, and its values move.
        if (unique.rule == unique_rule::one_null || (could_be_a_key && !shape.primary)) unique.not_null = false;
        if (unique.rule == unique_rule::while_live) unique.condition = fmt::format("live{}", i);
        if (unique.rule == unique_rule::until_gone) unique.condition = fmt::format("gone{}", i);
        unique.condition_first = chance.one_in(2);
        shape.uniques.push_back(std::move(unique));
    }
}

void choose_columns(random_shape& shape, bool odd, dice& chance) {
    const auto count = 1 + chance.below(8);
    for (std::size_t i = 0; i < count; ++i) {
        plain_column column{
            .name = odd ? odd_column_names[i] : fmt::format("c{}", i), .type = &chance.pick(column_types())};
        column.not_null = chance.one_in(4);
        column.packed = !column.type->holds_long_text || chance.one_in(2);
        shape.columns.push_back(std::move(column));
    }
    if (chance.one_in(5)) shape.twice = static_cast<generated>(1 + chance.below(3));
    shape.own_column = chance.one_in(5);
    shape.dropped_column = chance.one_in(5);
    if (chance.one_in(3)) shape.turned = 1 + chance.below(5);
    shape.large = chance.one_in(10) && shape.key.back().kind != value_kind::mood;
}

void add_reference(random_shapes& shapes, std::size_t from, std::size_t to, std::string deferrable) {
    auto& references = shapes[from].references;
    reference reference{.to = to, .columns = {}, .deferrable = std::move(deferrable)};
    for (std::size_t i = 0; i < shapes[to].key.size(); ++i)
        reference.columns.push_back(fmt::format("r{}_{}", references.size(), i));
    references.push_back(std::move(reference));
}

void choose_references(random_shapes& shapes, std::size_t from, bool circle, dice& chance) {
    const bool in_circle = circle && from < 2;
    if (in_circle) {
        // A circle is only synced when all its constraints can wait.
        const bool deferred = chance.one_in(2);
        add_reference(shapes, from, 1 - from, deferred ? "DEFERRABLE INITIALLY DEFERRED" : "DEFERRABLE");
    } else if (from > 0 && chance.one_in(2)) {
        const auto to = chance.below(from);
        const bool deferred = chance.one_in(4);
        add_reference(shapes, from, to, deferred ? "DEFERRABLE INITIALLY DEFERRED" : "");
    }
    if (chance.one_in(4)) add_reference(shapes, from, from, "");
}

bool is_referred_to(const random_shapes& shapes, std::size_t to) {
    return std::ranges::any_of(shapes, [&](const auto& shape) {
        return std::ranges::find(shape.references, to, &reference::to) != shape.references.end();
    });
}

// -- SQL --------------------------------------------------------------------------------------------------------------

void define_unique(const unique_column& unique, std::vector<std::string>& into) {
    auto definition =
        fmt::format("{} {}{}", quote_name(unique.name), type_of(unique.kind), unique.not_null ? " NOT NULL" : "");
    if (unique.condition.empty()) return into.push_back(std::move(definition));
    auto condition = fmt::format("{} {}", unique.condition, unique.rule == unique_rule::while_live ? "bool" : "date");
    if (unique.condition_first) std::swap(definition, condition);
    into.push_back(std::move(definition));
    into.push_back(std::move(condition));
}

std::vector<std::string> define_columns(const random_shapes& shapes, const random_shape& shape, world_side side) {
    std::vector<std::string> definitions;
    for (const auto& [name, kind] : shape.key)
        definitions.push_back(fmt::format(
            "{} {} NOT NULL{}", quote_name(name), type_of(kind),
            shape.identity.empty() ? "" : fmt::format(" GENERATED {} AS IDENTITY", shape.identity)));
    for (const auto& unique : shape.uniques) define_unique(unique, definitions);
    for (const auto& reference : shape.references)
        for (std::size_t i = 0; i < reference.columns.size(); ++i)
            definitions.push_back(
                fmt::format("{} {}", reference.columns[i], type_of(shapes[reference.to].key[i].kind)));
    for (const auto& column : shape.columns)
        definitions.push_back(
            fmt::format("{} {}{}", quote_name(column.name), column.type->name, column.not_null ? " NOT NULL" : ""));
    if (shape.twice != generated::nowhere) {
        definitions.emplace_back("base int");
        definitions.emplace_back(
            shape.twice_is_plain(side) ? "twice bigint" : "twice bigint GENERATED ALWAYS AS (base::bigint * 2) STORED");
    }
    if (shape.large) definitions.emplace_back("filler text");
    if (side == world_side::slave) return definitions;
    if (shape.own_column) definitions.emplace_back("only_here text NOT NULL DEFAULT 'by default'");
    if (shape.dropped_column) definitions.emplace_back("doomed int DEFAULT 1");
    const auto turned = static_cast<std::ptrdiff_t>(shape.turned % definitions.size());
    std::rotate(definitions.begin(), definitions.begin() + turned, definitions.end());
    return definitions;
}

/// Which rows go to the first of two partitions; the second takes the others.
std::pair<std::string, std::string> bounds(const random_shape& shape, partitioning how) {
    const auto& part = shape.key.front();
    // The first part of several has few values: see key_values.
    const std::size_t middle = shape.key.size() > 1 ? 1 : 4;
    const auto value = [&](std::size_t number) { return numbered(part.kind, number, 0, true); };
    switch (how) {
    case partitioning::range:
        return {fmt::format("FOR VALUES FROM (MINVALUE) TO ({})", value(middle)), "DEFAULT"};
    case partitioning::hash:
        return {"FOR VALUES WITH (MODULUS 2, REMAINDER 0)", "FOR VALUES WITH (MODULUS 2, REMAINDER 1)"};
    case partitioning::list:
        return {fmt::format("FOR VALUES IN ({}, {})", value(0), value(middle)), "DEFAULT"};
    case partitioning::none:
        break;
    }
    return {};
}

std::string add_unique(const unique_column& unique, const std::string& table) {
    const auto column = quote_name(unique.name);
    const auto constraint = [&](std::string_view what, std::string_view more) {
        return fmt::format("ALTER TABLE {} ADD {} ({}){};\n", table, what, column, more);
    };
    switch (unique.rule) {
    case unique_rule::constraint:
        return constraint("UNIQUE", "");
    case unique_rule::deferred:
        return constraint("UNIQUE", " DEFERRABLE INITIALLY DEFERRED");
    case unique_rule::deferrable:
        return constraint("UNIQUE", " DEFERRABLE");
    case unique_rule::one_null:
        return constraint("UNIQUE NULLS NOT DISTINCT", "");
    case unique_rule::lower:
        return fmt::format("CREATE UNIQUE INDEX ON {} (lower({}));\n", table, column);
    case unique_rule::while_live:
        return fmt::format("CREATE UNIQUE INDEX ON {} ({}) WHERE {};\n", table, column, unique.condition);
    case unique_rule::until_gone:
        return fmt::format("CREATE UNIQUE INDEX ON {} ({}) WHERE {} IS NULL;\n", table, column, unique.condition);
    case unique_rule::exclusion:
        break;
    }
    return fmt::format("ALTER TABLE {} ADD EXCLUDE USING gist ({} WITH &&);\n", table, column);
}

std::string create_table(const random_shapes& shapes, std::size_t number, world_side side) {
    static constexpr std::array methods{"", "RANGE", "HASH", "LIST"};
    const auto& shape = shapes[number];
    const auto how = shape.partitions[place(side)];
    auto text = fmt::format(
        "CREATE TABLE {} (\n    {},\n    {} ({}){})", shape.sql(),
        fmt::join(define_columns(shapes, shape, side), ",\n    "), shape.primary ? "PRIMARY KEY" : "UNIQUE",
        names_of(key_names(shape)), shape.deferrable_key ? " DEFERRABLE" : "");
    std::vector<std::string> holders{shape.sql()}; // of rows, and so of indexes that lack the key
    if (how == partitioning::none) {
        text += ";\n";
    } else {
        const auto [first, second] = bounds(shape, how);
        const auto leaf = [&](int i) { return fmt::format("{}.\"leaf {}.{}\"", quote_name(shape.schema), number, i); };
        holders = {leaf(0), leaf(1)};
        text += fmt::format(
            " PARTITION BY {0} ({1});\nCREATE TABLE {2} PARTITION OF {4} {3};\nCREATE TABLE {5} PARTITION OF {4} "
            "{6};\n",
            methods[static_cast<std::size_t>(how)], quote_name(shape.key.front().name), holders[0], first, shape.sql(),
            holders[1], second);
    }
    if (side == world_side::production && shape.dropped_column)
        text += fmt::format("ALTER TABLE {} DROP COLUMN doomed;\n", shape.sql());
    for (const auto& column : shape.columns)
        if (!column.packed)
            text +=
                fmt::format("ALTER TABLE {} ALTER {} SET STORAGE EXTERNAL;\n", shape.sql(), quote_name(column.name));
    for (const auto& holder : holders)
        for (const auto& unique : shape.uniques) text += add_unique(unique, holder);
    return text;
}

} // namespace

std::string random_shape::sql() const { return quote_name(schema) + '.' + quote_name(name); }

std::string random_shape::text() const { return schema + '.' + name; }

bool random_shape::has_spellings() const {
    return std::ranges::any_of(key, [](const auto& part) { return tests::has_spellings(part.kind); });
}

std::size_t random_shape::rows_max() const {
    return key.size() == 1 && key[0].kind == value_kind::mood ? 8 : 10'000'000;
}

bool random_shape::twice_is_plain(world_side side) const {
    return twice == (side == world_side::slave ? generated::in_production : generated::on_slave);
}

random_shapes choose_shapes(dice& chance) {
    random_shapes shapes(1 + chance.below(4));
    const bool odd = chance.one_in(3);
    const bool circle = shapes.size() > 1 && chance.one_in(3);
    const auto first_name = chance.below(odd_table_names.size());
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        auto& shape = shapes[i];
        shape.name = odd ? odd_table_names[(first_name + i) % odd_table_names.size()] : fmt::format("t{}", i);
        if (odd && chance.one_in(3)) shape.schema = "Weird.Schema";
        choose_key(shape, odd, chance);
        choose_uniques(shape, chance);
        choose_columns(shape, odd, chance);
    }
    for (std::size_t i = 0; i < shapes.size(); ++i) choose_references(shapes, i, circle, chance);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const bool deferrable = chance.one_in(6);
        shapes[i].deferrable_key = deferrable && !is_referred_to(shapes, i); // PostgreSQL wants it so
    }
    return shapes;
}

std::string create_tables(const random_shapes& shapes, world_side side) {
    std::string text;
    if (std::ranges::find(shapes, "Weird.Schema", &random_shape::schema) != shapes.end())
        text += "CREATE SCHEMA \"Weird.Schema\";\n";
    for (std::size_t i = 0; i < shapes.size(); ++i) text += create_table(shapes, i, side);
    for (const auto& shape : shapes)
        for (const auto& reference : shape.references)
            text += fmt::format(
                "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} ({}) {};\n", shape.sql(),
                names_of(reference.columns), shapes[reference.to].sql(), names_of(key_names(shapes[reference.to])),
                reference.deferrable);
    return text;
}

std::string quote_name(const std::string& name) {
    std::string text{"\""};
    for (const char c : name) text += c == '"' ? std::string{"\"\""} : std::string{c};
    return text + '"';
}

} // namespace tidesync::tests
