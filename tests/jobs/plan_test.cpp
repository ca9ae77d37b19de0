#include "jobs/slave_to_prod/plan.hpp"

#include "tests/catch.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace tidesync::slave_to_prod;

namespace {

column make_column(std::string name, const std::string& type) {
    column made;
    made.name = std::move(name);
    made.type = made.full_type = type;
    made.equality = "OPERATOR(pg_catalog.=)";
    return made;
}

catalog make_catalog() {
    catalog made;
    made.version_num = 150018;
    made.version = "15.18";
    made.encoding = "UTF8";
    return made;
}

const std::string none;

/// Two servers alike, whose catalogs a test then spoils.
struct servers {
    catalog slave = make_catalog();
    catalog production = make_catalog();
    table_rules rules;

    /// A table `public.<name>` with an integer key `id` and a text `v`, on both sides.
    void add(const std::string& name) {
        relation table;
        table.name = {"public", name};
        table.may_select = table.may_write = true;
        table.columns = {make_column("id", "integer"), make_column("v", "text")};
        table.columns[0].not_null = true;
        table.keys = {
            {.index = name + "_pkey", .primary = true, .columns = {"id"}, .operators = {"OPERATOR(pg_catalog.=)"}}};
        slave.relations[table.name] = table;
        production.relations[table.name] = table;
    }

    relation& on_slave(const std::string& name) { return slave.relations.at({"public", name}); }
    relation& in_production(const std::string& name) { return production.relations.at({"public", name}); }

    void refer(const std::string& child, const std::string& parent, bool deferrable = false) {
        production.foreign_keys.push_back({child + "_" + parent, {"public", child}, {"public", parent}, deferrable});
    }

    [[nodiscard]] plan make(plan_for purpose = plan_for::writing) const {
        return make_plan(slave, production, rules, purpose);
    }

    [[nodiscard]] std::string order() const {
        std::vector<std::string> names;
        for (const auto& table : make().tables) names.push_back(table.name.table);
        return fmt::format("{}", fmt::join(names, " "));
    }

    [[nodiscard]] std::string problems() const { return fmt::format("{}", fmt::join(make().problems, "\n")); }
};

} // namespace

TEST_CASE("a star stands for any run of characters, everything else for itself", "[jobs][plan]") {
    struct row {
        std::string_view pattern, name;
        bool does;
    };
    const std::vector<row> cases{
        {"*", "", true},
        {"*", "public.t", true},
        {"", "", true},
        {"", "x", false},
        {"public.*", "public.t", true},
        {"public.*", "publicat", false},
        {"*.t", "public.t", true},
        {"*.t", "public.tt", false},
        {"*a*b*", "xxaxxbxx", true},
        {"*a*b*", "xxbxxa", false},
        {"a*a", "a", false},
        {"a*a", "aa", true},
        {"**", "x", true},
        {"p.t?", "p.tx", false},
        {"p.[t]", "p.t", false},
        {"P.t", "p.t", false},
        {"*ab", "aab", true},
        {"*aab*", "aaab", true},
        {"a.b", "axb", false},
        {"*é", "x.é", true},
    };
    for (const auto& [pattern, name, does] : cases) {
        CAPTURE(pattern, name);
        CHECK(matches(pattern, name) == does);
    }
    CHECK_FALSE(matches("*a*a*a*a*a*a*a*a*a*b", std::string(10000, 'a'))); // and soon
}

TEST_CASE("include and exclude select tables", "[jobs][plan]") {
    servers s;
    for (const auto* name : {"orders", "order_lines", "users"}) s.add(name);
    s.rules.include = {"public.order*"};
    CHECK(s.order() == "order_lines orders");
    s.rules.exclude = {"*_lines"};
    CHECK(s.order() == "orders");
    s.rules.include = {};
    CHECK(s.problems().starts_with("no table is on both sides and selected"));
}

TEST_CASE("what an excluded table has wrong is of no interest", "[jobs][plan]") {
    servers s;
    s.add("good");
    s.add("bad");
    s.in_production("bad").keys.clear();
    CHECK(s.problems().starts_with("table public.bad has no primary key"));
    s.rules.exclude = {"public.bad"};
    CHECK(s.problems() == none);
}

