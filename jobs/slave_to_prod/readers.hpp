#pragma once

#include "jobs/job.hpp"
#include "jobs/report.hpp"
#include "jobs/slave_to_prod/catalog.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/slave_to_prod/sides.hpp"
#include "jobs/stores/postgres/address.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace tidesync::slave_to_prod {

/// Compares one table at a time.
struct reader {
    std::size_t number; ///< from 0
    slave_sessions slave;
    production_sessions production;
};

/// Those who read the two sides. All see one snapshot of each; the first owns both.
class readers {
public:
    /// What they are for.
    enum class purpose {
        comparing,
        moving,   ///< rows of the slave are fetched, too
        deleting, ///< and keys of production
    };

    /// Opens the first. The snapshot of the slave is the younger one.
    /// @param report  is told what the slave is as soon as that is known
    /// @throws postgres::error
    readers(
        const postgres::address& slave, const postgres::address& production, const server_limits&, purpose,
        const jobs::run_context&, jobs::report& report);

    /// Of the slave's snapshot.
    [[nodiscard]] const catalog& slave_tables() const { return slave_tables_; }

    /// Opens as many more as the limits allow and there are tables that take long. Where a server has no connection to
    /// give, those that are there do it, and a warning says so.
    /// @throws postgres::error
    void open_more(const plan&, std::vector<std::string>& warnings);

    [[nodiscard]] reader& first() { return readers_.front(); }
    [[nodiscard]] std::size_t count() const { return readers_.size(); }

    /// The run, as whoever works beside a reader is to know it: its stop also comes when another reader has failed.
    [[nodiscard]] const jobs::run_context& run() const { return run_; }

    /// Calls `read` once for each table of the plan, by its place there, on a thread for each reader; then the largest
    /// tables come first. When one call throws, the others are stopped in the middle of what they are doing.
    /// @throws what was thrown first
    void for_each_table(const plan&, const std::function<void(reader&, std::size_t)>& read);

    /// Lets all go, but those that hold the slave's snapshot. What others read in the snapshots that they borrowed
    /// counts only if their owners are there at the end: production's is asked here, the slave's by close_snapshot.
    /// @throws postgres::error
    [[nodiscard]] slave_sessions leave();

private:
    void ask_owner();

    const postgres::address& slave_;
    const postgres::address& production_;
    server_limits limits_;
    purpose purpose_;
    std::stop_source halt_;
    std::stop_callback<std::function<void()>> follow_; ///< a stop of the run
    jobs::run_context run_;
    catalog slave_tables_;
    std::string slave_snapshot_;
    std::string production_snapshot_;
    std::deque<reader> readers_;
};

} // namespace tidesync::slave_to_prod
