#include "tests/support/standby.hpp"

#include "tests/support/process.hpp"

#include <chrono>
#include <fmt/format.h>
#include <stdexcept>
#include <thread>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;

/// @returns what `tests/servers` printed
std::string ask_servers(const std::string& verb) {
    process tool{
        {required_variable("TIDESYNC_TEST_SERVERS_TOOL"), verb, required_variable("TIDESYNC_TEST_SERVERS")}, {}};
    if (tool.wait(90s) != 0) throw std::runtime_error{fmt::format("tests/servers {} failed:\n{}", verb, tool.err())};
    return tool.out();
}

template <typename Condition>
void wait_until(std::string_view what, Condition&& holds) {
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > until)
            throw std::runtime_error{fmt::format("the standby does not {}", what)};
        std::this_thread::sleep_for(10ms);
    }
}

/// `url` with another port of 127.0.0.1 in it.
std::string with_port(const std::string& url, const std::string& port) {
    return url.substr(0, url.rfind(':') + 1) + port + url.substr(url.rfind('/'));
}

} // namespace

standby::standby()
    : port_{ask_servers("standby")} {
    port_.resize(port_.find_last_not_of('\n') + 1);
}

standby::~standby() {
    try {
        ask_servers("drop-standby");
    } catch (const std::exception& e) {
        fmt::print(stderr, "a standby is left behind: {}\n", e.what());
    }
}

std::string standby::url(const database& of_the_slave) const { return with_port(of_the_slave.url(), port_); }

void standby::catch_up(const database& of_the_slave) const {
    // A commit that did not wait for the disk, as none does on the test servers, need not be on its way yet. One that
    // does takes it along, if it has written something itself.
    of_the_slave.run("SET LOCAL synchronous_commit = on; SELECT pg_logical_emit_message(true, 'tidesync', 'catch up')");
    const auto sent = of_the_slave.value("SELECT pg_current_wal_flush_lsn()");
    const auto is_there = fmt::format("SELECT pg_last_wal_replay_lsn() >= '{}'", sent);
    wait_until("catch up", [&] { return value(is_there) == "t"; });
}

std::string standby::value(std::string_view sql) const {
    pqxx::connection connection{with_port(required_variable("TIDESYNC_TEST_SLAVE_URL"), port_)};
    const auto result = pqxx::nontransaction{connection}.exec(std::string{sql});
    return result.empty() || result[0][0].is_null() ? std::string{} : result[0][0].as<std::string>();
}

void standby::set(std::string_view parameter, std::string_view to) const {
    value(fmt::format("ALTER SYSTEM SET {} = '{}'", parameter, to));
    value("SELECT pg_reload_conf()");
    const auto is_set = fmt::format("SELECT setting = '{}' FROM pg_settings WHERE name = '{}'", to, parameter);
    wait_until("take a setting", [&] { return value(is_set) == "t"; });
}

std::int64_t standby::conflicts(const database& of_the_slave, std::string_view counted) const {
    const auto name = of_the_slave.url().substr(of_the_slave.url().rfind('/') + 1);
    return std::stoll(
        value(fmt::format("SELECT {} FROM pg_stat_database_conflicts WHERE datname = '{}'", counted, name)));
}

} // namespace tidesync::tests
