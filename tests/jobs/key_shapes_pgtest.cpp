#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <fmt/format.h>
#include <string>
#include <utility>
#include <vector>

using namespace tidesync;
using namespace tidesync::tests;

// What a key can be made of, and how two servers can disagree about it. Every kind of value is in types_pgtest.

namespace {

/// So many rows beside those that a test is about that they are picked out, not staged whole.
const std::string many_more = "INSERT INTO t SELECT 'filler ' || i, 'x', repeat(md5(i::text), 3) "
                              "FROM generate_series(1, 4000) AS i; ";

} // namespace

// koltyakov/pgsync [code]: key columns are joined with `|`, so that ('a|b', 'c') and ('a', 'b|c') are one row.
TEST_CASE("keys of several texts are told apart, whatever the texts hold", "[jobs][sync][keys]") {
    const std::string keys =
        R"(('a|b', 'c'), ('a', 'b|c'), ('a,b', 'c'), ('a', 'b,c'), ('ab', ''), ('', 'ab'), ('a', 'b'),
        ('b', 'a'), ('a"', 'b'), ('a', '"b'), (E'a\t', 'b'), ('a', E'\tb'), ('a ', 'b'), ('a', ' b'), ('\N', ''), ('', '\N'))";
    for (const auto& [more, strategy] : {std::pair{std::string{}, "whole"}, std::pair{many_more, "rows"}}) {
        CAPTURE(strategy);
        sync_fixture f;
        f.both.run_on_both("CREATE TABLE t (a text, b text, v text, PRIMARY KEY (a, b)); " + more);
        f.both.slave.run("INSERT INTO t SELECT a, b, a || '/' || b FROM (VALUES " + keys + ") AS k (a, b)");
        f.both.production.run("INSERT INTO t VALUES ('a|b', 'c', 'old'), ('a', 'b,c', 'old'), ('', 'ab', '/ab')");
        const auto before = f.check();
        const auto result = f.sync();
        REQUIRE(ending(result) == "done");
        CHECK(result.what.tables.at(0).strategy == strategy);
        CHECK(before.what.tables.at(0).missing == 13);
        CHECK(before.what.tables.at(0).different == 2);
        CHECK(result.what.tables.at(0).inserted == 13);
        CHECK(result.what.tables.at(0).updated == 2);
        CHECK(f.difference("t", "a, b") == none);
    }
}

TEST_CASE("servers may sort texts differently", "[jobs][sync][keys]") {
    sync_fixture f;
    f.both.slave.run(R"(CREATE TABLE t (a text COLLATE "C", b varchar COLLATE "C", v text, PRIMARY KEY (a, b)))");
    f.both.production.run(
        R"(CREATE TABLE t (a text COLLATE "en-x-icu", b varchar COLLATE "sv-x-icu", v text, PRIMARY KEY (b, a)))");
    f.both.run_on_both(
        many_more + "INSERT INTO t VALUES ('Z', 'a', ''), ('a', 'Z', ''), ('ä', 'z', ''), ('z', 'ä', '')");
    f.both.slave.run(
        "UPDATE t SET v = 'changed' WHERE a IN ('a', 'ä', 'filler 7'); INSERT INTO t VALUES ('-a', 'é', '')");
    CHECK(found(f.check(), "public.t") == "missing 1, different 3, extra 0 of 4005");
    CHECK(written(f.sync(), "public.t") == "+1 ~3 =4001");
    CHECK(f.difference("t", "a, b") == none);
    CHECK(f.check().what.in_step());
}

