#include "tests/catch.hpp"
#include "tests/jobs/sync_fixture.hpp"

#include <fmt/format.h>
#include <string>
#include <string_view>
#include <vector>

using namespace tidesync;
using namespace tidesync::tests;

// What goes wrong without a word elsewhere: rows that come late, settings of a server that change what a value looks
// like, and what hangs on a table. docs/compatibility.md lists all hazards with their tests.

namespace {

/// Settings of a database that sessions begin with.
void set_in(const database& where, const std::vector<std::string>& settings) {
    for (const auto& setting : settings)
        where.run(
            fmt::format("DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET {}', current_database()); END$$", setting));
    // Those that a pooler keeps were made before, and know nothing of it.
    where.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
              "WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

/// All rows of table t, written alike whatever the database says.
std::string plainly(const database& where) {
    return where.value("SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'; "
                       "SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; "
                       "SELECT string_agg(t::text, E'\\n' ORDER BY id) FROM t");
}

} // namespace

// dlt#2269: rows committed late with an older timestamp are never loaded. airbyte#80152: rows near the start of a run
// are skipped. airbyte#10782, kafka-connect-jdbc#172: the same class.
TEST_CASE("a row that is committed late arrives, whatever its timestamp", "[jobs][sync][hazards]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz NOT NULL)");
    pqxx::connection slow{f.both.slave.url()};
    pqxx::work held{slow};
    held.exec("INSERT INTO t VALUES (1, '2026-01-01 00:00:00+00')");
    f.both.slave.run("INSERT INTO t VALUES (2, '2026-01-01 00:00:01+00')");
    REQUIRE(written(f.sync(), "public.t") == "+1 ~0 =0"); // it was not there yet
    held.commit();
    CHECK(written(f.sync(), "public.t") == "+1 ~0 =1");
    f.both.slave.run("UPDATE t SET updated_at = updated_at - interval '1 year' WHERE id = 2"); // and may go back
    CHECK(written(f.sync(), "public.t") == "+0 ~1 =1");
    CHECK(f.difference("t") == none);
}

// airbyte#9157: a cursor of less than microseconds loses rows, or brings them twice.
TEST_CASE("rows a microsecond apart are different rows", "[jobs][sync][hazards]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (at timestamptz PRIMARY KEY, v timestamp)");
    f.both.slave.run(
        "INSERT INTO t SELECT '2026-01-01 00:00:00+00'::timestamptz + i * interval '1 microsecond', "
        "'2026-01-01 00:00:00.999999'::timestamp + i * interval '1 microsecond' FROM generate_series(0, 9) i");
    f.both.production.run("INSERT INTO t VALUES ('2026-01-01 00:00:00.000005+00', '2026-01-01 00:00:01')");
    CHECK(written(f.sync(), "public.t") == "+9 ~1 =0");
    CHECK(f.difference("t", "at") == none);
    CHECK(written(f.sync(), "public.t") == "+0 ~0 =10");
}

