#include "qstash/digest.hpp"

#include "tests/catch.hpp"

#include <stdexcept>
#include <string>

using namespace tidesync::qstash;

namespace {

std::string hex(const std::string& bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char byte : bytes) {
        text += digits[static_cast<unsigned char>(byte) >> 4];
        text += digits[static_cast<unsigned char>(byte) & 0xf];
    }
    return text;
}

} // namespace

TEST_CASE("hashes agree with the published examples", "[qstash][digest]") {
    // FIPS 180-4 examples.
    CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // A view of nothing is a body of no bytes, whatever its pointer says.
    CHECK(sha256(std::string_view{}) == sha256(""));
}

TEST_CASE("codes agree with the published examples", "[qstash][digest]") {
    // RFC 4231 test cases 2 and 6; the key of the latter is longer than a block.
    CHECK(
        hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(
        hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("nothing is signed with an empty key", "[qstash][digest]") {
    CHECK_THROWS_AS(hmac_sha256("", "text"), std::invalid_argument);
}

TEST_CASE("bytes are equal only when all of them are", "[qstash][digest]") {
    CHECK(equal_in_constant_time("", ""));
    CHECK(equal_in_constant_time("abc", "abc"));
    CHECK_FALSE(equal_in_constant_time("abc", "abd"));
    CHECK_FALSE(equal_in_constant_time("abc", "Abc"));
    CHECK_FALSE(equal_in_constant_time("abc", "ab"));
    CHECK_FALSE(equal_in_constant_time("", "a"));
    CHECK_FALSE(equal_in_constant_time(std::string("a\0b", 3), std::string("a\0c", 3)));
}
