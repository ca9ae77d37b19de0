#include "jobs/slave_to_prod/apply.hpp"

#include "jobs/failpoint.hpp"
#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sql/slave_to_prod.hpp>
#include <thread>

namespace tidesync::slave_to_prod {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view side = "production";
constexpr std::string_view job_name = "slave-to-prod";

/// Cancels what a connection is running for as long as a stop is requested. Repeats, because a cancel that arrives
/// between two statements is lost.
class cancel_on_stop {
public:
    cancel_on_stop(pqxx::connection& connection, const std::stop_token& stop)
        : thread_{[&connection, stop, this](const std::stop_token& over) {
            std::unique_lock lock{mutex_};
            while (!over.stop_requested()) {
                if (stop.stop_requested()) cancel(connection);
                wake_.wait_for(lock, over, 200ms, [] { return false; });
            }
        }} {}

private:
    static void cancel(pqxx::connection& connection) noexcept {
        try {
            connection.cancel_query();
        } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): the connection is gone, which ends it too
        }
    }

    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::jthread thread_; // last: it uses the two above
};

void throw_if_stopped(const jobs::run_context& run) {
    if (run.stop.stop_requested())
        throw postgres::error{side, "applying", "57014", "cancelled: the run was told to stop"};
}

void pass_fence(pqxx::transaction_base& transaction, const jobs::run_context& run) {
    if (!jobs::fenced()) return;
    postgres::named(side, "passing the fence tidesync.fence", [&] {
        const std::string job{job_name};
        if (!postgres::query(transaction, sql::pass_fence.text, job, run.lease_token, run.run_id).empty()) return;
        const auto last = postgres::query(transaction, sql::read_fence.text, job)[0];
        throw refused_to_apply{jobs::give_up{
            {jobs::failure_code::superseded,
             fmt::format(
                 "a newer run has passed: {} with token {} on {}; this run's token is {}, and it changed nothing",
                 last["run_id"].as<std::string>(), last["lease_token"].as<std::string>(), last["at"].as<std::string>(),
                 run.lease_token),
             "nothing to do, unless the run store was moved or restored: `tidesync doctor` compares its tokens with "
             "production's"}}};
    });
}

/// A worker that sleeps through its lease must not hold the fence, or rows of production, against its successor.
server_limits shorter_than_the_lease(server_limits limits, const jobs::run_context& run) {
    const auto lease = std::chrono::floor<std::chrono::seconds>(run.lease);
    if (lease.count() > 0) limits.idle_in_transaction = std::min(limits.idle_in_transaction, lease);
    return limits;
}

/// Whether COMMIT may have happened although it was answered with an error: by a pooler, or by a server that is being
/// shut down (one that waits for its standby then has committed, and says FATAL) or has broken. Everything else is what
/// a deferred constraint or trigger, or another transaction, objects with.
bool may_have_committed(std::string_view sqlstate) {
    if (sqlstate.empty() || sqlstate == "25P03" || sqlstate == "25P04") return true;
    constexpr std::array<std::string_view, 5> classes{"08", "53", "57", "58", "XX"};
    return sqlstate != "57014" && std::ranges::find(classes, sqlstate.substr(0, 2)) != classes.end();
}

void commit(pqxx::work& transaction) {
    try {
        postgres::named(side, "committing", [&] { transaction.commit(); });
    } catch (postgres::error& e) {
        e.in_doubt = e.in_doubt || may_have_committed(e.sqlstate());
        throw;
    }
}

/// An earlier attempt may have committed while this one waited for the fence.
std::optional<jobs::report> read_receipt(pqxx::transaction_base& transaction, const std::string& run_id) {
    const auto found = postgres::query(transaction, sql::find_receipt.text, run_id);
    if (found.empty() || !jobs::fenced()) return std::nullopt;
    try {
        return nlohmann::json::parse(found[0]["summary"].as<std::string>()).get<jobs::report>();
    } catch (const nlohmann::json::exception&) { // that it is there is what counts
        jobs::report unread;
        unread.warnings.emplace_back("an earlier attempt changed production, and its receipt in tidesync.applied was "
                                     "written by another version: what it counted cannot be shown");
        return unread;
    }
}