TEST_CASE("parents come before children, and circles where they hang", "[jobs][plan]") {
    struct row {
        const char* what;
        std::vector<std::pair<const char*, const char*>> references; ///< child, parent
        const char* order;
    };
    const std::vector<row> cases{
        {"none", {}, "a b c d"},
        {"chain", {{"a", "b"}, {"b", "c"}, {"c", "d"}}, "d c b a"},
        {"diamond", {{"a", "b"}, {"a", "c"}, {"b", "d"}, {"c", "d"}}, "d b c a"},
        {"to itself", {{"a", "a"}, {"a", "d"}}, "b c d a"},
        {"twice to one parent", {{"a", "d"}, {"a", "d"}}, "b c d a"},
        {"circle between", {{"a", "b"}, {"b", "c"}, {"c", "b"}, {"c", "d"}}, "b a d c"},
        {"outside the selection", {{"a", "elsewhere"}, {"elsewhere", "b"}}, "a b c d"},
    };
    for (const auto& [what, references, order] : cases) {
        CAPTURE(what);
        servers s;
        for (const auto* name : {"a", "b", "c", "d"}) s.add(name);
        for (const auto& [child, parent] : references) s.refer(child, parent, true);
        CHECK(s.order() == order);
        CHECK(s.problems() == none);
        CHECK(s.make().defer_constraints == (std::string_view{what} == "circle between"));
    }
}

TEST_CASE("only the foreign keys inside a circle have to be deferrable", "[jobs][plan]") {
    servers s;
    for (const auto* name : {"a", "b", "c", "d"}) s.add(name);
    s.refer("b", "c", true);
    s.refer("c", "b", true);
    s.refer("a", "b");
    s.refer("c", "d");
    CHECK(s.problems() == none);
    s.refer("b", "c");
    s.production.foreign_keys.back().name = "rigid";
    CHECK(
        s.problems() == "tables public.b, public.c refer to each other in a circle: make the foreign keys DEFERRABLE "
                        "(rigid on public.b), or exclude a table");
}

TEST_CASE("a table belongs to one group, with all that it refers to", "[jobs][plan][groups]") {
    servers s;
    for (const auto* name : {"customer", "item", "log", "log_line"}) s.add(name);
    s.refer("log_line", "log");
    s.rules.groups = {{.name = "logs", .tables = {"public.log*"}}, {.name = "items", .tables = {"public.item"}}};
    const auto names = [&](const std::string& group) {
        s.rules.group = group;
        std::string text;
        for (const auto& table : s.make().tables) text += table.name.text().substr(7) + " ";
        return text;
    };
    CHECK(s.problems() == none);
    CHECK(names("") == "customer ");
    CHECK(names("logs") == "log log_line ");
    CHECK(names("items") == "item ");

    s.refer("log", "item");
    for (const auto* group : {"logs", "items"}) {
        s.rules.group = group;
        CHECK(
            s.problems() == "groups in tidesync.yaml: table public.log is in group logs and refers to public.item, "
                            "which is in group items: put both into one group, as they change together");
    }
    s.rules.group = "";
    CHECK(s.problems() == none); // which is no business of the others
    s.rules.exclude = {"public.item"};
    s.rules.group = "logs";
    CHECK(s.problems() == none);
    s.rules.exclude = {};
    s.production.foreign_keys.pop_back();
    s.refer("log", "customer");
    CHECK_THAT(s.problems(), tidesync::tests::containing("refers to public.customer, which is in no group"));
    s.production.foreign_keys.pop_back();

    s.rules.groups[1].tables = {"public.item", "public.log"};
    CHECK_THAT(
        s.problems(),
        tidesync::tests::containing("table public.log is in several, logs, items: let one of them name it"));
    s.rules.groups[1].tables = {"public.nothing*"};
    CHECK(s.problems() == none); // of logs
    s.rules.group = "";
    CHECK_THAT(s.problems(), tidesync::tests::containing("public.nothing* of items is no table that both sides have"));
}

TEST_CASE("a job without a table says whose it is", "[jobs][plan][groups]") {
    servers s;
    s.add("log");
    s.rules.groups = {{.name = "logs", .tables = {"public.log"}}};
    CHECK(s.problems() == none); // of the job with the rest
    REQUIRE(s.make().warnings.size() == 1);
    CHECK(s.make().warnings.front().starts_with("every table is in a group"));
    s.rules.group = "logs";
    s.rules.exclude = {"public.*"};
    CHECK_THAT(s.problems(), tidesync::tests::containing("group logs in tidesync.yaml has no table"));
}

TEST_CASE("a key is the primary one, else a unique one, else the rules'", "[jobs][plan]") {
    servers s;
    s.add("t");
    auto& keys = s.in_production("t").keys;
    CHECK(s.make().tables[0].key == std::vector<std::string>{"id"});
    CHECK(s.make().tables[0].key_arbitrates);
    CHECK(s.make().tables[0].key_unique_on_slave);

    keys[0].immediate = false;
    CHECK_FALSE(s.make().tables[0].key_arbitrates); // DEFERRABLE
    keys = {{.index = "u", .columns = {"v"}, .operators = {"OPERATOR(pg_catalog.=)"}}};
    CHECK(s.make().tables[0].key == std::vector<std::string>{"v"});
    CHECK_FALSE(s.make().tables[0].key_unique_on_slave);

    s.rules.tables = {{.pattern = "public.t", .key = {"v", "id"}}};
    const auto planned = s.make().tables[0];
    CHECK(planned.key == std::vector<std::string>{"v", "id"});
    CHECK(planned.key_operators.size() == 2);
    CHECK_FALSE(planned.key_arbitrates);
    CHECK_FALSE(planned.key_unique_in_production);

    s.in_production("t").columns[1].equality.clear(); // json, for example
    REQUIRE(s.make().problems.size() == 1);
    CHECK(s.make().problems.front().find("has no equality") != std::string::npos);
}

