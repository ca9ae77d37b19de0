#include "qstash/local/random_id.hpp"
#include "tests/catch.hpp"

#include <algorithm>
#include <set>

using tidesync::qstash::local::random_id;

TEST_CASE("ids are as long as asked for, hold only the letters of base 58, and never repeat", "[qstash][local]") {
    std::set<std::string> seen;
    std::set<char> letters;
    for (int i = 0; i < 1000; ++i) {
        const auto id = random_id("msg_", 26);
        REQUIRE(id.starts_with("msg_"));
        REQUIRE(id.size() == 30);
        letters.insert(id.begin() + 4, id.end());
        CHECK(seen.insert(id).second);
    }
    CHECK(letters.size() == 58); // each of them comes up
    CHECK(std::ranges::none_of(std::string_view{"0OIl"}, [&](char c) { return letters.contains(c); }));
    CHECK(random_id("", 200).size() == 200); // more than is drawn at once
}
