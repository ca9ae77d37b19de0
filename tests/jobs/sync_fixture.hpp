#pragma once

#include "jobs/slave_to_prod/slave_to_prod.hpp"
#include "tests/support/database.hpp"
#include "tests/support/pooler_process.hpp"

#include <atomic>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace tidesync::tests {

/// What the helpers below return when there is nothing to complain of. A failed comparison with it shows the complaint.
inline const std::string none;

/// A progress sink that hands on what it hears.
class listener final : public jobs::progress_sink {
public:
    std::function<void(std::string_view)> on_phase = [](std::string_view) {};
    std::function<void(std::string_view, std::int64_t)> on_rows = [](std::string_view, std::int64_t) {};

    void phase(std::string_view name) override { on_phase(name); }
    void expect(std::int64_t, bool) override {}
    void rows(std::string_view item, std::int64_t rows, std::int64_t) override { on_rows(item, rows); }
};

/// A PgBouncer in transaction mode in front of a database, with TIDESYNC_TEST_POOLED in the environment; else nothing.
/// Any test of the job can be run through it; ./dev test does so with those that tell most.
[[nodiscard]] std::unique_ptr<pooler_process> pooler_for(const database&);

/// A slave and a production of their own, and the job slave-to-prod between them.
/// What it says about the result comes from plain SQL and shares nothing with the code under test.
class sync_fixture {
public:
    pair_of_databases both;
    slave_to_prod::table_rules rules;
    slave_to_prod::server_limits limits;
    std::unique_ptr<pooler_process> slave_pooler = pooler_for(both.slave); ///< see pooler_for
    std::unique_ptr<pooler_process> production_pooler = pooler_for(both.production);
    std::string slave_url = slave_pooler ? slave_pooler->url(both.slave) : both.slave.url(); ///< as the job logs in
    std::string production_url = production_pooler ? production_pooler->url(both.production) : both.production.url();
    listener progress;
    std::stop_source stop;

    /// The run that the next verb belongs to: a random UUID and a token higher than any before.
    jobs::run_context next_run();

    jobs::result sync() { return sync(next_run()); }
    jobs::result sync(const jobs::run_context&) const;
    jobs::settlement settle(const jobs::run_context&) const;
    jobs::result dry_run();
    jobs::result check();

    /// Compares a table row by row: every row of the slave must be in production with the same stored image and the
    /// same text, `EXCEPT ALL` both ways on the keys of the slave.
    /// @param table  as SQL reads it, `s."weird name"`
    /// @param key    its key columns, `id, "other one"`
    /// @returns empty when nothing of the slave is missing or different in production, else what is
    [[nodiscard]] std::string difference(const std::string& table, const std::string& key = "id") const;

    /// Every field of every row with its place and its xmin, of all tables that are not Tidesync's: equal texts mean
    /// that nobody wrote anything.
    [[nodiscard]] std::string rows_of(const database&) const;

    /// Names of what lies in tidesync_staging.
    [[nodiscard]] std::string staging() const;

private:
    [[nodiscard]] slave_to_prod::slave_to_prod job() const;

    std::int64_t lease_token_ = 0;
};

/// `done`, or as in `give_up data_refused: <message> | <hint>`.
[[nodiscard]] std::string ending(const jobs::result&);

/// Counts of one table of a sync, `+new ~changed =unchanged`; `no such table` when the report lacks it.
[[nodiscard]] std::string written(const jobs::result&, std::string_view table);

/// Counts of one table of a check, `missing 1, different 2, extra 3 of 4`.
[[nodiscard]] std::string found(const jobs::result&, std::string_view table);

/// @returns empty when all `words` stand in `text`, else the first that does not, and the text
[[nodiscard]] std::string lacking(std::string_view text, std::initializer_list<std::string_view> words);

/// All warnings, one a line.
[[nodiscard]] std::string warnings(const jobs::result&);

/// Adds a user and a password to an address, for the log-in of a role.
[[nodiscard]] std::string with_login(const std::string& url, std::string_view user, std::string_view password);

/// A role for one test, with a random name; roles outlive databases.
class login_role {
public:
    /// @param url  a superuser's address
    explicit login_role(const database& where);
    ~login_role();
    login_role(const login_role&) = delete;
    login_role& operator=(const login_role&) = delete;

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::string url() const { return with_login(where_.url(), name_, password_); }

private:
    const database& where_;
    std::string name_;
    std::string password_ = "a role of one test";
};

} // namespace tidesync::tests