TEST_CASE("a unique key of the slave counts only where equality is that of bytes", "[jobs][plan]") {
    servers s;
    s.add("t");
    for (auto image : {image_kind::send, image_kind::text}) {
        s.in_production("t").columns[0].image = image;
        CHECK_FALSE(s.make().tables[0].key_unique_on_slave);
    }
}

TEST_CASE("rows travel in binary unless a side cannot", "[jobs][plan]") {
    servers s;
    s.add("t");
    CHECK(s.make().tables[0].format == copy_format::binary);
    s.in_production("t").columns[1].carries_type_numbers = true;
    CHECK(s.make().tables[0].format == copy_format::binary);
    s.slave.version_num = 140010;
    CHECK(s.make().tables[0].format == copy_format::text);
    CHECK(s.make().portable_hashes);
    s.in_production("t").columns[1].carries_type_numbers = false;
    CHECK(s.make().tables[0].format == copy_format::binary);
    s.on_slave("t").columns[1].has_binary_form = false;
    CHECK(s.make().tables[0].format == copy_format::text);
}

TEST_CASE("hashes are portable where the servers differ in version or encoding", "[jobs][plan]") {
    servers s;
    s.add("t");
    CHECK_FALSE(s.make().portable_hashes);
    s.slave.encoding = "LATIN1";
    CHECK(s.make().portable_hashes);
    s.slave.encoding = "UTF8";
    s.slave.version_num = 170002;
    CHECK(s.make().portable_hashes);
}

TEST_CASE("servers that cannot do it are refused", "[jobs][plan]") {
    servers s;
    s.add("t");
    s.slave.version_num = 130020;
    s.slave.version = "13.20";
    s.production.in_recovery = true;
    CHECK(
        s.problems() ==
        "the slave server is PostgreSQL 13.20: version 14 or newer is needed\n"
        "the production server is a standby and cannot be written: point PROD_DATABASE_URL at the primary");
    s = {};
    s.add("t");
    s.slave.in_recovery = true; // reading from a standby is fine
    CHECK(s.problems() == none);
}

TEST_CASE("only sequences that feed a synced column are moved", "[jobs][plan]") {
    servers s;
    s.add("t");
    s.in_production("t").columns.push_back(make_column("only_here", "integer"));
    s.production.sequences = {
        {{"public", "t"}, "id", "public.t_id_seq", 100, true},
        {{"public", "t"}, "only_here", "public.x", 100, true},
        {{"public", "other"}, "id", "public.y", 100, true}};
    REQUIRE(s.make().tables[0].sequences.size() == 1);
    CHECK(s.make().tables[0].sequences[0].sql == "public.t_id_seq");
    s.production.sequences[0].may_advance = false;
    CHECK(s.make().tables[0].sequences.empty());
    CHECK(s.make().warnings.at(0).starts_with("sequence public.t_id_seq of public.t.id is not moved forward: GRANT"));
}

TEST_CASE("comparing needs to read production, not to write it", "[jobs][plan]") {
    servers s;
    s.add("t");
    s.in_production("t").may_write = false;
    s.production.in_recovery = true;
    CHECK(s.make(plan_for::writing).problems.size() == 2);
    CHECK(s.make(plan_for::comparing).problems.empty());
    s.in_production("t").may_select = false;
    CHECK(s.make(plan_for::comparing).problems.size() == 1);
}

TEST_CASE("a schema that the role may not use is told apart from one that is not there", "[jobs][plan]") {
    servers s;
    s.add("t");
    s.add("u");
    s.in_production("t").may_use_schema = false;
    CHECK(s.make().problems.empty());
    REQUIRE(s.make().warnings.size() == 1);
    CHECK(s.make().warnings.front().starts_with("table public.t is not synced: the role of PROD_DATABASE_URL"));
    CHECK(s.make().drift == s.make().warnings);
    s.rules.exclude = {"public.t"};
    CHECK(s.make().problems.empty());
    s.on_slave("u").may_use_schema = false;
    REQUIRE(s.make().problems.size() == 1);
    CHECK(s.make().problems.front().starts_with("table public.u cannot be read on the slave: GRANT USAGE"));
}
