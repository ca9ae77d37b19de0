#include "jobs/slave_to_prod/apply.hpp"

#include "jobs/failpoint.hpp"
#include "jobs/slave_to_prod/landing.hpp"
#include "jobs/slave_to_prod/pause.hpp"
#include "jobs/slave_to_prod/write_statements.hpp"
#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sql/slave_to_prod.hpp>

namespace tidesync::slave_to_prod {

namespace {

constexpr std::string_view production_side = "production";
constexpr int attempts_max = 4; // at one transaction; then the run starts afresh, with a new snapshot

void throw_if_stopped(const jobs::run_context& run) {
    if (run.stop.stop_requested())
        throw postgres::error{production_side, "applying", "57014", "cancelled: the run was told to stop"};
}

void pass_fence(postgres::session& production, const jobs::run_context& run) {
    if (!jobs::fenced()) return;
    const auto* activity = "passing the fence tidesync.fence";
    if (!production.query(sql::pass_fence.text, activity, {run.job, std::to_string(run.lease_token), run.run_id})
             .empty())
        return;
    const auto last = production.query(sql::read_fence.text, activity, {run.job}).at(0);
    throw refused_to_apply{jobs::give_up{
        {jobs::failure_code::superseded,
         fmt::format(
             "a newer run has passed: {} with token {} on {}; this run's token is {}, and it changed nothing",
             last.at(1).value_or(""), last.at(0).value_or(""), last.at(2).value_or(""), run.lease_token),
         "nothing to do, unless the run store was moved or restored: `tidesync doctor` compares its tokens with "
         "production's"}}};
}

/// A worker that sleeps through its lease must not hold the fence, or rows of production, against its successor.
server_limits shorter_than_the_lease(server_limits limits, const jobs::run_context& run) {
    const auto lease = std::chrono::floor<std::chrono::seconds>(run.lease);
    if (lease.count() > 0) limits.idle_in_transaction = std::min(limits.idle_in_transaction, lease);
    return limits;
}

std::optional<jobs::report> parse_receipt(const std::optional<std::string>& summary) {
    if (!summary || !jobs::fenced()) return std::nullopt;
    try {
        return nlohmann::json::parse(*summary).get<jobs::report>();
    } catch (const nlohmann::json::exception&) { // that it is there is what counts
        jobs::report unread;
        unread.warnings.emplace_back("an earlier attempt changed production, and its receipt in tidesync.applied was "
                                     "written by another version: what it counted cannot be shown");
        return unread;
    }
}

std::optional<jobs::report> read_receipt(pqxx::transaction_base& transaction, const std::string& run_id) {
    const auto found = postgres::query(transaction, sql::find_receipt.text, run_id);
    return parse_receipt(found.empty() ? std::nullopt : std::optional{found[0]["summary"].as<std::string>()});
}

/// An earlier attempt may have committed while this one waited for the fence.
std::optional<jobs::report> read_receipt(postgres::session& production, const std::string& run_id) {
    const auto found =
        production.query(sql::find_receipt.text, "looking for the receipt in tidesync.applied", {run_id});
    return parse_receipt(found.empty() ? std::nullopt : found[0].at(0));
}

/// One attempt at the transaction.
class application {
public:
    application(
        postgres::session& production, const plan& plan, const std::vector<prepared_table>& tables,
        slave_sessions& slave, const jobs::run_context& run, jobs::report& report)
        : production_{production}
        , plan_{plan}
        , tables_{tables}
        , slave_{slave}
        , run_{run}
        , report_{report}
        , written_(tables.size())
        , cleared_(tables.size()) {}

