#include "tests/catch.hpp"
#include "tests/support/database.hpp"
#include "worker/migrate.hpp"

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
            });
    }
    CHECK(missing_schema(store.address(), schema_part::run_store).problem.empty());
    CHECK(missing_schema(store.address(), schema_part::production).problem.empty());
    CHECK(store.value("SELECT count(*) FROM tidesync.schema_version") == "2");
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
