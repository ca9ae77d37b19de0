#include "tests/catch.hpp"
#include "worker/authorize.hpp"
#include "worker/tokens.hpp"

#include "qstash/digest.hpp"

#include <set>
#include <type_traits>

using namespace tidesync;
using namespace tidesync::worker;

// A route that does not say whom it lets in does not compile.
static_assert(!std::is_default_constructible_v<admission>);

TEST_CASE("a token holds its id and 256 random bits, and its hash is that of the whole", "[worker][tokens]") {
    std::set<std::string> seen;
    for (int i = 0; i < 200; ++i) {
        const auto made = make_token();
        const std::string text{made.text.reveal()};
        CHECK(text.size() == 58);
        CHECK(text.starts_with("tsy_" + made.id + "_"));
        REQUIRE(token_id_of(text));
        CHECK(*token_id_of(text) == made.id);
        CHECK(made.sha256 == qstash::sha256(text));
        CHECK(seen.insert(text.substr(15)).second);
    }
}

TEST_CASE("what has not the form of a token has no id", "[worker][tokens]") {
    const std::string good{make_token().text.reveal()};
    const auto changed = [&](std::size_t at, char to) {
        auto text = good;
        text[at] = to;
        return text;
    };
    for (const auto& text :
         {std::string{}, std::string{"tsy_"}, good.substr(0, 57), good + "A", changed(0, 'T'), changed(4, 'A'),
          changed(5, '1'), changed(14, '-'), changed(20, '+'), changed(57, '='), changed(30, '\n'), changed(30, '\0'),
          changed(30, '\xc3'), std::string(1UL << 20U, 'a')}) {
        CAPTURE(text.size());
        CHECK_FALSE(token_id_of(text));
    }
    CHECK(token_id_of(changed(20, '_'))); // the secret's alphabet holds it
}

TEST_CASE("each scope includes those before it", "[worker][tokens]") {
    CHECK(scope::read < scope::trigger);
    CHECK(scope::trigger < scope::admin);
    for (const auto what : {scope::read, scope::trigger, scope::admin}) CHECK(scope_of(to_string(what)) == what);
    for (const auto* other : {"", "Read", "write", "admin "}) CHECK_FALSE(scope_of(other));
}

TEST_CASE("a token's name can stand in any log line", "[worker][tokens]") {
    for (const auto* good : {"a", "CI", "ann@example.com", "grafana_2.eu-west"}) CHECK(is_token_name(good));
    for (const auto& bad :
         {std::string{}, std::string{"-x"}, std::string{"a b"}, std::string{"a\nb"}, std::string{"\xc3\xa4"},
          std::string(64, 'a')})
        CHECK_FALSE(is_token_name(bad));
    CHECK(is_token_name(std::string(63, 'a')));
}
