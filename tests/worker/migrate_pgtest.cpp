#include "tests/catch.hpp"
#include "tests/support/database.hpp"
#include "worker/migrate.hpp"
#include "worker/run_store.hpp"

#include <sql/migrate.hpp>
#include <sql/run_store_schema.hpp>
#include <string>
#include <thread>

using namespace tidesync::tests;
using namespace tidesync::worker;

TEST_CASE("migrate makes both parts once, even when several start at the same time", "[worker][migrate]") {
    const database store{database::on::production};
    CHECK(missing_schema(store.address(), schema_part::run_store).problem.find("missing") != std::string::npos);
    {
        std::vector<std::jthread> replicas;
        for (int i = 0; i < 4; ++i)
            replicas.emplace_back([&] {
                migrate(store.address(), schema_part::production);
                migrate(store.address(), schema_part::run_store);
                migrate(store.address(), schema_part::scheduler);
            });
    }
    CHECK(missing_schema(store.address(), schema_part::run_store).problem.empty());
    CHECK(missing_schema(store.address(), schema_part::production).problem.empty());
    CHECK(missing_schema(store.address(), schema_part::scheduler).problem.empty());
    const std::string versions = "SELECT string_agg(part || version, ' ' ORDER BY part, version) FROM ";
    CHECK(
        store.value(versions + "tidesync.schema_version") ==
        "production1 run_store1 run_store2 run_store3 run_store4 run_store5 run_store6 run_store7");
    CHECK(store.value(versions + "tidesync_qstash.schema_version") == "scheduler1");
}

TEST_CASE("the scheduler's database needs nothing of schema tidesync, and holds nothing of it", "[worker][migrate]") {
    const database store{database::on::production};
    CHECK(missing_schema(store.address(), schema_part::scheduler).problem.find("missing") != std::string::npos);
    CHECK(migrate(store.address(), schema_part::scheduler).to == 1);
    CHECK(migrate(store.address(), schema_part::scheduler).from == 1);
    CHECK(missing_schema(store.address(), schema_part::scheduler).problem.empty());
    CHECK(store.value("SELECT to_regnamespace('tidesync') IS NULL") == "t");

    store.run("INSERT INTO tidesync_qstash.schema_version (part, version) VALUES ('scheduler', 99)");
    const auto text = missing_schema(store.address(), schema_part::scheduler).problem;
    CHECK(text.find("tidesync_qstash") != std::string::npos);
    CHECK(text.find("99") != std::string::npos);
}

TEST_CASE(
    "a database of the first release keeps its history through the later files and, beside them, the scheduler",
    "[worker][migrate]") {
    namespace files = tidesync::sql::run_store_schema;
    const database store{database::on::production};
    store.run(tidesync::sql::create_version_table.text);
    store.run(files::schema_0001_runs.text);
    store.run("INSERT INTO tidesync.schema_version (part, version) VALUES ('run_store', 1); "
              "INSERT INTO tidesync.job VALUES ('slave-to-prod')");
    for (const auto* state : {"succeeded", "cancelled"})
        store.run(
            std::string{
                "INSERT INTO tidesync.run (job, state, trigger, actor, finished_at) VALUES ('slave-to-prod', '"} +
            state + "', 'qstash', 'a', now())");
    store.run(
        "INSERT INTO tidesync.run (job, state, trigger, actor, lease_owner, lease_token, lease_expires_at) VALUES "
        "('slave-to-prod', 'running', 'manual', 'a', 'w', 1, now() - interval '1 s')");

    CHECK(migrate(store.address(), schema_part::scheduler).to == 1);
    const auto told = migrate(store.address(), schema_part::run_store);
    CHECK(told.from == 1);
    CHECK(told.to == 7);
    CHECK(missing_schema(store.address(), schema_part::scheduler).problem.empty());
    CHECK(missing_schema(store.address(), schema_part::run_store).problem.empty());
    run_store runs{store.address()};
    CHECK(runs.list(10).size() == 3);
    CHECK(runs.bury_lost(10).size() == 1); // what the old binary left at work goes on
    // Knows two parts, as it always did.
    CHECK_THROWS(store.run("INSERT INTO tidesync.schema_version (part, version) VALUES ('scheduler', 1)"));
}

TEST_CASE("a schema newer than the binary is refused by name", "[worker][migrate]") {
    const pair_of_databases databases;
    databases.production.run("INSERT INTO tidesync.schema_version (part, version) VALUES ('run_store', 99)");
    const auto text = missing_schema(databases.production.address(), schema_part::run_store).problem;
    CHECK(text.find("99") != std::string::npos);
    CHECK(text.find("newer") != std::string::npos);
}

TEST_CASE("a staging schema that somebody dropped is missed, and made again", "[worker][migrate]") {
    const pair_of_databases databases;
    const auto where = databases.production.address();
    databases.production.run("DROP SCHEMA tidesync_staging");
    CHECK(missing_schema(where, schema_part::production).problem.find("tidesync_staging") != std::string::npos);
    migrate(where, schema_part::production);
    CHECK(missing_schema(where, schema_part::production).problem.empty());
}
