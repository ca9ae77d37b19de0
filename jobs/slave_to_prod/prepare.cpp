#include "jobs/slave_to_prod/prepare.hpp"

#include "jobs/slave_to_prod/difference.hpp"
#include "jobs/slave_to_prod/landing.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <set>
#include <string>
#include <utility>

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
            tables[i].how = strategy::whole;
            tables[i].wanted = read_fingerprint(words);
            report.tables[i].total = tables[i].wanted.rows;
        }
        if (tables[i].how == strategy::whole || tables[i].how == strategy::rows) staged.insert(plan.tables[i].name);
    }
}

/// Stages rows that differ, and finds those that are gone, while both sides send their words. Turns to all rows when so
/// many differ that they are cheaper.
void stage_chosen(
    const table_plan& table, bool portable, prepared_table& prepared, slave_sessions& slave,
    production_sessions& production, staging_area& staging, jobs::table_report& report) {
    // As the fingerprint counted them, or as the server last did.
    const auto slave_rows = prepared.wanted.rows > 0 ? prepared.wanted.rows : table.estimated_rows;
    const bool deletes = table.deletes != delete_policy::off;
    prepared.staging = staging.make_rows_table(table);
    if (deletes) prepared.gone = staging.make_gone_table(table);
    prepared.wanted = {};
    staging_area::picker rows{staging, table, side::slave, slave.rows, prepared.staging};
    std::optional<staging_area::picker> gone;
    difference_listener listener;
    bool whole = false;
    listener.want = [&](const wanted_row& row) {
        whole = whole || is_cheaper_whole(prepared.wanted.rows, slave_rows);
        if (whole) return;
        prepared.wanted.add(row.word);
        rows.want(row.place);
    };
    if (deletes) {
        gone.emplace(staging, table, side::production, *production.keys, prepared.gone);
        listener.gone = [&](const row_place& place) { gone->want(place); };
    }
    const auto difference = find_difference(table, portable, slave.words, production.words, listener);
    prepared.missing = difference.missing;
    prepared.different = difference.different;
    prepared.production_rows = difference.production_rows;
    // Rows of production that are outside the filter, or marked, were not asked for: they count as missing here.
    prepared.counted = table.filter.empty() && table.mark.column.empty();
    report.total = report.unchanged = difference.slave.rows;
    report.bytes += difference.bytes + rows.finish() + (gone ? gone->finish() : 0);
    if (whole) {
        prepared.how = strategy::whole;
        prepared.wanted = difference.slave;
        prepared.staging = staging.make_rows_table(table);
        report.bytes += staging.bring_all(table, prepared.staging, slave.rows);
    }
}

void stage_whole(
    const table_plan& table, prepared_table& prepared, slave_sessions& slave, production_sessions& production,
    staging_area& staging, jobs::table_report& report) {
    prepared.staging = staging.make_rows_table(table);
    report.bytes += staging.bring_all(table, prepared.staging, slave.rows);
    if (table.deletes == delete_policy::off) return;
    // From the snapshot, which is older than the slave's: a row that both sides got since is on nobody's list.
    prepared.gone = staging.make_gone_table(table);
    report.bytes += staging.bring_keys(table, prepared.gone, production.words);
}

} // namespace

std::vector<prepared_table> survey(
    const plan& plan, slave_sessions& slave, postgres::session& production, const jobs::run_context& run,
    jobs::report& report) {
    check_filters(plan, slave.words, production);
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
            tables[i].missing = table.estimated_rows;
            continue;
        }
        if (may_skip_fingerprint(table) && highest_keys_differ(table, slave.words, production)) {
            tables[i].how = strategy::rows;
            continue;
        }
        const auto found = take_fingerprints(table, plan.portable_hashes, slave.words, production);
        tables[i].how = choose_strategy(table, found);
        tables[i].wanted = found.slave;
        tables[i].production_rows = found.production.rows;
        counts.total = counts.unchanged = found.slave.rows;
        run.progress->rows(counts.name, counts.total, counts.total);
    }
    stage_behind_staged(plan, tables, slave.words, report);
    return tables;
}

void prepare(
    const plan& plan, std::vector<prepared_table>& tables, slave_sessions& slave, production_sessions& production,
    staging_area& staging, const jobs::run_context& run, jobs::report& report) {
    for (std::size_t i = 0; i < tables.size(); ++i) {
        const auto& table = plan.tables[i];
        auto& counts = report.tables[i];
        if (tables[i].how == strategy::rows || tables[i].how == strategy::whole) {
            const stopwatch watch{counts};
            run.progress->rows(counts.name, 0, counts.total);
            if (tables[i].how == strategy::whole)
                stage_whole(table, tables[i], slave, production, staging, counts);
            else
                stage_chosen(table, plan.portable_hashes, tables[i], slave, production, staging, counts);
        }
        counts.strategy = to_string(tables[i].how);
    }
}

void check_filters(const plan& plan, postgres::session& slave, postgres::session& production) {
    for (const auto& table : plan.tables) {
        if (table.filter.empty()) continue;
        try {
            for (const auto& [session, where] :
                 {std::pair{&slave, side::slave}, std::pair{&production, side::production}})
                session->query(
                    fmt::format("SELECT FROM {} LIMIT 0", rows_of(table, where)),
                    fmt::format("trying the filter of {}", table.name.text()));
        } catch (const postgres::error& e) {
            if (!e.sqlstate().starts_with("42") && !e.sqlstate().starts_with("22")) throw;
            throw refused_to_apply{jobs::give_up{
                {jobs::failure_code::plan_refused, e.what(),
                 fmt::format(
                     "correct where: of table {} in tidesync.yaml: a condition over its columns, with types and "
                     "functions outside pg_catalog named with their schema",
                     table.name.text())}}};
        }
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
        (table.deletes == delete_policy::off ? report.extra : report.deleted) = difference.extra;
        report.bytes = difference.bytes;
    }
    report.unchanged = report.total - report.missing - report.different;
    return report;
}

} // namespace tidesync::slave_to_prod
