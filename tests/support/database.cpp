#include "tests/support/database.hpp"

#include "worker/migrate.hpp"

#include <atomic>
#include <cstdlib>
#include <fmt/format.h>
#include <stdexcept>
#include <unistd.h>

namespace tidesync::tests {

std::string required_variable(const char* name) {
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nobody changes the environment
    if (value == nullptr || *value == '\0')
        throw std::runtime_error{fmt::format("{} is not set: run the tests with ./dev test", name)};
    return value;
}

database::database(on side)
    : server_url_{required_variable(side == on::slave ? "TIDESYNC_TEST_SLAVE_URL" : "TIDESYNC_TEST_PROD_URL")} {
    static std::atomic<int> count{0};
    name_ = fmt::format("test_{}_{}", getpid(), ++count);
    url_ = server_url_.substr(0, server_url_.rfind('/') + 1) + name_;
    pqxx::connection connection{server_url_};
    pqxx::nontransaction{connection}.exec("CREATE DATABASE " + name_);
}

database::~database() {
    try {
        pqxx::connection connection{server_url_};
        pqxx::nontransaction{connection}.exec("DROP DATABASE " + name_ + " WITH (FORCE)");
    } catch (const std::exception& e) {
        fmt::print(stderr, "database {} is left behind: {}\n", name_, e.what());
    }
}

pqxx::result database::run(std::string_view sql) const {
    pqxx::connection connection{url_};
    pqxx::work transaction{connection};
    auto result = transaction.exec(std::string{sql});
    transaction.commit();
    return result;
}

std::string database::value(std::string_view sql) const {
    const auto result = run(sql);
    return result[0][0].is_null() ? std::string{} : result[0][0].as<std::string>();
}

pair_of_databases::pair_of_databases() {
    worker::migrate(production.address(), worker::schema_part::production);
    worker::migrate(production.address(), worker::schema_part::run_store);
}

void pair_of_databases::run_on_both(std::string_view sql) const {
    slave.run(sql);
    production.run(sql);
}

} // namespace tidesync::tests
