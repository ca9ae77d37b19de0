#include "tests/catch.hpp"
#include "worker/token_book.hpp"

#include <atomic>
#include <thread>

using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

std::string hash(char of) { return std::string(32, of); }

/// A store of tokens with a clock that the test sets; whoever reads is counted.
struct played_store {
    std::vector<live_token> tokens{{.id = "aaaaaaaaaa", .name = "ann", .scope = scope::trigger, .sha256 = hash('a')}};
    token_book::clock::time_point now{1h};
    std::chrono::milliseconds answers_after{};
    bool away = false;
    int readings = 0;

    [[nodiscard]] std::vector<live_token> read() {
        ++readings;
        now += answers_after;
        if (away) throw std::runtime_error{"nobody answers"};
        return tokens;
    }
    [[nodiscard]] token_book book() {
        return token_book{[this] { return read(); }, {}, [this] { return now; }};
    }
};

const presented_token ann{"aaaaaaaaaa", hash('a')};
const presented_token stranger{"zzzzzzzzzz", hash('z')};

bool opens(const token_book::verdict& verdict) { return std::holds_alternative<bearer>(verdict); }

} // namespace

TEST_CASE("a token that was read a moment ago is decided on without the store", "[worker][tokens]") {
    played_store store;
    auto book = store.book();
    CHECK_FALSE(book.look_up(ann)); // nothing is known yet
    const auto known = book.ask(ann);
    REQUIRE(opens(known));
    CHECK(std::get<bearer>(known).id == ann.id);
    CHECK(std::get<bearer>(known).name == "ann");
    CHECK(std::get<bearer>(known).scope == scope::trigger);
    store.now += 1999ms;
    const auto again = book.look_up(ann);
    REQUIRE(again);
    CHECK(opens(*again));
    store.now += 1ms;
    CHECK_FALSE(book.look_up(ann));
    CHECK(opens(book.ask(ann)));
    CHECK(store.readings == 2);
}

TEST_CASE("a wrong secret is refused however right the id is, and costs no reading", "[worker][tokens]") {
    played_store store;
    auto book = store.book();
    CHECK(opens(book.ask(ann)));
    for (const auto& wrong : {hash('b'), std::string{}, std::string(31, 'a'), hash('a') + 'a'}) {
        const auto verdict = book.look_up({ann.id, wrong});
        REQUIRE(verdict);
        CHECK_FALSE(opens(*verdict));
    }
    CHECK(store.readings == 1);
}

TEST_CASE("a revoked token opens nothing two seconds later, in every book", "[worker][tokens]") {
    played_store store;
    auto one = store.book();
    auto other = store.book();
    CHECK(opens(one.ask(ann)));
    store.now += 1s;
    CHECK(opens(other.ask(ann)));
    store.tokens.clear(); // revoked now
    for (auto* book : {&one, &other}) {
        const auto revoked_at = store.now;
        store.now = revoked_at + 2s;
        const auto known = book->look_up(ann);
        CHECK_FALSE((known && opens(*known)));
        CHECK_FALSE(opens(book->ask(ann)));
        store.now = revoked_at;
    }
}

TEST_CASE("a new token opens at once where nobody asked just before", "[worker][tokens]") {
    played_store store;
    auto book = store.book();
    CHECK_FALSE(opens(book.ask(stranger)));
    store.tokens.push_back({.id = stranger.id, .name = "new", .scope = scope::read, .sha256 = stranger.sha256});
    store.now += 200ms;
    CHECK(opens(book.ask(stranger)));
}

TEST_CASE("rubbish costs the store five readings a second, however much of it comes", "[worker][tokens]") {
    played_store store;
    auto book = store.book();
    for (int i = 0; i < 100'000; ++i) { // in ten seconds
        store.now += 100us;
        presented_token rubbish{"zzzzzzzzzz", hash('z')};
        rubbish.id[static_cast<std::size_t>(i % 10)] = static_cast<char>('a' + i % 26);
        if (!book.look_up(rubbish)) CHECK_FALSE(opens(book.ask(rubbish)));
    }
    CHECK(store.readings <= 51);
}

TEST_CASE("while the store is away nobody is let in unknown, and it is not asked by everybody", "[worker][tokens]") {
    played_store store;
    auto book = store.book();
    CHECK(opens(book.ask(ann)));
    store.away = true;
    store.now += 1s;
    CHECK(opens(*book.look_up(ann))); // still fresh
    CHECK_THROWS_AS(book.ask(stranger), tokens_unknown);
    store.now += 1s;
    CHECK_FALSE(book.look_up(ann));
    for (int i = 0; i < 50; ++i) CHECK_THROWS_AS(book.ask(ann), tokens_unknown);
    CHECK(store.readings == 3);
    store.away = false;
    store.now += 200ms;
    CHECK(opens(book.ask(ann)));
}

TEST_CASE("a token expires between two readings, by the store's clock", "[worker][tokens]") {
    played_store store;
    store.tokens[0].left = 1500ms;
    auto book = store.book();
    CHECK(opens(book.ask(ann)));
    store.now += 1499ms;
    CHECK(opens(*book.look_up(ann)));
    store.now += 1ms;
    CHECK_FALSE(opens(*book.look_up(ann)));
}

TEST_CASE("an answer that took long still counts for who waited for it", "[worker][tokens]") {
    played_store store;
    store.answers_after = 4s;
    auto book = store.book();
    CHECK(opens(book.ask(ann)));
    CHECK(store.readings == 1);
    CHECK_FALSE(book.look_up(ann)); // and for nobody else
}

TEST_CASE("those who ask at once share one reading", "[worker][tokens][threads]") {
    std::atomic<int> readings = 0;
    std::atomic<int> came = 0;
    std::atomic<int> opened = 0;
    constexpr int many = 8;
    token_book book{[&] {
        ++readings;
        while (came < many) std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(20ms);
        return std::vector<live_token>{{.id = ann.id, .name = "ann", .scope = scope::read, .sha256 = ann.sha256}};
    }};
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i < many; ++i)
            callers.emplace_back([&] {
                ++came;
                if (opens(book.ask(ann))) ++opened;
            });
    }
    CHECK(opened == many);
    CHECK(readings == 1);
}

TEST_CASE("the use of a token is worth a note once a minute", "[worker][tokens]") {
    played_store store;
    auto book = store.book();
    CHECK(book.wants_note(ann.id));
    CHECK_FALSE(book.wants_note(ann.id));
    CHECK(book.wants_note("bbbbbbbbbb"));
    store.now += 60s;
    CHECK(book.wants_note(ann.id));
}
