#include "qstash/keys.hpp"

#include "tests/catch.hpp"

#include <string>
#include <vector>

using namespace tidesync::qstash;

TEST_CASE("a key that could be guessed or is known is refused with the reason", "[qstash][keys]") {
    struct row {
        std::string key, reason;
    };
    const std::vector<row> cases{
        {"", "is empty"},
        {"s", "is shorter than 16 bytes"},
        {"sig_45678901234", "is shorter than 16 bytes"},
        {"sig_890123456789012345678901234\n", "holds white space"},
        {" sig_89012345678901234567890123", "holds white space"},
        {"sig_8901234567 9012345678901234", "holds white space"},
        {"                                ", "holds white space"},
        {"sig_89012345678901234567890123\xc3\xa9", "holds white space"},
        {"sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", "is a public development key"},
        {"sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs", "is a public development key"},
        {"sig_7GVPjvuwsfqF65iC8fSrs1dfYruM", "is a public development key"},
        {"sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua", "is a public development key"},
        {"sig_6jWGaWRxHsw4vMSPJprXadyvrybF", "is a public development key"},
        {"sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx", "is a public development key"},
        {"sig_5T8FcSsynBjn9mMLBsXhpacRovJf", "is a public development key"},
        {"sig_7GFR4YaDshFcqsxWRZpRB161jguD", "is a public development key"},
        {"sig_7RvLjqfZBvP5KEUimQCE1pvpLuou", "is a public development key"},
        {"sig_7W3ZNbfKWk5NWwEs3U4ixuQ7fxwE", "is a public development key"},
    };
    for (const auto& [key, reason] : cases) {
        CAPTURE(key);
        const auto refusal = weak_key(key);
        REQUIRE(refusal);
        CHECK(refusal->starts_with(reason));
        if (key.size() > 1) CHECK(refusal->find(key) == std::string::npos); // a reason goes to the log, a key never
        CHECK(public_development_key(key) == (reason == "is a public development key"));
    }
}

TEST_CASE("whoever makes the keys himself is not sent to the console", "[qstash][keys]") {
    for (const std::string key :
         {"", "short", "with a blank that no key should hold", "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"}) {
        CAPTURE(key);
        const auto theirs = weak_key(key);
        const auto own = weak_key(key, key_maker::owner);
        REQUIRE(own);
        CHECK(theirs->find("copy") != std::string::npos);
        CHECK(own->find("copy") == std::string::npos);
        CHECK(own->find("openssl rand -hex 16") != std::string::npos);
    }
}

TEST_CASE("the keys of every development user are known to be public", "[qstash][keys]") {
    REQUIRE(development_users().size() == 4);
    CHECK(development_users().front().name == "defaultUser"); // the one that clients look for
    for (const auto& user : development_users()) {
        CAPTURE(user.name);
        CHECK(public_development_key(user.current_key));
        CHECK(public_development_key(user.next_key));
    }
}

TEST_CASE("a key of one's own may be used", "[qstash][keys]") {
    for (const std::string key : {"sig_456789012345", "sig_89012345678901234567890123aB", "no-prefix-is-needed"}) {
        CAPTURE(key);
        CHECK(weak_key(key) == std::nullopt);
        CHECK_FALSE(public_development_key(key));
    }
}