    void change_rows() {
        // Words are taken as the slave takes them: no path, so that every name in them is qualified.
        production_.execute("SET LOCAL search_path = pg_catalog", "beginning to apply");
        for (std::size_t i = 0; i < tables_.size(); ++i)
            if (is_staged(i))
                written_[i] = check_staged(production_, plan_.tables[i], tables_[i], plan_.portable_hashes);
        // Triggers of production find what their path has always found, and see the time zone they have always seen.
        production_.execute(own_text_output() + "SET LOCAL search_path TO DEFAULT", "beginning to apply");
        if (plan_.defer_constraints) production_.execute("SET CONSTRAINTS ALL DEFERRED", "deferring constraints");
        expect_rows();
        // Loads first: they take long, and hold nothing that the application might want.
        if (bring_all([](strategy how) { return how == strategy::load; })) close_snapshot(slave_);
        hold_gone();
        bring_all([](strategy how) { return how == strategy::rows || how == strategy::whole; });
        // Children first, and after all rows have been led to other parents.
        for (auto i = tables_.size(); i-- > 0;) clear(i);
        // What is deferred happens now, so that its objections come before COMMIT, and nothing changes what is proven.
        production_.execute("SET CONSTRAINTS ALL IMMEDIATE", "checking deferred constraints");
        production_.execute(pin_text_output() + "SET LOCAL search_path = pg_catalog", "beginning to prove");
        for (std::size_t i = 0; i < tables_.size(); ++i) {
            throw_if_stopped(run_);
            prove(i);
        }
        // Late, because a sequence does not go back when the transaction does.
        for (std::size_t i = 0; i < tables_.size(); ++i) move_sequences(i);
    }

private:
    [[nodiscard]] bool is_staged(std::size_t i) const {
        return tables_[i].how == strategy::rows || tables_[i].how == strategy::whole;
    }

    void expect_rows() {
        std::int64_t rows = 0;
        for (std::size_t i = 0; i < tables_.size(); ++i) {
            if (tables_[i].how == strategy::load) rows += plan_.tables[i].estimated_rows;
            if (is_staged(i)) rows += tables_[i].wanted.rows;
        }
        run_.progress->expect(rows, false); // most are written by one statement for each table
    }

    /// @returns whether there was any
    template <typename Which>
    bool bring_all(Which&& which) {
        bool any = false;
        for (std::size_t i = 0; i < tables_.size(); ++i) {
            if (!which(tables_[i].how)) continue;
            bring(i);
            any = true;
        }
        return any;
    }

    void bring(std::size_t i) {
        throw_if_stopped(run_);
        const auto start = std::chrono::steady_clock::now();
        const auto& table = plan_.tables[i];
        auto& counts = report_.tables[i];
        if (tables_[i].how == strategy::load) {
            written_[i] = load_rows(production_, table, plan_.portable_hashes, slave_, run_, counts);
        } else {
            run_.progress->rows(table.name.text(), 0, tables_[i].wanted.rows);
            cleared_[i] = write_staged(production_, table, tables_[i], counts);
            run_.progress->rows(table.name.text(), tables_[i].wanted.rows, tables_[i].wanted.rows);
        }
        counts.took += std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
        jobs::failpoint("apply.table_done");
    }

    /// As they were found: with the same filter under the same settings.
    void hold_gone() {
        if (std::ranges::none_of(tables_, [](const auto& table) { return table.gone_keys.rows > 0; })) return;
        production_.execute(pin_text_output() + "SET LOCAL search_path = pg_catalog", "beginning to delete");
        for (std::size_t i = 0; i < tables_.size(); ++i) hold_gone_rows(production_, plan_.tables[i], tables_[i]);
        production_.execute(own_text_output() + "SET LOCAL search_path TO DEFAULT", "beginning to apply");
    }

    void clear(std::size_t i) {
        throw_if_stopped(run_);
        const auto& table = plan_.tables[i];
        if (!cleared_[i] && !remove_gone_rows(production_, table, tables_[i], report_.tables[i]))
            throw refused_to_apply{refuse_cascade(table)};
    }

    void prove(std::size_t i) {
        if (tables_[i].how == strategy::load)
            prove_loaded(production_, plan_.tables[i], written_[i], plan_.portable_hashes);
        else if (is_staged(i))
            prove_staged(
                production_, plan_.tables[i], tables_[i].staging, written_[i], plan_.portable_hashes, report_,
                report_.tables[i]);
    }

    void move_sequences(std::size_t i) {
        if (tables_[i].how == strategy::equal) return;
        const auto& table = plan_.tables[i];
        const auto rows = tables_[i].how == strategy::load ? from(table, side::production) : tables_[i].staging.sql();
        for (const auto& sequence : table.sequences)
            production_.execute(
                forward_sequence(sequence, rows), fmt::format("moving sequence {} forward", sequence.sql));
    }