TEST_CASE("a key that is spelled otherwise keeps its children", "[jobs][sync][keys]") {
    struct row {
        const char* actions;
        const char* ours; ///< how a child that only production has then spells it
    };
    for (const auto& [actions, ours] :
         {row{"", "other"}, row{"ON DELETE CASCADE", "other"}, row{"ON UPDATE CASCADE ON DELETE CASCADE", "Other"}}) {
        CAPTURE(actions);
        sync_fixture f;
        f.both.run_on_both(fmt::format(
            "CREATE EXTENSION citext; CREATE TABLE parent (code citext PRIMARY KEY, v int); "
            "CREATE TABLE child (id int PRIMARY KEY, code citext REFERENCES parent {})",
            actions));
        f.both.slave.run("INSERT INTO parent VALUES ('key', 1), ('Other', 2); INSERT INTO child VALUES (1, 'KEY')");
        f.both.production.run("INSERT INTO parent VALUES ('Key', 1), ('other', 1); "
                              "INSERT INTO child VALUES (1, 'key'), (2, 'other')");
        const auto result = f.sync();
        REQUIRE(ending(result) == "done");
        CHECK(written(result, "public.parent") == "+0 ~2 =0");
        CHECK(f.difference("parent", "code") == none);
        CHECK(f.difference("child") == none);
        CHECK(f.both.production.value("SELECT code FROM child WHERE id = 2") == ours);
    }
}

TEST_CASE("a key that must not be spelled otherwise is told by its constraint", "[jobs][sync][keys]") {
    sync_fixture f;
    f.both.run_on_both("CREATE EXTENSION citext; CREATE TABLE parent (code citext PRIMARY KEY); "
                       "CREATE TABLE child (code citext CONSTRAINT as_it_is REFERENCES parent ON UPDATE RESTRICT)");
    f.rules.exclude = {"public.child"};
    f.both.slave.run("INSERT INTO parent VALUES ('key')");
    f.both.production.run("INSERT INTO parent VALUES ('Key'); INSERT INTO child VALUES ('Key')");
    CHECK(lacking(ending(f.sync()), {"give_up data_refused", "public.parent", "as_it_is"}) == none);
    CHECK(f.both.production.value("SELECT code FROM parent") == "Key");
}

TEST_CASE(
    "a unique index in any order, with other operators or with columns included, is a key", "[jobs][sync][keys]") {
    const std::vector<std::string> indexes{
        "(code DESC NULLS LAST, part)", "(part) INCLUDE (v, n)", "(code text_pattern_ops)",
        "(code COLLATE \"C\", part DESC) WITH (fillfactor = 50)", "(part, code) NULLS NOT DISTINCT"};
    sync_fixture f;
    for (std::size_t i = 0; i < indexes.size(); ++i) {
        f.both.run_on_both(fmt::format(
            "CREATE TABLE t{0} (n int, v text, code text NOT NULL, part int NOT NULL); CREATE UNIQUE INDEX ON t{0} {1}",
            i, indexes[i]));
        f.both.slave.run(
            fmt::format("INSERT INTO t{} VALUES (1, 'new', 'a', 1), (2, NULL, 'b', 2), (NULL, 'same', 'c', 3)", i));
        f.both.production.run(fmt::format("INSERT INTO t{} VALUES (1, 'old', 'a', 1), (NULL, 'same', 'c', 3)", i));
    }
    const auto result = f.sync();
    REQUIRE(ending(result) == "done");
    for (std::size_t i = 0; i < indexes.size(); ++i) {
        CAPTURE(indexes[i]);
        CHECK(written(result, fmt::format("public.t{}", i)) == "+1 ~1 =1");
        CHECK(f.difference(fmt::format("t{}", i), "code, part") == none);
    }
}

TEST_CASE("a row moves to another partition when it has to", "[jobs][sync][keys][partitions]") {
    sync_fixture f;
    f.both.slave.run(
        "CREATE TABLE t (id int PRIMARY KEY, region text, v text); "
        "INSERT INTO t VALUES (1, 'north', 'new'), (2, 'north', 'a'), (3, 'south', 'new'), (4, 'south', 'b')");
    f.both.production.run(
        "CREATE TABLE t (id int NOT NULL, region text, v text) PARTITION BY LIST (region); "
        "CREATE TABLE t_north PARTITION OF t FOR VALUES IN ('north'); CREATE TABLE t_rest PARTITION OF t DEFAULT; "
        "INSERT INTO t VALUES (1, 'south', 'old'), (2, 'south', 'a'), (4, 'south', 'b')");
    f.rules.tables = {{.pattern = "public.t", .key = {"id"}}};
    CHECK(written(f.sync(), "public.t") == "+1 ~2 =1");
    CHECK(f.difference("t") == none);
    CHECK(f.both.production.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t_north") == "1 2");
}
