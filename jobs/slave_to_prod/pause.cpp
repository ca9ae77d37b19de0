#include "jobs/slave_to_prod/pause.hpp"

#include <condition_variable>
#include <mutex>
#include <random>

namespace tidesync::slave_to_prod {

void pause(const std::stop_token& stop, std::chrono::milliseconds longest) {
    std::minstd_rand random{std::random_device{}()};
    std::uniform_int_distribution<std::int64_t> any{longest.count() / 2, longest.count()};
    std::mutex alone;
    std::unique_lock lock{alone};
    std::condition_variable_any never;
    never.wait_for(lock, stop, std::chrono::milliseconds{any(random)}, [] { return false; });
}

} // namespace tidesync::slave_to_prod
