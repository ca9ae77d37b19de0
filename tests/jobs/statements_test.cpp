#include "jobs/slave_to_prod/images.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/slave_to_prod/write_statements.hpp"
#include "jobs/stores/postgres/connection.hpp"
#include "tests/catch.hpp"

using namespace tidesync;
using namespace tidesync::slave_to_prod;

namespace {

const std::string equal = "OPERATOR(pg_catalog.=)";

planned_column named(std::string name) {
    planned_column column;
    column.name = std::move(name);
    return column;
}

/// Table "s"."T" of a raw key, a numeric and an identity that cannot be set.
table_plan example() {
    table_plan table;
    table.name = {"s", "T"};
    table.columns = {named("id"), named("n"), named("i")};
    table.columns[1].image = image_kind::send;
    table.columns[1].send_function = "pg_catalog.numeric_send";
    table.columns[2].identity_always = true;
    table.key = {"id"};
    table.key_operators = {equal};
    table.key_arbitrates = true;
    return table;
}

const table_name staging{"tidesync_staging", "slave_to_prod_7_0"};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("names and literals are quoted so that none can end early", "[jobs][statements]") {
    CHECK(postgres::quote_name("a") == R"("a")");
    CHECK(postgres::quote_name(R"(a"; DROP TABLE t; --)") == R"("a""; DROP TABLE t; --")");
    CHECK(postgres::quote_name("") == R"("")");
    CHECK(postgres::quote_literal("a") == "'a'");
    CHECK(postgres::quote_literal("it's") == "'it''s'");
    CHECK(postgres::quote_literal(R"(\' x)") == R"( E'\\'' x')"); // safe with either standard_conforming_strings
    CHECK(table_name{"Weird.Schema", "a\"b"}.sql() == R"("Weird.Schema"."a""b")");
    CHECK(table_name{"s", "t"}.text() == "s.t");
}

TEST_CASE(
    "new rows are inserted with the numbers they have, and a row that got there first is no error",
    "[jobs][statements]") {
    auto table = example();
    CHECK(
        insert_missing(table, staging) ==
        R"(INSERT INTO "s"."T" ("id", "n", "i") OVERRIDING SYSTEM VALUE SELECT s."id", s."n", s."i" FROM "tidesync_staging"."slave_to_prod_7_0" AS s )"
        R"(WHERE NOT EXISTS (SELECT FROM ONLY "s"."T" AS t WHERE t."id" OPERATOR(pg_catalog.=) s."id") ORDER BY s."id" ON CONFLICT ("id") DO NOTHING)");
    table.key_arbitrates = false;
    CHECK_FALSE(has(insert_missing(table, staging), "ON CONFLICT"));
}

TEST_CASE("an update compares images, and sets neither key bytes nor fixed identities", "[jobs][statements]") {
    auto table = example();
    CHECK(
        update_different(table, staging) ==
        R"(WITH held AS MATERIALIZED (SELECT s.* FROM ONLY "s"."T" AS t JOIN "tidesync_staging"."slave_to_prod_7_0" AS s )"
        R"(ON t."id" OPERATOR(pg_catalog.=) s."id" ORDER BY s."id" FOR NO KEY UPDATE OF t) )"
        R"(UPDATE ONLY "s"."T" AS t SET "n" = s."n" FROM held AS s )"
        R"(WHERE t."id" OPERATOR(pg_catalog.=) s."id" AND ROW(t."n")::record OPERATOR(pg_catalog.*<>) ROW(s."n")::record)");
    table.columns[0].image = image_kind::send; // equal keys may have other bytes
    CHECK(has(update_different(table, staging), R"(SET "id" = s."id", "n" = s."n")"));
    table.columns = {named("id")};
    CHECK(update_different(table, staging).empty());
}

TEST_CASE("identities outside the key are looked at, as no update can mend them", "[jobs][statements]") {
    auto table = example();
    CHECK(fixed_columns(table) == std::vector<std::string>{"i"});
    CHECK(has(
        find_fixed_difference(table, staging), R"(ROW(t."i")::record OPERATOR(pg_catalog.*<>) ROW(s."i")::record)"));
    table.key = {"i"};
    CHECK(find_fixed_difference(table, staging).empty());
}

TEST_CASE("a partitioned side is read whole, any other without its heirs", "[jobs][statements]") {
    auto table = example();
    CHECK(copy_out(table) == R"(COPY (SELECT "id", "n", "i" FROM ONLY "s"."T") TO STDOUT (FORMAT binary))");
    table.partitioned_on_slave = true;
    table.format = copy_format::text;
    CHECK(copy_out(table) == R"(COPY (SELECT "id", "n", "i" FROM "s"."T") TO STDOUT (FORMAT text))");
    CHECK(has(update_different(table, staging), "UPDATE ONLY"));
    table.partitioned_on_production = true;
    CHECK_FALSE(has(update_different(table, staging), "ONLY"));
}

TEST_CASE("words are taken over images, and over text where servers differ", "[jobs][statements]") {
    auto table = example();
    CHECK(has(row_word(table, false), R"(ROW("id", pg_catalog.numeric_send("n"), "i")::record)"));
    CHECK(has(row_word(table, false, "t"), R"(ROW(t."id", pg_catalog.numeric_send(t."n"), t."i")::record)"));
    CHECK(has(row_word(table, true), R"(ROW(pg_catalog.textsend("id"::text), pg_catalog.numeric_send("n"), )"));
    table.columns[1].image = image_kind::text;
    CHECK(has(row_word(table, false), R"(pg_catalog.textsend("n"::text))"));
}

TEST_CASE("a key's word is as its equality sees it, where that is the same on any server", "[jobs][statements]") {
    auto table = example();
    table.key = {"n"};
    CHECK(key_word(table, false) == R"(pg_catalog.hash_record_extended(ROW(pg_catalog.numeric_send("n"))::record, 0))");
    table.columns[1].key_hashes_raw = true;
    CHECK(key_word(table, false) == R"(pg_catalog.hash_record_extended(ROW("n")::record, 0))");
    CHECK(key_word(table, true) == R"(pg_catalog.hash_record_extended(ROW(pg_catalog.numeric_send("n"))::record, 0))");
}

TEST_CASE("an integer is its own word, alone", "[jobs][statements]") {
    auto table = example();
    table.columns[0].integer = true;
    CHECK(key_word(table, false) == R"("id"::int8)");
    CHECK(key_word(table, true) == R"("id"::int8)");
    table.key = {"id", "n"};
    CHECK(has(key_word(table, false), R"(hash_record_extended(ROW("id", )"));
}

TEST_CASE("rows are asked for by their places", "[jobs][statements]") {
    auto table = example();
    CHECK_FALSE(has(copy_words(table, side::slave, false, false), "ctid"));
    CHECK(has(copy_words(table, side::slave, false, true), R"(, ctid FROM ONLY "s"."T" ORDER BY 1, 2) TO STDOUT)"));
    const std::vector<row_place> places{{.block = 3, .offset = 4}, {.block = 4294967295, .offset = 65535}};
    CHECK(
        copy_out_at(table, "", places) ==
        R"_(COPY (SELECT "id", "n", "i" FROM ONLY "s"."T" WHERE ctid = ANY ('{"(3,4)","(4294967295,65535)"}'::tid[])) )_"
        R"(TO STDOUT (FORMAT binary))");
    table.partitioned_on_slave = true;
    CHECK(has(copy_words(table, side::slave, false, true), R"(, ctid, tableoid FROM "s"."T" )"));
    CHECK(has(copy_out_at(table, "s.leaf", places), "FROM s.leaf WHERE ctid"));
}

TEST_CASE("all that is set is set for the transaction only", "[jobs][statements]") {
    for (const auto& text : {pin_text_output(), own_text_output(), set_limits({}), begin_reading({}, "00000003-1")}) {
        CAPTURE(text);
        for (auto at = text.find("SET "); at != std::string::npos; at = text.find("SET ", at + 1))
            CHECK((text.compare(at, 10, "SET LOCAL ") == 0 || text.compare(at, 16, "SET TRANSACTION ") == 0));
    }
    CHECK(has(set_limits({.lock = std::chrono::seconds{3}}), "SET LOCAL lock_timeout = '3s'"));
    CHECK(has(set_limits({}), "SET LOCAL row_security = off"));
    CHECK(has(begin_reading({}, "00000003-1"), "READ ONLY; SET TRANSACTION SNAPSHOT '00000003-1'; "));
    CHECK_FALSE(has(begin_reading({}, ""), "SNAPSHOT"));
}

TEST_CASE("staging tables are named by job, token and place", "[jobs][statements]") {
    CHECK(staging_name("slave-to-prod", 7, 0).text() == "tidesync_staging.slave_to_prod_7_0");
    CHECK(
        create_staging(example(), staging) ==
        R"(CREATE UNLOGGED TABLE "tidesync_staging"."slave_to_prod_7_0" WITH (autovacuum_enabled = off) AS )"
        R"(SELECT "id", "n", "i" FROM ONLY "s"."T" WITH NO DATA)");
    CHECK(copy_in(example(), staging) == R"(COPY "tidesync_staging"."slave_to_prod_7_0" FROM STDIN (FORMAT binary))");
}
