#include "tests/faults/servers.hpp"

#include "tests/support/database.hpp"
#include "tests/support/process.hpp"

#include <fmt/format.h>
#include <stdexcept>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;

} // namespace

std::uint16_t server_port(const std::string& name) {
    return static_cast<std::uint16_t>(
        std::stoi(required_variable(name == "slave" ? "TIDESYNC_TEST_SLAVE_PORT" : "TIDESYNC_TEST_PROD_PORT")));
}

void crash_server(const std::string& name) {
    process restart{
        {required_variable("TIDESYNC_TEST_SERVERS_TOOL"), "restart", required_variable("TIDESYNC_TEST_SERVERS"), name},
        {}};
    const auto status = restart.wait(60s);
    if (status != 0) throw std::runtime_error{fmt::format("the {} server did not restart:\n{}", name, restart.err())};
}

std::string with_port(const std::string& url, std::uint16_t port) {
    const auto host = url.find("@127.0.0.1:") + 11;
    return url.substr(0, host) + std::to_string(port) + url.substr(url.find('/', host));
}

} // namespace tidesync::tests