    postgres::session& production_;
    const plan& plan_;
    const std::vector<prepared_table>& tables_;
    slave_sessions& slave_;
    const jobs::run_context& run_;
    jobs::report& report_;
    std::vector<fingerprint> written_; ///< what must be there at the end
    std::vector<bool> cleared_;        ///< what is gone was deleted already
};

void apply_once(
    const postgres::address& address, const plan& plan, const std::vector<prepared_table>& tables,
    slave_sessions& slave, const server_limits& limits, const jobs::run_context& run, jobs::report& report) {
    postgres::session production{address, production_side, run.stop, patience(limits)};
    // Staged rows are few beside the table they belong to, and lie side by side in its index: the planner, who fears
    // random reads of a disk, would rather hash all of the table.
    production.execute(
        "BEGIN; " + set_limits(shorter_than_the_lease(limits, run)) + pin_text_output() +
            "SET LOCAL random_page_cost = 1.1",
        "beginning to apply");
    jobs::failpoint("apply.begun");
    pass_fence(production, run);
    jobs::failpoint("apply.fence_passed");
    if (auto receipt = read_receipt(production, run.run_id)) {
        report = std::move(*receipt);
        return;
    }
    application{production, plan, tables, slave, run, report}.change_rows();
    if (jobs::fenced())
        production.query(
            sql::write_receipt.text, "writing the receipt into tidesync.applied",
            {run.run_id, run.job, std::to_string(run.lease_token), nlohmann::ordered_json(report).dump()});
    throw_if_stopped(run);
    jobs::failpoint("apply.before_commit");
    production.commit();
    jobs::failpoint("apply.committed");
}

/// Whether another transaction objected that will not be there for ever: a deadlock, a serialization failure, a lock.
bool is_in_the_way(std::string_view sqlstate) { return sqlstate.starts_with("40") || sqlstate == "55P03"; }

} // namespace

std::optional<jobs::report> find_receipt(const postgres::address& production, const std::string& run_id) {
    return postgres::named(
        production_side, "looking for the receipt in tidesync.applied", [&]() -> std::optional<jobs::report> {
            auto connection = postgres::connect(production, production_side);
            pqxx::work transaction{connection};
            return read_receipt(transaction, run_id);
        });
}

std::optional<jobs::report> find_last_receipt(const postgres::address& production, const std::string& job) {
    try {
        return postgres::named(
            production_side, "looking for the last receipt in tidesync.applied", [&]() -> std::optional<jobs::report> {
                auto connection = postgres::connect(production, production_side);
                pqxx::work transaction{connection};
                const auto found = postgres::query(transaction, sql::find_last_receipt.text, job);
                if (found.empty()) return std::nullopt;
                return parse_receipt(found[0]["summary"].as<std::string>());
            });
    } catch (const postgres::error& e) {
        const auto& state = e.sqlstate();
        if (state != "42P01" && state != "3F000" && state != "42501") throw;
        return std::nullopt;
    }
}

std::optional<jobs::report>
fence_off(const postgres::address& production, const server_limits& limits, const jobs::run_context& run) {
    return postgres::named(production_side, "passing the fence for a last look", [&] {
        auto connection = postgres::connect(production, production_side);
        pqxx::work transaction{connection};
        transaction.exec(set_limits(shorter_than_the_lease(limits, run)));
        // No row means that an even newer run has passed: then older ones cannot either.
        postgres::query(transaction, sql::pass_fence.text, run.job, run.lease_token, run.run_id);
        auto receipt = read_receipt(transaction, run.run_id);
        transaction.commit();
        return receipt;
    });
}

void apply(
    const postgres::address& production, const plan& plan, const std::vector<prepared_table>& tables,
    slave_sessions& slave, const server_limits& limits, const jobs::run_context& run, jobs::report& report) {
    const bool loads = std::ranges::any_of(tables, [](const auto& table) { return table.how == strategy::load; });
    const auto as_prepared = report;
    for (int attempt = 1;; ++attempt) {
        try {
            return apply_once(production, plan, tables, slave, limits, run, report);
        } catch (const postgres::error& e) {
            // A load that was broken off has read the slave's snapshot half.
            if (loads || attempt == attempts_max || e.in_doubt || !is_in_the_way(e.sqlstate())) throw;
        } catch (const refused_to_apply& refused) {
            if (loads || attempt == attempts_max || !refused.here_again) throw;
        }
        report = as_prepared;
        pause(run.stop, std::chrono::milliseconds{100LL << attempt});
    }
}

} // namespace tidesync::slave_to_prod