// sling-cli#566: SERIALIZABLE by default breaks. Text forms hang on settings; tools that compare or move text are
// misled.
TEST_CASE("settings of the two servers change no value on its way", "[jobs][sync][hazards]") {
    struct row {
        const char* more;
        bool load; ///< production has no row
    };
    for (const auto& [more, load] : {row{"int", false}, row{"tsquery", false}, row{"tsquery", true}}) {
        CAPTURE(more, load); // with tsquery the table travels as text
        sync_fixture f;
        set_in(
            f.both.slave, {"DateStyle = ''German, DMY''", "IntervalStyle = ''iso_8601''", "TimeZone = ''Asia/Kolkata''",
                           "extra_float_digits = -15", "bytea_output = ''escape''",
                           "default_transaction_isolation = ''serializable''"});
        set_in(
            f.both.production, {"DateStyle = ''SQL, MDY''", "IntervalStyle = ''sql_standard''",
                                "TimeZone = ''America/St_Johns''", "bytea_output = ''hex''", "xmloption = document",
                                "array_nulls = off", "default_transaction_isolation = ''serializable''"});
        f.both.run_on_both(fmt::format(
            "CREATE TABLE t (id int PRIMARY KEY, q {}, d date, at timestamptz, z timetz, i interval, f float8, r "
            "float4, "
            "b bytea, m money, da date[], ata timestamptz[], ia interval[], fa float8[], ba bytea[], x tstzrange, "
            "p point, e xml, ta text[])",
            more));
        const std::string rows =
            "INSERT INTO t SELECT i, NULL, '2026-02-01'::date + i, '2026-02-03 04:05:06.789012+00'::timestamptz + i * "
            "interval '1 h', '04:05:06.7+05:30', '-1 mon +3 days -04:05:06.789', 0.1 + 1e-17 * i, 0.30000001, "
            "'\\x00ff5c27', -12.5, ARRAY['2026-02-01'::date + i], ARRAY['2026-02-03 04:05:06.789012+00'::timestamptz], "
            "ARRAY['-1 mon +3 days -04:05:06.789'::interval], ARRAY[0.1 + 0.2::float8], ARRAY['\\x5c00'::bytea], "
            "tstzrange('2026-02-03 04:05:06+00', NULL), '(0.1,1e-300)', xmlconcat('<a/>', '<b/>'), ARRAY['NULL', NULL] "
            "FROM generate_series(1, 3) AS i";
        f.both.slave.run(rows);
        if (!load) f.both.production.run(rows + " WHERE i = 1; INSERT INTO t (id) VALUES (2)");
        CHECK(
            found(f.check(), "public.t") ==
            fmt::format("missing {}, different {}, extra 0 of 3", load ? 3 : 1, load ? 0 : 1));
        const auto result = f.sync();
        CHECK(ending(result) == "done");
        CHECK(written(result, "public.t") == (load ? "+3 ~0 =0" : "+1 ~1 =1"));
        CHECK(plainly(f.both.production) == plainly(f.both.slave));
        CHECK(f.check().what.in_step());
    }
}

TEST_CASE("triggers and defaults of production see its settings, not ours", "[jobs][sync][hazards]") {
    const std::string seen = "current_setting('TimeZone') || ' ' || current_setting('DateStyle') || ' ' || "
                             "current_setting('IntervalStyle') || ' ' || current_setting('bytea_output')";
    for (const auto* production_holds : {"", "INSERT INTO t (id, v) VALUES (1, 'old')"}) {
        CAPTURE(production_holds);
        sync_fixture f;
        f.both.slave.run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'new'), (2, 'new')");
        set_in(
            f.both.production, {"TimeZone = ''Asia/Tokyo''", "DateStyle = ''German, DMY''",
                                "IntervalStyle = ''iso_8601''", "bytea_output = ''escape''"});
        f.both.production.run(fmt::format(
            "CREATE TABLE journal (line text); CREATE TABLE t (id int PRIMARY KEY, v text, own text DEFAULT {}); {}",
            seen, production_holds));
        if (*production_holds != '\0') // a table with a trigger is never loaded
            f.both.production.run(fmt::format(
                "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN INSERT INTO journal VALUES ({}); RETURN new; END$$; "
                "CREATE TRIGGER note AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note(); "
                "CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "EXECUTE FUNCTION note()",
                seen));
        REQUIRE(ending(f.sync()) == "done");
        const auto* const said = "Asia/Tokyo German, DMY iso_8601 escape";
        CHECK(f.both.production.value("SELECT string_agg(DISTINCT own, '; ') FROM t") == said);
        if (*production_holds != '\0')
            CHECK(f.both.production.value("SELECT string_agg(DISTINCT line, '; ') FROM journal") == said);
        CHECK(f.difference("t") == none);
    }
}

// airbyte#35386: a table is built anew, and views that depend on it are dropped. ankane/pgsync#187, #29: flags that
// wipe production.
TEST_CASE("what hangs on a table stays, and the table is the one it was", "[jobs][sync][hazards]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v text)");
    f.both.slave.run("INSERT INTO t SELECT i, 'new' FROM generate_series(1, 50) AS i");
    f.both.production.run(
        "INSERT INTO t VALUES (1, 'old'), (2, 'new'); CREATE INDEX by_v ON t (v); COMMENT ON TABLE t IS 'ours'; "
        "CREATE VIEW v AS SELECT count(*) AS n FROM t; CREATE VIEW vv AS SELECT n FROM v; "
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE STATISTICS s ON id, v FROM t; "
        "CREATE TABLE hanging (t int REFERENCES t ON DELETE CASCADE); INSERT INTO hanging VALUES (1), (2); "
        "CREATE FUNCTION f(t) RETURNS text LANGUAGE sql AS 'SELECT $1.v'; GRANT SELECT ON t TO PUBLIC");
    const auto* const made =
        "SELECT concat_ws(' ', c.oid, c.relfilenode, c.relacl, obj_description(c.oid), (SELECT string_agg(concat_ws(' "
        "', "
        "i.indexrelid, pg_relation_filenode(i.indexrelid)), ' ' ORDER BY 1) FROM pg_index i WHERE i.indrelid = c.oid), "
        "(SELECT count(*) FROM pg_depend WHERE refobjid = c.oid)) FROM pg_class c WHERE c.oid = 't'::regclass";
    const auto before = f.both.production.value(made);
    CHECK(written(f.sync(), "public.t") == "+48 ~1 =1");
    CHECK(f.difference("t") == none);
    CHECK(f.both.production.value(made) == before);
    CHECK(f.both.production.value("SELECT n FROM vv") == "50");
    CHECK(f.both.production.value("SELECT count(*) FROM m") == "2"); // whoever owns it refreshes it
    CHECK(f.both.production.value("SELECT count(*) FROM hanging") == "2");
    CHECK(f.both.production.value("SELECT f(t) FROM t WHERE id = 1") == "new");
}

