#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <pqxx/pqxx>
#include <string>
#include <string_view>

namespace tidesync::tests {

/// A database of its own on one of the two test servers; dropped at the end. `./dev test` starts the servers.
class database {
public:
    enum class on { slave, production };

    /// @throws std::runtime_error that names the missing variable when there is no server: tests fail, never skip
    explicit database(on);
    ~database();
    database(const database&) = delete;
    database& operator=(const database&) = delete;

    [[nodiscard]] const std::string& url() const { return url_; }
    [[nodiscard]] postgres::address address() const { return postgres::address::parse(url_); }

    /// Runs statements in a transaction of their own.
    pqxx::result run(std::string_view sql) const;

    /// The first field of the first row, as text; empty for null.
    [[nodiscard]] std::string value(std::string_view sql) const;

private:
    std::string server_url_;
    std::string name_;
    std::string url_;
};

/// A slave and a production, `tidesync migrate` done on the latter.
struct pair_of_databases {
    database slave{database::on::slave};
    database production{database::on::production};

    pair_of_databases();

    /// Runs the same statements on both.
    void run_on_both(std::string_view sql) const;
};

/// An environment variable that a test cannot do without. @throws std::runtime_error that says what to do
[[nodiscard]] std::string required_variable(const char* name);

} // namespace tidesync::tests
