#include "worker/rate_limit.hpp"

#include <algorithm>

namespace tidesync::worker {

std::chrono::milliseconds rate_limit::take(std::string_view who, time_point now) {
    const std::scoped_lock lock{mutex_};
    if (const auto known = by_who_.find(who); known != by_who_.end()) {
        buckets_.splice(buckets_.begin(), buckets_, known->second);
    } else {
        if (buckets_.size() >= rate_.buckets_max) {
            by_who_.erase(buckets_.back().who);
            buckets_.pop_back();
        }
        buckets_.push_front({std::string{who}, now});
        by_who_.emplace(buckets_.front().who, buckets_.begin());
    }
    auto& held = buckets_.front();
    const auto every = std::chrono::steady_clock::duration{std::chrono::seconds{1}} / rate_.per_second;
    const auto full_at = std::max(held.full_at, now);
    const auto wait = full_at - now - every * (rate_.burst - 1);
    if (wait.count() > 0) return std::chrono::ceil<std::chrono::milliseconds>(wait);
    held.full_at = full_at + every;
    return std::chrono::milliseconds{0};
}

std::size_t rate_limit::buckets() const {
    const std::scoped_lock lock{mutex_};
    return buckets_.size();
}

} // namespace tidesync::worker
