#pragma once

#include "tests/support/database.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tidesync::tests {

/// A hot standby that streams from the test server `slave`, made for one test: its replay waits a second for readers,
/// and the slave knows nothing of them. One at a time, so tests with one run alone. Databases of the slave appear on
/// it.
class standby {
public:
    standby();
    ~standby();
    standby(const standby&) = delete;
    standby& operator=(const standby&) = delete;

    /// The address of a slave's database on the standby.
    [[nodiscard]] std::string url(const database& of_the_slave) const;

    /// Waits until whatever the slave has committed can be seen on the standby.
    void catch_up(const database& of_the_slave) const;

    /// Runs one statement outside any transaction, in a database that no test replays anything in.
    /// @returns the first field of the first row, as text; empty for null
    std::string value(std::string_view sql) const;

    /// Sets a parameter, and waits until new sessions have it.
    void set(std::string_view parameter, std::string_view to) const;

    /// How often the replay has cancelled a statement or ended a session in that database.
    /// @param counted  by pg_stat_database_conflicts
    [[nodiscard]] std::int64_t
    conflicts(const database& of_the_slave, std::string_view counted = "confl_snapshot + confl_lock") const;

private:
    std::string port_;
};

} // namespace tidesync::tests
