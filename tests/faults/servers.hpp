#pragma once

#include "tests/support/process.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace tidesync::tests {

/// Port of one of the two test servers. @param name  `slave` or `production`
[[nodiscard]] std::uint16_t server_port(const std::string& name);

/// Ends a test server as a crash would and starts it again, on the same port. Nobody else may be using it.
void crash_server(const std::string& name);

/// The URL of a database with another port of 127.0.0.1 in it.
[[nodiscard]] std::string with_port(const std::string& url, std::uint16_t port);

/// A real PgBouncer in transaction mode in front of the production server.
class pooler {
public:
    pooler();
    ~pooler();
    pooler(const pooler&) = delete;
    pooler& operator=(const pooler&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }

    /// kill -9, and a new one on the same port.
    void crash();

private:
    void start();

    std::string folder_;
    std::uint16_t port_;
    std::unique_ptr<process> process_;
};

} // namespace tidesync::tests