/// UNLOGGED tables are empty after a crash of the server, and an empty one would look like "nothing to do".
void check_staged(pqxx::transaction_base& transaction, const table_plan& table, const staged_table& staged) {
    const auto name = table.name.text();
    postgres::named(side, fmt::format("checking the staged rows of {}", name), [&] {
        const auto rows = transaction.exec("SELECT count(*) FROM " + staged.where.sql())[0][0].as<std::int64_t>();
        if (rows != staged.rows)
            throw refused_to_apply{jobs::retry{
                1s,
                {jobs::failure_code::busy, fmt::format("of {} staged rows of {} {} are left", staged.rows, name, rows),
                 "the production server crashed or somebody changed tidesync_staging; the run starts afresh"}}};
        if (table.key_unique_on_slave && table.key_unique_in_production) return;
        if (!table.key_unique_in_production && !transaction.exec(find_doubled_targets(table, staged.where)).empty())
            throw refused_to_apply{jobs::give_up{
                {jobs::failure_code::plan_refused,
                 fmt::format(
                     "table {}: the key ({}) is the same in several rows of production", name,
                     fmt::join(table.key, ", ")),
                 "choose columns that tell every row apart: set key: in tidesync.yaml, or exclude the table"}}};
        const auto bad = transaction.exec(find_bad_keys(table, staged.where));
        const bool nulls = bad[0]["nulls"].as<bool>();
        if (!nulls && !bad[0]["doubles"].as<bool>()) return;
        throw refused_to_apply{jobs::give_up{
            {jobs::failure_code::plan_refused,
             fmt::format(
                 "table {}: the key ({}) {} on the slave", name, fmt::join(table.key, ", "),
                 nulls ? "is null in some rows" : "is the same in several rows"),
             "choose columns that tell every row apart: set key: in tidesync.yaml, or exclude the table"}}};
    });
}

void check_fixed_columns(pqxx::transaction_base& transaction, const table_plan& table, const staged_table& staged) {
    const auto find = find_fixed_difference(table, staged.where);
    if (find.empty()) return;
    const auto name = table.name.text();
    if (postgres::named(side, fmt::format("comparing {}", name), [&] { return transaction.exec(find); }).empty())
        return;
    throw refused_to_apply{jobs::give_up{
        {jobs::failure_code::data_refused,
         fmt::format(
             "table {}: column {} differs in some rows, and production has it GENERATED ALWAYS AS IDENTITY, which "
             "cannot "
             "be updated",
             name, fmt::join(fixed_columns(table), ", ")),
         "ALTER TABLE ... ALTER COLUMN ... SET GENERATED BY DEFAULT in production, or exclude the table"}}};
}

/// Triggers and rules of production have the last word on what lands. Look whether they used it.
void check_rewritten(
    pqxx::transaction_base& transaction, const table_plan& table, const staged_table& staged, jobs::report& report,
    jobs::table_report& counts) {
    if (table.rewriters.empty()) return;
    const auto name = table.name.text();
    const auto unlike = postgres::named(side, fmt::format("comparing {}", name), [&] {
        return transaction.exec(count_unlike(table, staged.where))[0];
    });
    counts.missing = unlike["missing"].as<std::int64_t>();
    counts.different = unlike["different"].as<std::int64_t>();
    if (counts.missing > 0)
        throw refused_to_apply{jobs::give_up{
            {jobs::failure_code::data_refused,
             fmt::format(
                 "table {}: {} rows did not land: {} of production dropped them", name, counts.missing,
                 table.rewriters),
             "let the rows of the sync pass, or exclude the table"}}};
    if (counts.different > 0)
        report.warnings.push_back(fmt::format(
            "table {}: {} rows are not as on the slave: {} of production changed them. They will be updated again by "
            "every run: let the rows of the sync pass, or exclude the table",
            name, counts.different, table.rewriters));
}

