#pragma once

#include <string>
#include <string_view>

namespace tidesync::postgres {

/// Where a database is and how to log in. Holds a password, so it has no formatter: show `describe()`.
class address {
public:
    /// Reads `postgresql://user:password@host:port/database` or `host=… dbname=…`. Fills in what a URL leaves open:
    /// TLS with `sslmode=verify-full` unless the host is this machine, limits for connecting and for a dead peer,
    /// client encoding UTF8.
    /// @throws std::invalid_argument  with a text that names what was expected and repeats nothing of the input
    [[nodiscard]] static address parse(std::string_view url);

    /// False for an address that was never set.
    [[nodiscard]] bool given() const noexcept { return !conninfo_.empty(); }

    /// `host:port/database`, safe to show.
    [[nodiscard]] const std::string& describe() const noexcept { return description_; }

    /// True when connections are encrypted and the server's name is checked, or never leave this machine.
    [[nodiscard]] bool guarded() const noexcept { return guarded_; }

    /// For libpq. Holds the password: never log it.
    [[nodiscard]] const std::string& conninfo() const noexcept { return conninfo_; }

private:
    std::string conninfo_;
    std::string description_;
    bool guarded_ = false;
};

} // namespace tidesync::postgres
