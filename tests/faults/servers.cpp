#include "tests/faults/servers.hpp"

#include "tests/support/canned_server.hpp"
#include "tests/support/database.hpp"
#include "tests/support/http.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <pwd.h>
#include <stdexcept>
#include <stdlib.h> // NOLINT(modernize-deprecated-headers): mkdtemp is POSIX
#include <thread>
#include <unistd.h>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;

/// What stands between two marks of a URL: `postgresql://user:password@host:port/database`.
std::string between(const std::string& url, const std::string& before, const std::string& after) {
    const auto start = url.find(before) + before.size();
    return url.substr(start, url.find(after, start) - start);
}

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

pooler::pooler()
    : folder_{(std::filesystem::temp_directory_path() / "tidesync-pooler-XXXXXX").string()}
    , port_{unused_port()} {
    if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error{"cannot make a temporary folder"};
    const auto server = required_variable("TIDESYNC_TEST_PROD_URL");
    {
        std::ofstream file{folder_ + "/pgbouncer.ini"};
        file << fmt::format(
            "[databases]\n"
            "* = host=127.0.0.1 port={} user=postgres password={}\n"
            "[pgbouncer]\n"
            "listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
            "max_client_conn = 500\ndefault_pool_size = 30\nserver_lifetime = 20\nserver_login_retry = 1\n",
            server_port("production"), between(server, "postgres:", "@"), port_);
    }
    std::filesystem::permissions(folder_ + "/pgbouncer.ini", std::filesystem::perms::owner_read);
    if (::geteuid() == 0) {                        // it refuses to run as root
        const auto* user = ::getpwnam("postgres"); // NOLINT(concurrency-mt-unsafe): nobody else asks
        if (user == nullptr || ::chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0 ||
            ::chown((folder_ + "/pgbouncer.ini").c_str(), user->pw_uid, user->pw_gid) != 0)
            throw std::runtime_error{"cannot hand PgBouncer's file to user postgres"};
    }
    start();
}

pooler::~pooler() {
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void pooler::crash() {
    process_->signal(SIGKILL);
    if (!process_->wait(10s)) throw std::runtime_error{"PgBouncer does not end"};
    start();
}

void pooler::start() {
    std::vector<std::string> words{"/usr/bin/setpriv", "--pdeathsig", "KILL"};
    if (::geteuid() == 0) words.insert(words.end(), {"--reuid", "postgres", "--regid", "postgres", "--init-groups"});
    words.insert(words.end(), {"--", "/usr/sbin/pgbouncer", folder_ + "/pgbouncer.ini"});
    process_ = std::make_unique<process>(words, variables{});
    const auto until = std::chrono::steady_clock::now() + 10s;
    for (;;) {
        try {
            const raw_connection there{port_};
            return;
        } catch (const std::exception&) {
            if (process_->wait(20ms) || std::chrono::steady_clock::now() > until)
                throw std::runtime_error{fmt::format("PgBouncer does not come up:\n{}", process_->err())};
        }
    }
}

} // namespace tidesync::tests
