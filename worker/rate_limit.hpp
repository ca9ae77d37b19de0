#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tidesync::worker {

struct rate {
    int per_second = 20;
    int burst = 100;                ///< as many at once, after a rest
    std::size_t buckets_max = 4096; ///< beyond, the one that rested longest is forgotten
};

/// A bucket of permits for everybody who asks: each request takes one, and they come back at a rate. Reads no clock.
/// May be called from any thread.
class rate_limit {
public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit rate_limit(rate with)
        : rate_{with} {}

    /// Takes a permit of `who`. @returns zero when there was one, else the time until there is
    [[nodiscard]] std::chrono::milliseconds take(std::string_view who, time_point now);

    [[nodiscard]] std::size_t buckets() const;

private:
    struct bucket {
        std::string who;
        time_point full_at; ///< when all its permits will be back
    };

    rate rate_;
    mutable std::mutex mutex_;
    std::list<bucket> buckets_;                                                ///< the one that took last in front
    std::unordered_map<std::string_view, std::list<bucket>::iterator> by_who_; ///< the keys are the buckets' own
};

} // namespace tidesync::worker
