#pragma once

#include "tests/faults/proxy.hpp"
#include "tests/faults/servers.hpp"
#include "tests/support/database.hpp"
#include "tests/support/pooler_process.hpp"
#include "tests/support/process.hpp"
#include "tests/support/serving.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace tidesync::tests {

/// How a worker is set up here: everything about leases is short, so that much goes wrong in little time.
inline constexpr std::chrono::seconds lease{2};

/// One `tidesync serve`, a process of its own that dies with the suite.
struct worker_under_test {
    std::unique_ptr<process> program;
    std::uint16_t port = 0;
    bool expected_to_die = false; ///< somebody killed it, or told it to
    bool stopped = false;         ///< by SIGSTOP
};

/// Who holds the lease of the main job.
struct lease_holder {
    std::string run_id;
    std::int64_t token = 0;
    pid_t pid = 0;
};

/// Two databases with two tables that belong together, workers between them, and a proxy on each way: everything that a
/// scenario plays with. New for each, so that no scenario finds what another has left.
class world {
public:
    struct plan {
        std::uint32_t seed = 0;
        bool pooled = false; ///< production and run store behind a PgBouncer in transaction mode
        int workers = 2;
        int rows = 300;
        variables settings{}; ///< of the workers, beyond what all have
    };
    explicit world(plan);
    ~world();
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    const plan how;
    std::mt19937 random;

    pair_of_databases databases;
    std::unique_ptr<pooler_process> pool; ///< null when not pooled
    proxy slave_wire;
    proxy production_wire; ///< what a job does
    proxy store_wire;      ///< what the worker does about runs

    /// @param more  settings of this one; a failpoint, perhaps
    void start_worker(const variables& more = {});
    /// Kills it if need be, checks how it ended, and starts another in its place.
    void replace_worker(std::size_t which, const variables& more = {});
    /// Replaces those that have died as expected.
    void replace_the_dead();

    /// What a delivery is signed for.
    [[nodiscard]] std::string delivery_url() const { return settings_.at("TIDESYNC_PUBLIC_URL") + sync_route; }

    [[nodiscard]] std::size_t count() const;
    /// Port of a worker, by number. May be called from any thread.
    [[nodiscard]] std::uint16_t port(std::size_t which) const;
    worker_under_test& worker(std::size_t which) { return *workers_.at(which); }
    /// @returns nothing for a process that is none of ours
    [[nodiscard]] std::optional<std::size_t> index_of(pid_t) const;

    /// Asks the store itself, past every proxy.
    [[nodiscard]] std::optional<lease_holder> holder() const;
    /// @returns nothing when nobody takes a lease within `patience`
    [[nodiscard]] std::optional<lease_holder> await_holder(std::chrono::milliseconds patience) const;

    /// Waits until a query's answer is `wanted`. @returns whether it was, within `patience`
    [[nodiscard]] bool await(std::string_view query, std::string_view wanted, std::chrono::milliseconds patience) const;

    /// A number from `from` to `to`, by the seed.
    [[nodiscard]] int any(int from, int to) { return std::uniform_int_distribution<int>{from, to}(random); }

    /// Ends the workers with SIGTERM. Called once, by whoever judges.
    void stop_workers();
    /// What was wrong with how processes ended: crashes, leaks, what a sanitizer found.
    [[nodiscard]] const std::vector<std::string>& bad_ends() const { return bad_ends_; }
    /// What the workers logged, one after the other.
    [[nodiscard]] const std::string& logs() const { return logs_; }

private:
    void make_tables() const;
    void bury(worker_under_test&);

    variables settings_;
    mutable std::mutex mutex_; ///< guards the list, not the workers
    std::vector<std::unique_ptr<worker_under_test>> workers_;
    std::vector<std::string> bad_ends_;
    std::string logs_;
};

} // namespace tidesync::tests