// koltyakov/pgsync [code]: an empty source empties the target, without a threshold.
TEST_CASE("an empty slave leaves production as it is", "[jobs][sync][hazards]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)");
    f.both.production.run("INSERT INTO a SELECT generate_series(1, 100); INSERT INTO b SELECT i, i FROM "
                          "generate_series(1, 100) AS i");
    const auto rows = f.rows_of(f.both.production);
    CHECK(found(f.check(), "public.a") == "missing 0, different 0, extra 100 of 0");
    REQUIRE(ending(f.sync()) == "done");
    CHECK(f.rows_of(f.both.production) == rows);
}

TEST_CASE("minus NaN, which arithmetic makes of infinities, does not stop a run", "[jobs][sync][hazards]") {
    const auto* const bits = "SELECT string_agg(encode(float8send(f) || float4send(r), 'hex'), ' ' ORDER BY id) FROM t";
    for (const std::string_view more :
         {"int", "tsquery"}) { // with tsquery the table travels as text, where all NaN are one
        CAPTURE(more);
        sync_fixture f;
        f.both.run_on_both(fmt::format("CREATE TABLE t (id int PRIMARY KEY, q {}, f float8, r float4)", more));
        f.both.slave.run("INSERT INTO t SELECT i, NULL, '-NaN', '-NaN' FROM generate_series(1, 3) AS i; "
                         "INSERT INTO t VALUES (4, NULL, '-0', '0')");
        REQUIRE(f.both.slave.value(bits).find("fff8000000000000ffc00000 fff8") == 0);
        f.both.production.run(
            "INSERT INTO t VALUES (1, NULL, 'NaN', 'NaN'), (2, NULL, '0', '0'), (4, NULL, '0', '-0')");
        REQUIRE(ending(f.sync()) == "done");
        if (more == "int") CHECK(f.both.production.value(bits) == f.both.slave.value(bits));
        CHECK(
            f.both.production.value("SELECT string_agg(concat_ws(' ', id, f, r), ', ' ORDER BY id) FROM t") ==
            "1 NaN NaN, 2 NaN NaN, 3 NaN NaN, 4 -0 0");
        CHECK(f.check().what.in_step());
        CHECK(written(f.sync(), "public.t") == "+0 ~0 =4");
    }
}

// COPY leaves a declaration out that says nothing but the default, in text as in binary; so does pg_dump.
TEST_CASE("xml arrives without its declaration, and is in step", "[jobs][sync][hazards]") {
    sync_fixture f;
    f.both.run_on_both("CREATE TABLE t (id int PRIMARY KEY, v xml)");
    f.both.slave.run(R"(INSERT INTO t VALUES (1, '<?xml version="1.0" encoding="UTF-8"?><a>€</a>'),
        (2, '<?xml version="1.0" standalone="yes"?><a/>'), (3, '<!DOCTYPE a SYSTEM "a.dtd"><a/>'))");
    f.both.production.run("INSERT INTO t VALUES (1, '<b/>')");
    REQUIRE(ending(f.sync()) == "done");
    CHECK(
        f.both.production.value("SELECT string_agg(v::text, ' ' ORDER BY id) FROM t") ==
        R"(<a>€</a> <?xml version="1.0" standalone="yes"?><a/> <!DOCTYPE a SYSTEM "a.dtd"><a/>)");
    CHECK(f.check().what.in_step());
    CHECK(written(f.sync(), "public.t") == "+0 ~0 =3");
}
