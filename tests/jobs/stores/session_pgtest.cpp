#include "jobs/stores/postgres/session.hpp"

#include "jobs/stores/postgres/failure.hpp"
#include "tests/catch.hpp"
#include "tests/support/database.hpp"

#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

using namespace tidesync;
using namespace tidesync::tests;

namespace {

postgres::session open(const database& where) { return {postgres::address::parse(where.url()), "production", {}, {}}; }

/// What `body` throws; nothing when it does not.
template <typename Body>
std::optional<postgres::error> error_of(Body&& body) {
    try {
        body();
    } catch (const postgres::error& e) {
        return e;
    }
    return std::nullopt;
}

} // namespace

TEST_CASE("a session answers with rows, nulls and what it affected", "[jobs][session]") {
    const database where{database::on::production};
    auto session = open(where);
    CHECK(
        session.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, NULL)", "x") ==
        2);
    CHECK(session.execute("UPDATE t SET v = 'b' WHERE id = 9", "x") == 0);
    const std::vector<postgres::session::fields> rows{{"1", "a"}, {"2", std::nullopt}};
    CHECK(session.query("SELECT id, v FROM t ORDER BY 1", "x") == rows);
    CHECK(session.query("SELECT v FROM t WHERE id = $1::int AND v <> $2", "x", {"1", "it's"}).size() == 1);
    CHECK(session.query("SELECT id FROM t WHERE false", "x").empty());
}

TEST_CASE(
    "a transaction that has failed cannot be committed, and an error names what was being done", "[jobs][session]") {
    const database where{database::on::production};
    auto session = open(where);
    session.execute("CREATE TABLE t (id int PRIMARY KEY)", "x");
    session.execute("BEGIN; INSERT INTO t VALUES (1)", "x");
    const auto failed = error_of([&] { session.execute("INSERT INTO t VALUES (1)", "inserting into t"); });
    REQUIRE(failed);
    CHECK(failed->sqlstate() == "23505");
    CHECK(std::string{failed->what()}.find("production: inserting into t: duplicate key") == 0);
    const auto refused = error_of([&] { session.commit(); });
    REQUIRE(refused);
    CHECK(refused->sqlstate() == "25P02");
    CHECK_FALSE(refused->in_doubt);
    CHECK(where.value("SELECT count(*) FROM t") == "0");
    session.execute("INSERT INTO t VALUES (1)", "x"); // COMMIT has ended the transaction, as a ROLLBACK
}

TEST_CASE("only what surely rolls back is no doubt about a COMMIT", "[jobs][session]") {
    const auto [code, in_doubt] = GENERATE(table<std::string, bool>(
        {{"23514", false},
         {"40001", false},
         {"P0001", false},
         {"55P03", false},
         {"57014", false},
         {"21000", false},
         {"TS001", false},
         {"08P01", true},
         {"57P01", true},
         {"53300", true},
         {"58000", true}}));
    CAPTURE(code);
    const database where{database::on::production};
    where.run(fmt::format(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'at the end' USING ERRCODE = '{}'; END$$; "
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION object()",
        code));
    auto session = open(where);
    session.execute("BEGIN; INSERT INTO t VALUES (1)", "x");
    const auto failed = error_of([&] { session.commit(); });
    REQUIRE(failed);
    CHECK(failed->in_doubt == in_doubt);
    CHECK(where.value("SELECT count(*) FROM t") == "0");
}

TEST_CASE("a connection that is lost at COMMIT leaves it in doubt", "[jobs][session]") {
    const database where{database::on::production};
    where.run("CREATE TABLE t (id int PRIMARY KEY)");
    auto session = open(where);
    session.execute("BEGIN; INSERT INTO t VALUES (1)", "x");
    const auto pid = session.query("SELECT pg_backend_pid()", "x").at(0).at(0).value();
    where.run(fmt::format("SELECT pg_terminate_backend({}, 5000)", pid));
    const auto failed = error_of([&] { session.commit(); });
    REQUIRE(failed);
    CHECK(failed->in_doubt);
}

TEST_CASE("a relay that fails on either side leaves the target usable, with nothing in it", "[jobs][session]") {
    const database where{database::on::production};
    where.run(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1), (2)");
    auto target = open(where);
    {
        auto source = open(where);
        const auto failed = error_of([&] {
            source.relay(
                {.out = "COPY (SELECT 1 / (2 - id) FROM u) TO STDOUT",
                 .in = "COPY t FROM STDIN",
                 .reading = "reading u",
                 .writing = "writing t"},
                target, [](auto) {});
        });
        REQUIRE(failed);
        CHECK(std::string{failed->what()}.find("reading u") != std::string::npos);
    }
    CHECK(where.value("SELECT count(*) FROM t") == "0");
    auto source = open(where);
    const auto moved = source.relay(
        {.out = "COPY u TO STDOUT", .in = "COPY t FROM STDIN", .reading = "reading u", .writing = "writing t"}, target,
        [](auto) {});
    CHECK(moved.rows == 2);
    CHECK(where.value("SELECT count(*) FROM t") == "2");
}
