#include "tests/catch.hpp"
#include "worker/rate_limit.hpp"

#include <atomic>
#include <fmt/format.h>
#include <thread>
#include <vector>

using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

constexpr rate_limit::time_point start{1h};

/// @returns how many of `tries` got a permit
int taken(rate_limit& limit, std::string_view who, int tries, rate_limit::time_point now) {
    int count = 0;
    for (int i = 0; i < tries; ++i)
        if (limit.take(who, now) == 0ms) ++count;
    return count;
}

} // namespace

TEST_CASE("a burst passes, then as many as come back", "[worker][rate]") {
    rate_limit limit{{.per_second = 20, .burst = 100}};
    CHECK(taken(limit, "ann", 150, start) == 100);
    CHECK(limit.take("ann", start) == 50ms);
    CHECK(limit.take("ann", start + 49ms) == 1ms);
    CHECK(limit.take("ann", start + 50ms) == 0ms);
    CHECK(limit.take("ann", start + 50ms) == 50ms);
    CHECK(taken(limit, "ann", 150, start + 1050ms) == 20);
    CHECK(taken(limit, "ann", 150, start + 1h) == 100); // never more than a burst
}

TEST_CASE("one who asks too much takes nothing from another", "[worker][rate]") {
    rate_limit limit{{.per_second = 1, .burst = 2}};
    CHECK(taken(limit, "ann", 1000, start) == 2);
    CHECK(taken(limit, "ben", 2, start) == 2);
}

TEST_CASE("being refused costs no permit", "[worker][rate]") {
    rate_limit limit{{.per_second = 1, .burst = 1}};
    CHECK(taken(limit, "ann", 1, start) == 1);
    CHECK(taken(limit, "ann", 1000, start + 999ms) == 0);
    CHECK(taken(limit, "ann", 1, start + 1s) == 1);
}

TEST_CASE("the number of buckets has a bound, and the one at rest goes first", "[worker][rate]") {
    rate_limit limit{{.per_second = 1, .burst = 1, .buckets_max = 10}};
    CHECK(limit.take("ann", start) == 0ms);
    for (int i = 0; i < 1000; ++i) {
        CHECK(limit.take(fmt::format("stranger {}", i), start + 1ms) == 0ms);
        CHECK(limit.take("ann", start + 1ms) > 0ms); // still known: she came last
        REQUIRE(limit.buckets() <= 10);
    }
}

TEST_CASE("a clock that was read in another order gives nothing away", "[worker][rate]") {
    rate_limit limit{{.per_second = 1, .burst = 2}};
    CHECK(limit.take("ann", start) == 0ms);
    CHECK(limit.take("ann", start - 1ms) == 1ms);
    CHECK(limit.take("ann", start) == 0ms);
    CHECK(limit.take("ann", start) == 1s);
}

TEST_CASE("many threads together get no more than there is", "[worker][rate][threads]") {
    rate_limit limit{{.per_second = 1, .burst = 100}};
    std::atomic<int> count = 0;
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i < 4; ++i) callers.emplace_back([&] { count += taken(limit, "ann", 100, start); });
    }
    CHECK(count == 100);
}
