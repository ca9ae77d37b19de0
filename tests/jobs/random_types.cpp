#include "tests/jobs/random_types.hpp"

#include <cassert>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

namespace tidesync::tests {

namespace {

/// Endings of texts of 100 kB, one half of them such that they cannot be packed.
constexpr std::size_t long_texts = 4;

std::string long_text(std::size_t index) {
    // Alike up to the last character: whoever compares less than the whole finds them equal.
    const auto* const end = index % 2 == 0 ? "even" : "odd";
    if (index < 2) return fmt::format("(repeat('0123456789abcdef', 6250) || '{}')", end);
    return fmt::format("((SELECT string_agg(md5(s::text), '') FROM generate_series(1, 3125) AS s) || '{}')", end);
}

const std::vector<std::string> labels{"sad", "glum", "so so", "ok", "glad", "happy", "Happy", "it's"};

constexpr std::string_view other_types =
    "CREATE TYPE pair AS (n numeric, t text); CREATE DOMAIN price AS numeric CHECK (value >= 0); "
    "CREATE DOMAIN remark AS text CHECK (length(value) < 20);\n";
constexpr std::string_view extension_and_collation =
    "CREATE EXTENSION citext; "
    "CREATE COLLATION ignores_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);\n";

struct spellings {
    std::string first, second;
};

/// What the first numbers of a kind stand for, in one or two spellings.
const std::vector<spellings>& extremes_of(value_kind kind) {
    static const std::map<value_kind, std::vector<spellings>> all{
        {value_kind::integer, {{"-2147483648", ""}, {"2147483647", ""}, {"0", ""}}},
        {value_kind::bigint, {{"-9223372036854775808", ""}, {"9223372036854775807", ""}, {"0", ""}}},
        {value_kind::text,
         {{"", ""},
          {"\\N", ""},
          {"\\.", ""},
          {"it's \"so\"", ""},
          {"\t\n", ""},
          {"\u0441\u043b\u043e\u0432\u043e \U0001F30A", ""}}},
        {value_kind::uuid,
         {{"00000000-0000-0000-0000-000000000000", ""}, {"ffffffff-ffff-ffff-ffff-ffffffffffff", ""}}},
        // No infinities: PostgreSQL hashes them like NaN, and of keys that share a hash `check` counts the differences
        // roughly.
        {value_kind::numeric, {{"0", "0.000"}, {"NaN", "NaN"}, {"1e20", "100000000000000000000.00"}}},
        {value_kind::citext, {{"", ""}, {"It's\\N", "iT's\\n"}}},
        {value_kind::collated, {{"", ""}, {"\u00e9", "e\u0301"}, {"\u0416\u0443\u043a", "\u0436\u0443\u043a"}}},
        {value_kind::date, {{"-infinity", ""}, {"infinity", ""}, {"0044-03-15 BC", ""}}},
        {value_kind::timestamptz, {{"-infinity", ""}, {"infinity", ""}, {"1883-11-18 12:00:00.000001+00", ""}}},
        {value_kind::bytea, {{"\\x", ""}, {"\\x00", ""}, {"\\x0000", ""}, {"\\x5c2e0a", ""}}},
    };
    static const std::vector<spellings> none;
    const auto found = all.find(kind);
    return found == all.end() ? none : found->second;
}

} // namespace

const std::vector<column_type>& column_types() {
    static const std::vector<column_type> all{
        {"bool", {"t", "f"}},
        {"int2", {"0", "1", "-32768", "32767"}},
        {"int4", {"0", "1", "-2147483648", "2147483647"}},
        {"int8", {"0", "1", "-9223372036854775808", "9223372036854775807"}},
        {"numeric",
         {"1.0", "1.00", "0", "0.000", "1e10", "10000000000.0", "NaN", "Infinity", "-Infinity", "-0.1",
          "123456789012345678901234567890.123456789012345678901234567890"},
         6},
        {"numeric(12,3)", {"0", "-0.001", "999999999.999", "NaN"}},
        {"float4", {"0", "-0", "NaN", "Infinity", "-Infinity", "0.1", "3.4028235e38", "1e-45"}, 2},
        {"float8", {"0", "-0", "NaN", "Infinity", "-Infinity", "0.1", "0.30000000000000004", "5e-324"}, 2},
        {"text",
         {"\u00e9",
          "e\u0301",
          "",
          " ",
          "plain",
          "it's",
          "back\\slash\\\\",
          "\\N",
          "\\.",
          "\\.\n",
          "tab\t",
          "line\nfeed\r\n",
          "\"quoted\"",
          "NULL",
          "$$ $1 %s {}",
          "\u0441\u043b\u043e\u0432\u043e",
          "\u65e5\u672c\u8a9e",
          "\u05e2\u05d1\u05e8\u05d9\u05ea",
          "\U0001F30A\U0001F469\u200D\U0001F680",
          "\x01\x7f"},
         2,
         true},
        {"varchar(12)", {"", "it's", "\\N", "twelve chars", "\u65e5\u672c\u8a9e\U0001F30A", "tail  "}},
        {"char(6)", {"", "a", "it's", "\\N", "\U0001F30A", "sixsix"}},
        {"bpchar", {"a", "a  ", "", "  ", "b"}, 4},
        {"date", {"2020-02-29", "infinity", "-infinity", "4713-01-01 BC", "5874897-12-31"}},
        {"timestamp", {"2020-02-29 23:59:59.999999", "infinity", "-infinity", "4713-01-01 00:00:00 BC", "1970-01-01"}},
        {"timestamptz",
         {"2020-02-29 23:59:59.999999+00", "infinity", "-infinity", "0044-03-15 12:00:00+00 BC",
          "1883-11-18 12:00:00.000001+00"}},
        {"timestamptz(0)", {"2020-02-29 23:59:59+00", "infinity", "1999-12-31 23:59:59+14"}},
        {"interval",
         {"1 day", "24 hours", "1 mon", "30 days", "0", "-178000000 years -1 mons +3 days -04:05:06.789",
          "1 mon -1 day"},
         4},
        {"time", {"00:00", "24:00", "12:34:56.789012"}},
        {"timetz", {"12:00+00", "13:00+01", "24:00-15:59"}},
        {"json",
         {R"({"a":1,"b":2})", R"({"a": 1, "b": 2})", R"({"a":1})", R"({"a":2,"a":1})", "null",
          R"({"b": [1.0, "\u20ac\\", null], "a": {}})", "[]"},
         4},
        {"jsonb",
         {R"({"a": 1.0})", R"({"a": 1.00})", "1", "1.0", "null", R"({"b": [1e10, "\u20ac\\", null], "a": {}})", "[]"},
         4},
        {"uuid",
         {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
          "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}},
        {"bytea", {"\\x", "\\x00", "\\x000102ff5c27", "\\x5c2e0a"}},
        {"inet", {"10.0.0.1", "10.0.0.1/24", "::1", "fe80::1/64", "::ffff:1.2.3.4"}},
        {"cidr", {"10.0.0.0/8", "10.0.0.0/9", "::/0"}},
        {"macaddr", {"08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"}},
        {"int4[]", {"{1,2}", "[0:1]={1,2}", "{}", "{NULL}", "{{1,NULL},{3,4}}", "[0:1][2:3]={{1,NULL},{3,4}}"}, 2},
        {"text[]", {R"({a,b})", R"([-1:0]={a,b})", "{}", R"({"a,b","NULL",NULL,"","\"q\"","\\"})", "{{a},{NULL}}"}, 2},
        {"numeric[]", {"{1.0}", "{1.00}", "{}", "{NaN,NULL}"}, 2},
        {"mood", labels},
        {"mood[]", {"{sad}", "{sad,NULL}", "{}", R"({"it's","so so"})"}},
        {"pair", {"(1.0,x)", "(1.00,x)", "(,)", R"v((NaN,"a ""b"", c"))v", R"v((1,"\\"))v"}, 2},
        {"pair[]", {R"v({"(1.0,x)"})v", R"v({"(1.00,x)"})v", "{}", R"v({"(1,a)",NULL,"(,)"})v"}, 2},
        {"price", {"1.0", "1.00", "0", "Infinity"}, 2},
        {"remark", {"", "it's", "\\N", "\U0001F30A"}},
        {"int4range", {"[1,2)", "empty", "(,)", "[5,)"}},
        {"numrange", {"[1.0,2.0)", "[1.00,2.0)", "empty", "[1.5,)"}, 2},
        {"tstzrange", {"empty", R"(["2020-01-01 00:00:00+00",infinity])", R"([-infinity,"2020-01-01 00:00:00+00"))"}},
        {"int4multirange", {"{}", "{[1,3),[5,)}", "{(,)}"}},
        {"bit(5)", {"00000", "10101", "11111"}},
        {"varbit", {"", "0", "0000000010", "1"}},
        {"point", {"(0,0)", "(-0,0)", "(NaN,Infinity)", "(1e-300,5)"}, 2},
        {"tsvector", {"", "'a':1A 'b':2,3", "'it''s' '\\\\'", "a"}},
        {"xml", {"<a/>", "<a></a>", "<b c='d'>\u20ac &amp;</b>", "text only"}, 2},
        {"citext", {"Title", "title", "", "it's", "\\N"}, 2},
        {"citext[]", {"{Title}", "{title}", "{NULL}"}, 2},
        {"text COLLATE ignores_case", {"Title", "title", "e\u0301", "\u00e9", "", "\\N"}, 4},
    };
    return all;
}

std::string create_types_on_slave() {
    std::vector<std::string> quoted;
    for (const auto& label : labels) quoted.push_back(literal(label, ""));
    return fmt::format(
        "{}CREATE TYPE mood AS ENUM ({}); {}", extension_and_collation, fmt::join(quoted, ", "), other_types);
}

std::string create_types_in_production() {
    // One label joins the others late, as after a change of the schema: its number is out of order.
    std::vector<std::string> quoted;
    for (const auto& label : labels)
        if (label != "ok") quoted.push_back(literal(label, ""));
    return fmt::format(
        "CREATE DOMAIN one_more AS int; CREATE TYPE other AS ENUM ();\n{}{}CREATE TYPE mood AS ENUM ({}); "
        "ALTER TYPE mood ADD VALUE 'ok' BEFORE 'glad';\n",
        other_types, extension_and_collation, fmt::join(quoted, ", "));
}

std::string literal(std::string_view value, std::string_view type) {
    std::string text{"'"};
    for (const char c : value) text += c == '\'' ? std::string{"''"} : std::string{c};
    text += '\'';
    const auto name = type.substr(0, type.find(" COLLATE"));
    return name.empty() ? text : fmt::format("{}::{}", text, name);
}

std::string value_sql(const column_type& type, std::size_t index) {
    if (index == nothing) return "NULL";
    return index < type.values.size() ? literal(type.values[index], type.name) : long_text(index - type.values.size());
}

std::size_t any_value(const column_type& type, bool not_null, dice& chance) {
    if (!not_null && chance.one_in(5)) return nothing;
    if (type.holds_long_text && chance.one_in(30)) return type.values.size() + chance.below(long_texts);
    return chance.below(type.values.size());
}

std::size_t other_value(const column_type& type, std::size_t index, bool not_null, dice& chance) {
    if (index < type.twins && !chance.one_in(3)) return index ^ 1U;
    // Of a long text, the one that differs in its end.
    if (index != nothing && index >= type.values.size()) return index ^ 1U;
    return any_value(type, not_null, chance);
}

std::string_view type_of(value_kind kind) {
    switch (kind) {
    case value_kind::integer:
        return "int4";
    case value_kind::bigint:
        return "int8";
    case value_kind::text:
        return "text";
    case value_kind::uuid:
        return "uuid";
    case value_kind::numeric:
        return "numeric";
    case value_kind::citext:
        return "citext";
    case value_kind::collated:
        return "text COLLATE ignores_case";
    case value_kind::date:
        return "date";
    case value_kind::timestamptz:
        return "timestamptz";
    case value_kind::mood:
        return "mood";
    case value_kind::bytea:
        return "bytea";
    case value_kind::range:
        break;
    }
    return "int4range";
}

bool has_spellings(value_kind kind) noexcept {
    return kind == value_kind::numeric || kind == value_kind::citext || kind == value_kind::collated;
}

std::string numbered(value_kind kind, std::size_t number, std::size_t spelling, bool extremes) {
    if (kind == value_kind::mood) return literal(labels.at(number), "mood");
    const auto& odd = extremes_of(kind);
    if (!extremes || number >= odd.size()) return numbered_by(kind, fmt::format("{}", number), spelling);
    return literal(has_spellings(kind) && spelling == 1 ? odd[number].second : odd[number].first, type_of(kind));
}

std::string numbered_by(value_kind kind, std::string_view number, std::size_t spelling) {
    const auto* const key = spelling == 0 ? "Key" : "KEY";
    switch (kind) {
    case value_kind::integer:
    case value_kind::bigint:
        return fmt::format("({})", number);
    case value_kind::text:
    case value_kind::collated:
        return fmt::format("('{} ' || ({}))", key, number);
    case value_kind::uuid:
        return fmt::format("md5(({})::text)::uuid", number);
    case value_kind::numeric:
        return fmt::format("(({}) || '.{}')::numeric", number, spelling == 0 ? "0" : "00");
    case value_kind::citext:
        return fmt::format("('{} ' || ({}))::citext", key, number);
    case value_kind::date:
        return fmt::format("('2000-01-01'::date + ({}))", number);
    case value_kind::timestamptz:
        return fmt::format("('2000-01-01 00:00:00.000001+00'::timestamptz + ({}) * interval '1 second')", number);
    case value_kind::bytea:
        return fmt::format("decode(lpad(to_hex({}), 8, '0'), 'hex')", number);
    case value_kind::range:
        return fmt::format("int4range(({0}) * 10, ({0}) * 10 + 5)", number);
    case value_kind::mood:
        break;
    }
    assert(false);
    return {};
}

} // namespace tidesync::tests
