#pragma once

#include "jobs/job.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/statements.hpp"
#include "jobs/stores/postgres/copy.hpp"

#include <vector>

namespace tidesync::slave_to_prod {

/// The rows of one table of the slave, lying ready in production.
struct staged_table {
    table_name where;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    std::chrono::milliseconds took{};
};

/// The staging tables of one run. Made outside any long transaction; dropped when this goes.
class staging_area {
public:
    /// Drops what earlier runs left behind, too: their tokens can no longer commit. What cannot be dropped (another
    /// role's, for example) becomes a warning.
    staging_area(
        const postgres::address& production, std::int64_t lease_token, server_limits,
        std::vector<std::string>& warnings);
    ~staging_area();
    staging_area(const staging_area&) = delete;
    staging_area& operator=(const staging_area&) = delete;

    /// Copies every planned table from `reader` (inside its snapshot). Result and plan have the same order.
    /// @throws postgres::error
    std::vector<staged_table> fill(const plan&, postgres::copy_session& reader, const jobs::run_context&);

private:
    void drop_left_overs(std::vector<std::string>& warnings);
    void drop(const std::vector<table_name>&, const server_limits&);

    const postgres::address& production_;
    std::int64_t lease_token_;
    server_limits limits_;
    std::vector<table_name> made_;
};

} // namespace tidesync::slave_to_prod
