#include "tests/support/pooler_process.hpp"

#include "tests/support/canned_server.hpp"

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

/// Of `postgresql://user:password@host:port/database`.
struct parts {
    std::string user, password, host, port, database;
};

parts split(const std::string& url) {
    const auto begin = url.find("//") + 2;
    const auto at = url.rfind('@');
    const auto colon = url.find(':', begin);
    const auto slash = url.rfind('/');
    const auto port = url.rfind(':');
    return {
        url.substr(begin, colon - begin), url.substr(colon + 1, at - colon - 1), url.substr(at + 1, port - at - 1),
        url.substr(port + 1, slash - port - 1), url.substr(slash + 1)};
}

bool answers(const std::string& url) {
    try {
        const pqxx::connection connection{url};
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

} // namespace

pooler_process::pooler_process(const database& behind, const rules& with)
    : port_{unused_port()}
    , answering_{url(behind)} {
    folder_ = (std::filesystem::temp_directory_path() / "tidesync-pooler-XXXXXX").string();
    if (mkdtemp(folder_.data()) == nullptr) throw std::runtime_error{"cannot make a temporary folder"};
    const auto server = split(behind.url());
    std::ofstream{folder_ + "/users"} << fmt::format("\"{}\" \"{}\"\n", server.user, server.password);
    std::ofstream{folder_ + "/ini"} << fmt::format(
        "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n"
        "unix_socket_dir =\nauth_type = md5\nauth_file = {}/users\npool_mode = {}\ndefault_pool_size = {}\n"
        "server_reset_query =\n{}\n", // what a client leaves in a session stays there, to be seen
        server.host, server.port, port_, folder_, with.mode, with.pool_size, with.more);
    if (geteuid() == 0) {                         // it refuses to run as root
        const auto* other = getpwnam("postgres"); // NOLINT(concurrency-mt-unsafe): nobody changes the users
        if (other == nullptr) throw std::runtime_error{"there is no user postgres: install postgresql"};
        for (const auto* file : {"", "/users", "/ini"})
            if (chown((folder_ + file).c_str(), other->pw_uid, other->pw_gid) != 0)
                throw std::runtime_error{"cannot hand the pooler its files"};
    }
    start();
}

void pooler_process::start() {
    // It dies with the thread that started it, whatever becomes of the test.
    std::vector<std::string> words{"/usr/bin/setpriv", "--pdeathsig", "KILL"};
    if (geteuid() == 0) words.insert(words.end(), {"--reuid", "postgres", "--regid", "postgres", "--init-groups"});
    words.insert(words.end(), {"--", "/usr/sbin/pgbouncer", folder_ + "/ini"});
    process_ = std::make_unique<tests::process>(words, variables{});
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!answers(answering_)) {
        if (process_->wait(std::chrono::milliseconds{20}) || std::chrono::steady_clock::now() > until)
            throw std::runtime_error{fmt::format("PgBouncer does not come up:\n{}", process_->err())};
    }
}

void pooler_process::crash() {
    process_->signal(SIGKILL);
    if (!process_->wait(std::chrono::seconds{10})) throw std::runtime_error{"PgBouncer does not end"};
    start();
}

pooler_process::~pooler_process() {
    process_.reset(); // before its files
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

std::string pooler_process::url(const database& of) const {
    const auto server = split(of.url());
    return fmt::format("postgresql://{}:{}@127.0.0.1:{}/{}", server.user, server.password, port_, server.database);
}

} // namespace tidesync::tests
