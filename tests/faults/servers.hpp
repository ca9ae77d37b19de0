#pragma once

#include <cstdint>
#include <string>

namespace tidesync::tests {

/// Port of one of the two test servers. @param name  `slave` or `production`
[[nodiscard]] std::uint16_t server_port(const std::string& name);

/// Ends a test server as a crash would and starts it again, on the same port. Nobody else may be using it.
void crash_server(const std::string& name);

/// The URL of a database with another port of 127.0.0.1 in it.
[[nodiscard]] std::string with_port(const std::string& url, std::uint16_t port);

} // namespace tidesync::tests
