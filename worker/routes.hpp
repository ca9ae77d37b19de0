#pragma once

#include "jobs/job.hpp"
#include "worker/http.hpp"
#include "worker/metrics.hpp"
#include "worker/rate_limit.hpp"
#include "worker/run_store.hpp"
#include "worker/runner.hpp"
#include "worker/settings.hpp"
#include "worker/token_book.hpp"
#include "worker/token_store.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tidesync::worker {

/// What routes work with.
struct services {
    const settings& config;
    run_store& store;
    runner& runs;
    std::vector<std::string> jobs; ///< their names
    std::string worker_name;
    std::atomic<bool> draining{false};
    metrics counts{config.signing_keys};
    std::function<std::chrono::steady_clock::time_point()> last_turn{}; ///< of the loops that bring runs; may be empty
    std::function<std::string()> run_metrics{};                         ///< in Prometheus' text format; may be empty
    token_store token_rows{config.run_store};
    token_book tokens{[this] { return token_rows.read_live(); }};
    /// Writes down what is done at QStash.
    std::function<void(const audit_entry&)> record{[this](const audit_entry& what) { store.record(what); }};
    rate_limit requests{{.per_second = 20, .burst = 100}}; ///< of each token; QStash's deliveries have none
    rate_limit refusals{{.per_second = 5, .burst = 100}};  ///< of each address: beyond, they cost less, no more
};

/// Loops that did not go round for so long are stuck. A turn with a store whose packets vanish takes up to 50 s: a kept
/// connection is given up after 20 s, a new one after 10 s, and one turn may ask three times.
inline constexpr std::chrono::seconds turn_time_max{120};

/// Where the main job is started.
inline constexpr std::string_view sync_path = "/api/background/sync/slave-to-prod";

/// Where QStash reports a message that it gave up. Its body quotes ours and the last answer, so it may be larger.
inline constexpr std::string_view failure_callback_path = "/api/qstash/failure";
inline constexpr std::uint64_t failure_callback_bytes_max = 2UL * 1024 * 1024;

/// What a listener answers.
enum class entrance {
    all,
    deliveries, ///< the routes that take a signature; the others are at TIDESYNC_ADMIN_LISTEN
};

/// Finds the route and checks who asks, without blocking: refuses, or says what is left to do, which asks the run
/// store. The route table is at the top of the .cpp.
[[nodiscard]] http_step open(services&, const http_request&, entrance = entrance::all);

/// A route as documents describe it.
struct route_shape {
    std::vector<std::string_view> methods;
    std::string_view pattern; ///< `{}` stands for one path segment
    admission lets_in;
};

/// All that there are.
[[nodiscard]] std::vector<route_shape> route_shapes();

} // namespace tidesync::worker
