#include "qstash/base64url.hpp"

#include "tests/catch.hpp"

#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace tidesync::qstash;
using base64url::decode;
using base64url::padding;

TEST_CASE("text is encoded without padding", "[qstash][base64url]") {
    // RFC 4648 section 10, and two bytes that differ between the alphabets of sections 4 and 5.
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
    for (const auto& [bytes, text] : cases) {
        CAPTURE(text);
        CHECK(base64url::encode(bytes) == text);
        CHECK(decode(text) == bytes);
    }
}

TEST_CASE("every byte comes back, at every place in a group", "[qstash][base64url]") {
    std::mt19937 random{20260801}; // the same run every time
    for (std::size_t size = 0; size < 300; ++size) {
        std::string bytes(size, '\0');
        for (auto& byte : bytes) byte = static_cast<char>(random() & 0xff);
        CAPTURE(size);
        CHECK(decode(base64url::encode(bytes)) == bytes);
    }
}

TEST_CASE("padding is refused unless asked for", "[qstash][base64url]") {
    struct row {
        std::string text;
        std::optional<std::string> bytes; // with padding::optional
    };
    const std::vector<row> cases{
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zg=", std::nullopt},   // too little
        {"Zg===", std::nullopt}, // too much
        {"Zm8==", std::nullopt},
        {"Zm9v=", std::nullopt}, // none was needed
        {"Zm9v====", std::nullopt},
        {"=", std::nullopt}, // nothing to fill
        {"==", std::nullopt},
        {"====", std::nullopt},
        {"A===", std::nullopt},
        {"Zg==Zg==", std::nullopt}, // in the middle
        {"Z=g=", std::nullopt},
        {"Zh==", std::nullopt}, // bits left over are not zero
        {"Zm9vYg==\n", std::nullopt},
    };
    for (const auto& [text, bytes] : cases) {
        CAPTURE(text);
        CHECK(decode(text) == std::nullopt);
        CHECK(decode(text, padding::optional) == bytes);
    }
    CHECK(decode("Zg", padding::optional) == "f");
    CHECK(decode("", padding::optional) == "");
}

TEST_CASE("a text that encoding would not have written is refused", "[qstash][base64url]") {
    const std::vector<std::string> cases{
        "A",   "AAAAA",        // no bytes have this length
        "Zh",  "Zm9",   "Zm-", // bits left over are not zero
        "+/8", "ab+d",  "ab/d", "ab d", "ab\nd", "ab.d", "abcd\r\n", "ab\xc3\xa9", std::string("ab\0d", 4)};
    for (const auto& text : cases) {
        CAPTURE(text);
        CHECK(decode(text) == std::nullopt);
        CHECK(decode(text, padding::optional) == std::nullopt);
    }
}

TEST_CASE("two texts never decode to the same bytes", "[qstash][base64url]") {
    for (int first = 0; first < 256; ++first)
        for (int second = 0; second < 256; ++second) {
            const std::string text{static_cast<char>(first), static_cast<char>(second)};
            const auto bytes = decode(text);
            if (bytes && base64url::encode(*bytes) != text) FAIL("decodes, but is not the encoding: " << text);
        }
    SUCCEED("all texts of two characters");
}
