#pragma once

#include "jobs/job.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/read_statements.hpp"
#include "jobs/stores/postgres/address.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace tidesync::slave_to_prod {

struct settings {
    postgres::address slave;
    postgres::address production;
    table_rules rules;
    server_limits limits;
};

/// Brings production up to date from the slave: stage long, write short, all or nothing.
/// Follow `sync` in the .cpp from top to bottom; docs/architecture.md tells the same in prose.
class slave_to_prod final : public jobs::job {
public:
    /// @param settings  also say whose tables are meant, and so how the job is named: see job_of_group
    explicit slave_to_prod(settings settings)
        : settings_{std::move(settings)}
        , name_{job_of_group(settings_.rules.group)} {}

    [[nodiscard]] std::string_view name() const override { return name_; }
    [[nodiscard]] jobs::result check(const jobs::run_context&) override;
    [[nodiscard]] jobs::result sync(const jobs::run_context&, jobs::sync_mode) override;
    [[nodiscard]] jobs::settlement settle(const jobs::run_context&) override;

private:
    void apply_changes(const jobs::run_context&, jobs::report&);
    void apply_snapshot(const jobs::run_context&, jobs::report&);
    void compare_all(const jobs::run_context&, jobs::report&);
    void compare_snapshot(const jobs::run_context&, jobs::report&);

    settings settings_;
    std::string name_;
};

} // namespace tidesync::slave_to_prod