void apply_table(
    pqxx::transaction_base& transaction, const table_plan& table, const staged_table& staged, jobs::report& whole,
    jobs::table_report& report) {
    const auto start = std::chrono::steady_clock::now();
    const auto name = table.name.text();
    check_staged(transaction, table, staged);
    postgres::named(side, fmt::format("inserting into {}", name), [&] {
        report.inserted =
            static_cast<std::int64_t>(transaction.exec(insert_missing(table, staged.where)).affected_rows());
    });
    const auto update = update_different(table, staged.where);
    if (!update.empty())
        postgres::named(side, fmt::format("updating {}", name), [&] {
            report.updated = static_cast<std::int64_t>(transaction.exec(update).affected_rows());
        });
    check_fixed_columns(transaction, table, staged);
    check_rewritten(transaction, table, staged, whole, report);
    // A row that a trigger changed on its way in is inserted and updated.
    report.unchanged = std::max<std::int64_t>(0, report.total - report.inserted - report.updated);
    report.took += std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
}

void move_sequences(pqxx::transaction_base& transaction, const table_plan& table, const staged_table& staged) {
    for (const auto& sequence : table.sequences)
        postgres::named(side, fmt::format("moving sequence {} forward", sequence.sql), [&] {
            transaction.exec(forward_sequence(sequence, staged.where));
        });
}

} // namespace

std::optional<jobs::report> find_receipt(const postgres::address& production, const std::string& run_id) {
    return postgres::named(side, "looking for the receipt in tidesync.applied", [&]() -> std::optional<jobs::report> {
        auto connection = postgres::connect(production, side);
        pqxx::work transaction{connection};
        return read_receipt(transaction, run_id);
    });
}

std::optional<jobs::report>
fence_off(const postgres::address& production, const server_limits& limits, const jobs::run_context& run) {
    return postgres::named(side, "passing the fence for a last look", [&] {
        auto connection = postgres::connect(production, side);
        pqxx::work transaction{connection};
        transaction.exec(set_limits(shorter_than_the_lease(limits, run)));
        // No row means that an even newer run has passed: then older ones cannot either.
        postgres::query(transaction, sql::pass_fence.text, std::string{job_name}, run.lease_token, run.run_id);
        auto receipt = read_receipt(transaction, run.run_id);
        transaction.commit();
        return receipt;
    });
}

void apply(
    const postgres::address& production, const plan& plan, const std::vector<staged_table>& staged,
    const server_limits& limits, const jobs::run_context& run, jobs::report& report) {
    auto connection = postgres::connect(production, side);
    const cancel_on_stop canceller{connection, run.stop};
    postgres::named(side, "applying", [&] {
        pqxx::work transaction{connection};
        transaction.exec(set_limits(shorter_than_the_lease(limits, run)));
        jobs::failpoint("apply.begun");
        pass_fence(transaction, run);
        jobs::failpoint("apply.fence_passed");
        if (auto receipt = read_receipt(transaction, run.run_id)) {
            report = std::move(*receipt);
            return;
        }
        if (plan.defer_constraints) transaction.exec("SET CONSTRAINTS ALL DEFERRED");
        for (std::size_t i = 0; i < plan.tables.size(); ++i) {
            throw_if_stopped(run);
            run.progress->rows(plan.tables[i].name.text(), staged[i].rows, staged[i].rows);
            apply_table(transaction, plan.tables[i], staged[i], report, report.tables[i]);
            jobs::failpoint("apply.table_done");
        }
        // Late, because a sequence does not go back when the transaction does.
        for (std::size_t i = 0; i < plan.tables.size(); ++i) move_sequences(transaction, plan.tables[i], staged[i]);
        postgres::named(side, "writing the receipt into tidesync.applied", [&] {
            if (!jobs::fenced()) return;
            postgres::query(
                transaction, sql::write_receipt.text, run.run_id, std::string{job_name}, run.lease_token,
                nlohmann::ordered_json(report).dump());
        });
        throw_if_stopped(run);
        jobs::failpoint("apply.before_commit");
        commit(transaction);
        jobs::failpoint("apply.committed");
    });
}

} // namespace tidesync::slave_to_prod
