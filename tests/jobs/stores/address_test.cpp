#include "jobs/stores/postgres/address.hpp"

#include "tests/catch.hpp"

#include <stdexcept>
#include <string>
#include <vector>

using tidesync::postgres::address;

namespace {

/// The reason for which an address is refused; empty when it is not.
std::string refusal_of(const std::string& url) {
    try {
        static_cast<void>(address::parse(url));
        return {};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
}

} // namespace

TEST_CASE("an address is described without its password", "[jobs][address]") {
    struct row {
        std::string url, description;
    };
    const std::vector<row> cases{
        {"postgresql://me:CANARY@db.example.com:6543/app", "db.example.com:6543/app"},
        {"postgres://me:CANARY@db.example.com/app", "db.example.com:5432/app"},
        {"postgresql://me:CAN%40RY%2F@db.example.com/app", "db.example.com:5432/app"},
        {"host=db.example.com dbname=app password=CANARY", "db.example.com:5432/app"},
        {"hostaddr=10.1.2.3 dbname=app password='CANARY'", "10.1.2.3:5432/app"},
        {"postgresql:///app?host=/run/postgresql&password=CANARY", "/run/postgresql:5432/app"},
        {"postgresql:///app", "localhost:5432/app"},
        {"postgresql://me:CANARY@[::1]:5433/app", "::1:5433/app"},
    };
    for (const auto& [url, description] : cases) {
        CAPTURE(url);
        CHECK(address::parse(url).describe() == description);
    }
}

TEST_CASE("what is not an address is refused without repeating it", "[jobs][address]") {
    struct row {
        std::string url, reason;
    };
    const std::vector<row> cases{
        {"", "is not a PostgreSQL address"},
        {"CANARY", "is not a PostgreSQL address"},
        {"mysql://me:CANARY@host/db", "is not a PostgreSQL address"},
        {"postgresql://me:CANARY%zz@host/db", "is not a PostgreSQL address"},
        {"postgresql://me:CANARY@host/db?no_such_option=1", "is not a PostgreSQL address"},
        {"host=h dbname=d password='CANARY", "is not a PostgreSQL address"},
        {std::string{"postgresql://me:CANARY@host/db\0x", 32}, "is not a PostgreSQL address"},
        {"postgresql://me:CANARY@host", "names no database"},
        {"postgresql://me:CANARY@host/", "names no database"},
        {"postgresql://me:CANARY@host/db?options=-csearch_path%3Dx", "sets `options`"},
    };
    for (const auto& [url, reason] : cases) {
        CAPTURE(url);
        const auto said = refusal_of(url);
        CHECK(said.starts_with(reason));
        CHECK(said.find("CANARY") == std::string::npos);
    }
}

TEST_CASE("a server elsewhere is asked for a name that a certificate proves", "[jobs][address]") {
    struct row {
        std::string url, mode;
        bool guarded;
    };
    const std::vector<row> cases{
        {"postgresql://me@db.example.com/app", "verify-full", true},
        {"postgresql://me@10.0.0.1/app", "verify-full", true},
        {"postgresql://me@db.example.com/app?sslmode=require", "require", false},
        {"postgresql://me@db.example.com/app?sslmode=disable", "disable", false},
        {"postgresql://me@localhost/app", "prefer", true},
        {"postgresql://me@127.0.0.1/app", "prefer", true},
        {"postgresql://me@[::1]/app", "prefer", true},
        {"postgresql:///app?host=/run/postgresql", "prefer", true},
        {"postgresql://me@localhost.example.com/app", "verify-full", true},
        {"postgresql://me@localhost,db.example.com/app", "verify-full", true},
        {"postgresql://me@127.0.0.1,db.example.com/app", "verify-full", true},
        {"postgresql://me@127.0.0.1.example.com/app", "verify-full", true},
        {"postgresql://me@localhost/app?hostaddr=10.0.0.1", "verify-full", true},
    };
    for (const auto& [url, mode, guarded] : cases) {
        CAPTURE(url);
        const auto parsed = address::parse(url);
        CHECK(parsed.conninfo().find("sslmode='" + mode + "'") != std::string::npos);
        CHECK(parsed.guarded() == guarded);
    }
}

TEST_CASE("limits and the encoding are filled in, and what an address sets stays", "[jobs][address]") {
    const auto filled = address::parse("postgresql://me@localhost/app").conninfo();
    for (const auto* part :
         {"connect_timeout='10'", "keepalives_idle='10'", "tcp_user_timeout='20000'", "application_name='tidesync'",
          "client_encoding='UTF8'"})
        CHECK(filled.find(part) != std::string::npos);
    const auto set =
        address::parse("postgresql://me@localhost/app?connect_timeout=3&application_name=mine&client_encoding=LATIN1")
            .conninfo();
    CHECK(set.find("connect_timeout='3'") != std::string::npos);
    CHECK(set.find("application_name='mine'") != std::string::npos);
    CHECK(set.find("client_encoding='UTF8'") != std::string::npos); // both sides must speak one
}

TEST_CASE("quotes and backslashes of an address survive", "[jobs][address]") {
    const auto once = address::parse(R"(host=h dbname='a b\'c\\d' password='it\'s \\ secret')");
    const auto twice = address::parse(once.conninfo());
    CHECK(once.describe() == R"(h:5432/a b'c\d)");
    CHECK(twice.conninfo() == once.conninfo());
}
