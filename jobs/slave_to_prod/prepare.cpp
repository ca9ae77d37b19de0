#include "jobs/slave_to_prod/prepare.hpp"

#include "jobs/slave_to_prod/difference.hpp"
#include "jobs/slave_to_prod/landing.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
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

/// Finds out whether the filters are conditions that both sides understand.
/// @throws refused_to_apply
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

/// One entry for each table, with nothing in it but the name.
void name_tables(const plan& plan, jobs::report& report) {
    for (const auto& table : plan.tables) report.tables.emplace_back().name = table.name.text();
}

/// What is known about the rows of a table, before or after they were counted.
std::int64_t rows_in(const table_plan& table, const jobs::table_report& counts) {
    return counts.total > 0 ? counts.total : table.estimated_rows;
}

/// Compares a table as a whole, if that is worth a scan, and chooses.
prepared_table look_at(
    const table_plan& table, bool portable, bool empty, reader& reader, jobs::table_report& counts,
    jobs::progress_sink& progress) {
    const stopwatch watch{counts};
    prepared_table prepared;
    if (empty && may_load(table)) {
        prepared.how = strategy::load;
        prepared.missing = table.estimated_rows;
        return prepared;
    }
    progress.rows(counts.name, 0, table.estimated_rows);
    if (may_skip_fingerprint(table) && highest_keys_differ(table, reader.slave.words, reader.production.words)) {
        prepared.how = strategy::rows;
    } else {
        const auto found = take_fingerprints(table, portable, reader.slave.words, reader.production.words);
        prepared.how = choose_strategy(table, found);
        prepared.wanted = found.slave;
        prepared.production_rows = found.production.rows;
        counts.total = counts.unchanged = found.slave.rows;
    }
    progress.rows(counts.name, rows_in(table, counts), rows_in(table, counts));
    return prepared;
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

/// Counts what differs; moves nothing.
void compare_rows(const table_plan& table, bool portable, reader& reader, jobs::table_report& counts) {
    auto& [number, slave, production] = reader;
    const stopwatch watch{counts};
    const auto found = take_fingerprints(table, portable, slave.words, production.words);
    counts.total = found.slave.rows;
    if (!found.equal()) {
        const auto difference = find_difference(table, portable, slave.words, production.words, {});
        counts.missing = difference.missing;
        counts.different = difference.different;
        (table.deletes == delete_policy::off ? counts.extra : counts.deleted) = difference.extra;
        counts.bytes = difference.bytes;
    }
    counts.unchanged = counts.total - counts.missing - counts.different;
}

/// Stages rows that differ, and finds those that are gone, while both sides send their words. Turns to all rows when so
/// many differ that they are cheaper.
void stage_chosen(
    const table_plan& table, bool portable, prepared_table& prepared, reader& reader, stager& stager,
    jobs::table_report& counts, jobs::progress_sink& progress) {
    auto& [number, slave, production] = reader;
    // As the fingerprint counted them, or as the server last did.
    const auto slave_rows = prepared.wanted.rows > 0 ? prepared.wanted.rows : table.estimated_rows;
    const bool deletes = table.deletes != delete_policy::off;
    prepared.staging = stager.make_rows_table(table);
    if (deletes) prepared.gone = stager.make_gone_table(table);
    prepared.wanted = {};
    stager::picker rows{stager, table, side::slave, *slave.rows, prepared.staging};
    std::optional<stager::picker> gone;
    difference_listener listener;
    bool whole = false;
    listener.compared = [&](std::int64_t so_far) { progress.rows(counts.name, so_far, slave_rows); };
    listener.want = [&](const wanted_row& row) {
        whole = whole || is_cheaper_whole(prepared.wanted.rows, slave_rows);
        if (whole) return;
        prepared.wanted.add(row.word);
        rows.want(row.place);
    };
    if (deletes) {
        gone.emplace(stager, table, side::production, *production.keys, prepared.gone);
        listener.gone = [&](const row_place& place) { gone->want(place); };
    }
    const auto difference = find_difference(table, portable, slave.words, production.words, listener);
    prepared.missing = difference.missing;
    prepared.different = difference.different;
    prepared.production_rows = difference.production_rows;
    // Rows of production that are outside the filter, or marked, were not asked for: they count as missing here.
    prepared.counted = table.filter.empty() && table.mark.column.empty();
    counts.total = counts.unchanged = difference.slave.rows;
    counts.bytes += difference.bytes + rows.finish() + (gone ? gone->finish() : 0);
    if (whole) {
        prepared.how = strategy::whole;
        prepared.wanted = difference.slave;
        prepared.staging = stager.make_rows_table(table);
        counts.bytes += stager.bring_all(table, prepared.staging, *slave.rows, counts.total);
    }
    progress.rows(counts.name, counts.total, counts.total);
}

void stage_whole(
    const table_plan& table, prepared_table& prepared, reader& reader, stager& stager, jobs::table_report& counts) {
    prepared.staging = stager.make_rows_table(table);
    counts.bytes += stager.bring_all(table, prepared.staging, *reader.slave.rows, counts.total);
    if (table.deletes == delete_policy::off) return;
    // From the snapshot, which is older than the slave's: a row that both sides got since is on nobody's list.
    prepared.gone = stager.make_gone_table(table);
    counts.bytes += stager.bring_keys(table, prepared.gone, reader.production.words);
}

bool is_staged(const prepared_table& table) { return table.how == strategy::rows || table.how == strategy::whole; }

} // namespace

