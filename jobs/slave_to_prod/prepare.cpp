#include "jobs/slave_to_prod/prepare.hpp"

#include "jobs/slave_to_prod/difference.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <string>

namespace tidesync::slave_to_prod {

namespace {

constexpr std::size_t asked_at_once = 500; // an answer has 1,664 columns at most

/// Adds the time it lives to a table's.
class stopwatch {
public:
    explicit stopwatch(jobs::table_report& table)
        : table_{table} {}
    ~stopwatch() {
        table_.took += std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start_);
    }
    stopwatch(const stopwatch&) = delete;
    stopwatch& operator=(const stopwatch&) = delete;

private:
    jobs::table_report& table_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// For each table of the plan whether production has no row of it.
std::vector<bool> find_empty(const plan& plan, postgres::session& production) {
    std::vector<bool> empty;
    while (empty.size() < plan.tables.size()) {
        std::vector<std::string> terms;
        for (auto i = empty.size(); i < plan.tables.size() && terms.size() < asked_at_once; ++i)
            terms.push_back(fmt::format("NOT EXISTS (SELECT FROM {})", from(plan.tables[i], side::production)));
        const auto answer =
            production.query(fmt::format("SELECT {}", fmt::join(terms, ", ")), "looking for empty tables").at(0);
        for (const auto& field : answer) empty.push_back(field == "t");
    }
    return empty;
}

/// A load reads the slave while production's transaction is open. That may take long, and what the application might
/// want must not be held meanwhile: where rows of a parent have to be written first, the child is staged instead.
void stage_behind_staged(
    const plan& plan, std::vector<prepared_table>& tables, postgres::session& words, jobs::report& report) {
    std::set<table_name> staged;
    for (std::size_t i = 0; i < tables.size(); ++i) {
        const auto& parents = plan.tables[i].parents;
        if (tables[i].how == strategy::load &&
            std::ranges::any_of(parents, [&](const auto& parent) { return staged.contains(parent); })) {
            start_fingerprint(plan.tables[i], side::slave, plan.portable_hashes, words);
            tables[i] = {.how = strategy::whole, .wanted = read_fingerprint(words)};
            report.tables[i].total = tables[i].wanted.rows;
        }
        if (tables[i].how == strategy::whole || tables[i].how == strategy::rows) staged.insert(plan.tables[i].name);
    }
}

prepared_table stage_chosen(
    const table_plan& table, bool portable, const fingerprint& found, slave_sessions& slave,
    postgres::session& production, staging_area& staging, jobs::table_report& report) {
    staging_area::picker picker{staging, table, slave.rows};
    bool whole = false;
    const auto difference = find_difference(table, portable, slave.words, production, [&](const wanted_row& row) {
        whole = whole || is_cheaper_whole(picker.wanted().rows, found.rows);
        if (!whole) picker.want(row);
    });
    report.bytes += difference.bytes;
    return whole ? staging.stage_whole(table, slave.rows, found) : picker.finish();
}

} // namespace

std::vector<prepared_table> survey(
    const plan& plan, slave_sessions& slave, postgres::session& production, const jobs::run_context& run,
    jobs::report& report) {
    const auto empty = find_empty(plan, production);
    std::vector<prepared_table> tables(plan.tables.size());
    for (std::size_t i = 0; i < tables.size(); ++i) {
        const auto& table = plan.tables[i];
        auto& counts = report.tables.emplace_back();
        counts.name = table.name.text();
        const stopwatch watch{counts};
        run.progress->rows(counts.name, 0, table.estimated_rows);
        if (empty[i] && may_load(table)) {
            tables[i].how = strategy::load;
            continue;
        }
        const auto found = take_fingerprints(table, plan.portable_hashes, slave.words, production);
        tables[i].how = choose_strategy(table, found);
        tables[i].wanted = found.slave;
        counts.total = counts.unchanged = found.slave.rows;
        run.progress->rows(counts.name, counts.total, counts.total);
    }
    stage_behind_staged(plan, tables, slave.words, report);
    return tables;
}

void prepare(
    const plan& plan, std::vector<prepared_table>& tables, slave_sessions& slave, postgres::session& production,
    staging_area& staging, const jobs::run_context& run, jobs::report& report) {
    for (std::size_t i = 0; i < tables.size(); ++i) {
        const auto& table = plan.tables[i];
        auto& counts = report.tables[i];
        if (tables[i].how == strategy::rows || tables[i].how == strategy::whole) {
            const stopwatch watch{counts};
            run.progress->rows(counts.name, 0, counts.total);
            tables[i] =
                tables[i].how == strategy::whole
                    ? staging.stage_whole(table, slave.rows, tables[i].wanted)
                    : stage_chosen(table, plan.portable_hashes, tables[i].wanted, slave, production, staging, counts);
            counts.bytes += tables[i].bytes;
        }
        counts.strategy = to_string(tables[i].how);
    }
}

jobs::table_report
compare(const table_plan& table, bool portable, postgres::session& slave, postgres::session& production) {
    jobs::table_report report;
    report.name = table.name.text();
    const stopwatch watch{report};
    const auto found = take_fingerprints(table, portable, slave, production);
    report.total = found.slave.rows;
    if (!found.equal()) {
        const auto difference = find_difference(table, portable, slave, production, {});
        report.missing = difference.missing;
        report.different = difference.different;
        report.extra = difference.extra;
        report.bytes = difference.bytes;
    }
    report.unchanged = report.total - report.missing - report.different;
    return report;
}

} // namespace tidesync::slave_to_prod
