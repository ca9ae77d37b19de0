#pragma once

#include "jobs/job.hpp"
#include "jobs/slave_to_prod/difference.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/slave_to_prod/strategy.hpp"
#include "jobs/stores/postgres/session.hpp"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tidesync::slave_to_prod {

/// One table with what production lacks of it: lying ready there, or yet to be loaded.
struct prepared_table {
    strategy how = strategy::equal;
    table_name staging{}; ///< for `rows` and `whole`
    fingerprint wanted{}; ///< of the rows to bring, as the slave sees them
    table_name gone{};    ///< keys of the rows to delete, where rows may be deleted
    fingerprint gone_keys{};
    std::int64_t production_rows = 0;
    std::int64_t missing = 0;   ///< of those to bring, or of a load an estimate
    std::int64_t different = 0; ///< of those to bring
    bool counted = false;       ///< the two above are known
    std::int64_t bytes = 0;
};

class stager;

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

    /// Somebody to fill them; must be gone first. Several may work at the same time, each on a thread of its own.
    /// @param run  whose stop ends the work
    [[nodiscard]] stager open(const jobs::run_context& run);

    /// To be called when everything is staged, and the snapshot of the slave let go where that can be: it is not asked
    /// any more. Gathers statistics, without which the planner takes a staging table for tiny and loops over it, and
    /// finds out what is not known yet: how many of the staged rows are new, and which rows of production are gone.
    /// @throws postgres::error
    void complete(const plan&, std::vector<prepared_table>&);

private:
    friend class stager;
    table_name next_name();
    void drop_left_overs(std::vector<std::string>& warnings);
    void drop(const std::vector<table_name>&, const server_limits&);

    const postgres::address& production_;
    const jobs::run_context& run_;
    server_limits limits_;
    std::mutex mutex_;
    std::vector<table_name> made_; ///< guarded by the mutex
};

/// Makes staging tables and fills them, in a session of its own that is opened with the first table.
class stager {
public:
    stager(staging_area&, const jobs::run_context&);

    /// Makes a table for rows of the slave.
    /// @throws postgres::error
    [[nodiscard]] table_name make_rows_table(const table_plan&);

    /// Makes a table for keys of rows that only production has.
    /// @throws postgres::error
    [[nodiscard]] table_name make_gone_table(const table_plan&);

    /// Brings every row of the slave that counts.
    /// @param slave  its session, inside the run's snapshot
    /// @param rows   how many there are, for who looks on
    /// @returns bytes
    /// @throws postgres::error
    std::int64_t bring_all(const table_plan&, const table_name& into, postgres::session& slave, std::int64_t rows);

    /// Brings the key of every row of production that counts into a table for keys.
    /// @param production  its session, inside a snapshot that is older than the slave's
    /// @returns bytes
    /// @throws postgres::error
    std::int64_t bring_keys(const table_plan&, const table_name& into, postgres::session& production);

    /// What `staging_area::complete` does for one table.
    /// @throws postgres::error
    void complete(const table_plan&, prepared_table&);

    /// Fetches what is picked out by its place: rows of the slave, or keys of production.
    class picker {
    public:
        /// @param from  a second session inside the snapshot: the first is reading the words meanwhile
        picker(stager&, const table_plan&, side, postgres::session& from, table_name into);

        /// Adds a row; once many have come together they are fetched. At most a few ten thousand are remembered.
        void want(const row_place&);

        /// Fetches the rest.
        /// @returns bytes, of all
        std::int64_t finish();

    private:
        void fetch();
        void fetch_from(const std::string& partition, std::span<const row_place>);
        const std::string& partition_name(std::uint32_t oid);

        stager& stager_;
        const table_plan& table_;
        side side_;
        postgres::session& from_;
        table_name into_;
        std::int64_t bytes_ = 0;
        std::vector<row_place> places_;
        std::map<std::uint32_t, std::string> partitions_;
    };

private:
    postgres::session& writer();
    table_name make_table(const table_plan&, std::string (*create)(const table_plan&, const table_name&));
    std::int64_t copy(
        const table_plan&, postgres::session& from, const std::string& copy_out, const std::string& copy_in,
        const postgres::session::on_progress&);

    staging_area& area_;
    const jobs::run_context& run_;
    std::optional<postgres::session> writer_;
};

} // namespace tidesync::slave_to_prod
