#pragma once

#include "jobs/job.hpp"
#include "jobs/slave_to_prod/difference.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/slave_to_prod/strategy.hpp"
#include "jobs/stores/postgres/session.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tidesync::slave_to_prod {

/// One table with what production lacks of it: lying ready there, or yet to be loaded.
struct prepared_table {
    strategy how = strategy::equal;
    table_name staging{}; ///< for `rows` and `whole`
    fingerprint wanted{}; ///< of the rows to bring, as the slave sees them
    std::int64_t bytes = 0;
};

/// The staging tables of one run. Made outside any long transaction; dropped when this goes.
///
/// What must lie in them is remembered here, in the worker, and not in the database that may lose it: after a crash of
/// production's server UNLOGGED tables are empty.
class staging_area {
public:
    /// Drops what earlier runs left behind, too: their tokens can no longer commit. What cannot be dropped (another
    /// role's, for example) becomes a warning.
    staging_area(
        const postgres::address& production, const jobs::run_context&, server_limits,
        std::vector<std::string>& warnings);
    ~staging_area();
    staging_area(const staging_area&) = delete;
    staging_area& operator=(const staging_area&) = delete;

    /// Stages every row of a table.
    /// @param slave  its session, inside the run's snapshot
    /// @param found  the table's fingerprint on the slave
    /// @throws postgres::error
    prepared_table stage_whole(const table_plan&, postgres::session& slave, const fingerprint& found);

    /// A staging table that is filled with chosen rows.
    class picker {
    public:
        /// @param slave  a second session inside the run's snapshot: the first is reading the words meanwhile
        picker(staging_area&, const table_plan&, postgres::session& slave);

        /// Adds a row; once many have come together they are fetched. At most a few ten thousand are remembered.
        void want(const wanted_row&);

        /// Fetches the rest.
        prepared_table finish();

        [[nodiscard]] const fingerprint& wanted() const { return result_.wanted; }

    private:
        void fetch();
        void fetch_from(const std::string& partition, std::span<const row_place>);
        const std::string& partition_name(std::uint32_t oid);

        staging_area& area_;
        const table_plan& table_;
        postgres::session& slave_;
        prepared_table result_;
        std::vector<row_place> places_;
        std::map<std::uint32_t, std::string> partitions_;
    };

private:
    postgres::session& writer();
    table_name make_table(const table_plan&);
    postgres::session::counts
    copy(const table_plan&, const table_name& into, postgres::session& slave, const std::string& copy_out);
    void analyse(const table_plan&, const table_name&);
    void drop_left_overs(std::vector<std::string>& warnings);
    void drop(const std::vector<table_name>&, const server_limits&);

    const postgres::address& production_;
    const jobs::run_context& run_;
    server_limits limits_;
    std::optional<postgres::session> writer_; ///< opened with the first table
    std::vector<table_name> made_;
};

} // namespace tidesync::slave_to_prod
