#include "jobs/slave_to_prod/stage.hpp"

#include "jobs/slave_to_prod/delete_statements.hpp"
#include "jobs/slave_to_prod/write_statements.hpp"
#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sql/slave_to_prod.hpp>
#include <utility>

namespace tidesync::slave_to_prod {

namespace {

constexpr std::string_view production_side = "production";

// Some 250 KB of SQL, and few enough that a slow link does not stand idle for long between two batches.
constexpr std::size_t batch_rows = 16UL * 1024;

} // namespace

staging_area::staging_area(
    const postgres::address& production, const jobs::run_context& run, server_limits limits,
    std::vector<std::string>& warnings)
    : production_{production}
    , run_{run}
    , limits_{limits} {
    drop_left_overs(warnings);
}

staging_area::~staging_area() {
    try {
        drop(made_, limits_);
    } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): the next run drops what is left
    }
}

stager staging_area::open(const jobs::run_context& run) { return {*this, run}; }

void staging_area::complete(const plan& plan, std::vector<prepared_table>& tables) {
    auto last_look = open(run_);
    for (std::size_t i = 0; i < tables.size(); ++i)
        if (tables[i].how == strategy::rows || tables[i].how == strategy::whole)
            last_look.complete(plan.tables[i], tables[i]);
}

table_name staging_area::next_name() {
    const std::scoped_lock lock{mutex_};
    return made_.emplace_back(staging_name(run_.job, run_.lease_token, made_.size()));
}

void staging_area::drop_left_overs(std::vector<std::string>& warnings) {
    const auto old = postgres::named(production_side, "looking for staging tables of earlier runs", [&] {
        auto connection = postgres::connect(production_, production_side);
        pqxx::work transaction{connection};
        std::vector<table_name> found;
        for (const auto& row :
             postgres::query(transaction, sql::find_old_staging.text, staging_prefix(run_.job), run_.lease_token))
            found.push_back({"tidesync_staging", row["relname"].as<std::string>()});
        return found;
    });
    // A worker that was stopped in the middle still holds its table. Not worth waiting for: a later run drops it.
    auto hurried = limits_;
    hurried.lock = std::min(hurried.lock, std::chrono::seconds{1});
    for (const auto& table : old) {
        try {
            postgres::named(production_side, fmt::format("dropping {}", table.text()), [&] { drop({table}, hurried); });
        } catch (const postgres::error& e) {
            warnings.push_back(
                fmt::format("a staging table of an earlier run is left, and a later run will drop it: {}", e.what()));
        }
    }
}

void staging_area::drop(const std::vector<table_name>& tables, const server_limits& limits) {
    if (tables.empty()) return;
    auto connection = postgres::connect(production_, production_side);
    for (const auto& table : tables) {
        pqxx::work transaction{connection};
        transaction.exec(set_limits(limits) + "DROP TABLE IF EXISTS " + table.sql());
        transaction.commit();
    }
}

stager::stager(staging_area& area, const jobs::run_context& run)
    : area_{area}
    , run_{run} {}

table_name stager::make_rows_table(const table_plan& table) { return make_table(table, create_staging); }

table_name stager::make_gone_table(const table_plan& table) { return make_table(table, create_gone); }

std::int64_t
stager::bring_all(const table_plan& table, const table_name& into, postgres::session& slave, std::int64_t rows) {
    const auto name = table.name.text();
    return copy(table, slave, copy_out(table), copy_in(table, into), [&](const auto& so_far) {
        run_.progress->rows(name, so_far.rows, rows);
    });
}

std::int64_t stager::bring_keys(const table_plan& table, const table_name& into, postgres::session& production) {
    return copy(table, production, copy_keys(table), copy_gone_in(table, into), {});
}

void stager::complete(const table_plan& table, prepared_table& prepared) {
    const auto activity = fmt::format("comparing the staged rows of {}", table.name.text());
    writer().execute(
        "BEGIN; " + set_limits(area_.limits_) + pin_text_output() + "SET LOCAL search_path = pg_catalog; ANALYZE " +
            prepared.staging.sql(),
        activity);
    if (!std::exchange(prepared.counted, true)) {
        const auto counts = writer().query(count_changes(table, prepared.staging), activity).at(0);
        prepared.missing = number_in(counts.at(0));
        prepared.different = number_in(counts.at(1));
    }
    if (table.deletes != delete_policy::off) {
        writer().execute("ANALYZE " + prepared.gone.sql(), activity);
        writer().execute(keep_staged(table, prepared.gone, prepared.staging), activity);
        writer().execute("ANALYZE " + prepared.gone.sql(), activity);
        prepared.gone_keys = ask_fingerprint(writer(), fingerprint_gone(table, prepared.gone), activity);
    }
    writer().execute("COMMIT", activity);
}

stager::picker::picker(stager& stager, const table_plan& table, side where, postgres::session& from, table_name into)
    : stager_{stager}
    , table_{table}
    , side_{where}
    , from_{from}
    , into_{std::move(into)} {}

void stager::picker::want(const row_place& place) {
    places_.push_back(place);
    if (places_.size() >= batch_rows) fetch();
}

std::int64_t stager::picker::finish() {
    fetch();
    return bytes_;
}

void stager::picker::fetch() {
    std::ranges::sort(places_); // by partition, then as they lie
    for (auto first = places_.begin(); first != places_.end();) {
        const auto last =
            std::find_if(first, places_.end(), [&](const row_place& place) { return place.table != first->table; });
        fetch_from(partition_name(first->table), {first, last});
        first = last;
    }
    places_.clear();
}

void stager::picker::fetch_from(const std::string& partition, std::span<const row_place> places) {
    bytes_ +=
        side_ == side::slave
            ? stager_.copy(table_, from_, copy_out_at(table_, partition, places), copy_in(table_, into_), {})
            : stager_.copy(table_, from_, copy_keys_at(table_, partition, places), copy_gone_in(table_, into_), {});
}

const std::string& stager::picker::partition_name(std::uint32_t oid) {
    auto& name = partitions_[oid];
    if (oid != 0 && name.empty())
        name = from_.query("SELECT $1::oid::regclass::text", "naming a partition", {std::to_string(oid)})
                   .at(0)
                   .at(0)
                   .value_or("");
    return name;
}

postgres::session& stager::writer() {
    if (!writer_) writer_.emplace(area_.production_, production_side, run_.stop, patience(area_.limits_));
    return *writer_;
}

table_name stager::make_table(const table_plan& table, std::string (*create)(const table_plan&, const table_name&)) {
    auto staging = area_.next_name();
    writer().execute(
        "BEGIN; " + set_limits(area_.limits_) + create(table, staging) + "; COMMIT",
        fmt::format("making a staging table for {}", table.name.text()));
    return staging;
}

std::int64_t stager::copy(
    const table_plan& table, postgres::session& from, const std::string& copy_out, const std::string& copy_in,
    const postgres::session::on_progress& tell) {
    const auto name = table.name.text();
    const auto staging = fmt::format("staging {}", name);
    writer().execute("BEGIN; " + set_limits(area_.limits_) + pin_text_output(), staging);
    const auto moved = from.relay(
        {.out = copy_out, .in = copy_in, .reading = fmt::format("reading {}", name), .writing = staging}, writer(),
        tell);
    writer().execute("COMMIT", staging);
    return moved.bytes;
}

} // namespace tidesync::slave_to_prod