std::vector<prepared_table> survey(const plan& plan, readers& readers, jobs::report& report) {
    auto& [number, slave, production] = readers.first();
    auto& progress = *readers.run().progress;
    check_filters(plan, slave.words, production.words);
    const auto empty = find_empty(plan, production.words);
    name_tables(plan, report);
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < plan.tables.size(); ++i)
        if (!empty[i] || !may_load(plan.tables[i])) rows += plan.tables[i].estimated_rows;
    progress.expect(rows, false);
    std::vector<prepared_table> tables(plan.tables.size());
    readers.for_each_table(plan, [&](reader& reader, std::size_t i) {
        tables[i] = look_at(plan.tables[i], plan.portable_hashes, empty[i], reader, report.tables[i], progress);
    });
    stage_behind_staged(plan, tables, slave.words, report);
    return tables;
}

void prepare(
    const plan& plan, std::vector<prepared_table>& tables, readers& readers, staging_area& staging,
    jobs::report& report) {
    auto& progress = *readers.run().progress;
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < tables.size(); ++i)
        if (is_staged(tables[i])) rows += rows_in(plan.tables[i], report.tables[i]);
    progress.expect(rows, true);
    std::deque<stager> stagers;
    while (stagers.size() < readers.count()) stagers.emplace_back(staging, readers.run());
    readers.for_each_table(plan, [&](reader& reader, std::size_t i) {
        const auto& table = plan.tables[i];
        auto& counts = report.tables[i];
        auto& stager = stagers[reader.number];
        if (is_staged(tables[i])) {
            const stopwatch watch{counts};
            progress.rows(counts.name, 0, rows_in(table, counts));
            if (tables[i].how == strategy::whole)
                stage_whole(table, tables[i], reader, stager, counts);
            else
                stage_chosen(table, plan.portable_hashes, tables[i], reader, stager, counts, progress);
        }
        counts.strategy = to_string(tables[i].how);
    });
}

void compare(const plan& plan, readers& readers, jobs::report& report) {
    auto& [number, slave, production] = readers.first();
    auto& progress = *readers.run().progress;
    check_filters(plan, slave.words, production.words);
    name_tables(plan, report);
    std::int64_t rows = 0;
    for (const auto& table : plan.tables) rows += table.estimated_rows;
    progress.expect(rows, false);
    readers.for_each_table(plan, [&](reader& reader, std::size_t i) {
        auto& counts = report.tables[i];
        progress.rows(counts.name, 0, plan.tables[i].estimated_rows);
        compare_rows(plan.tables[i], plan.portable_hashes, reader, counts);
        progress.rows(counts.name, counts.total, counts.total);
    });
}

} // namespace tidesync::slave_to_prod
