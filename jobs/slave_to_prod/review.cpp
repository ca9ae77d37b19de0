#include "jobs/slave_to_prod/review.hpp"

#include "jobs/slave_to_prod/guards.hpp"
#include "jobs/slave_to_prod/landing.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::slave_to_prod {

namespace {

/// FNV-1a. Nobody has an interest in two differences of one name.
class name_maker {
public:
    void add(std::string_view text) {
        for (const char c : text) add_byte(static_cast<unsigned char>(c));
        add_byte(0);
    }

    void add(std::uint64_t number) {
        for (int shift = 0; shift < 64; shift += 8) add_byte(number >> shift & 0xFFU);
    }

    [[nodiscard]] std::string text() const { return fmt::format("{:016x}", hash_); }

private:
    void add_byte(std::uint64_t byte) { hash_ = (hash_ ^ byte) * 0x100000001B3U; }

    std::uint64_t hash_ = 0xCBF29CE484222325U;
};

/// What is the same for a run and a comparison.
run_facts facts_of(const plan& plan, const table_rules& rules, const std::optional<jobs::report>& last) {
    run_facts facts{.source_age = plan.source_age};
    if (rules.drift_stops) facts.drift = plan.drift;
    if (!last) return facts;
    for (const auto& table : last->tables) {
        facts.last_totals[table.name] = table.total;
        const auto is_it = [&](const table_plan& planned) { return planned.name.text() == table.name; };
        const auto dot = table.name.find('.');
        if (std::ranges::none_of(plan.tables, is_it) && dot != std::string::npos &&
            is_selected(rules, {table.name.substr(0, dot), table.name.substr(dot + 1)}))
            facts.missing_tables.push_back(table.name);
    }
    return facts;
}

} // namespace

std::string
name_difference(const plan& plan, const std::vector<prepared_table>& tables, const std::vector<std::string>& beside) {
    name_maker name;
    for (const auto& what : beside) name.add(what);
    for (std::size_t i = 0; i < tables.size(); ++i) {
        const auto& table = tables[i];
        if (table.how == strategy::equal || table.how == strategy::load) continue;
        name.add(plan.tables[i].name.text());
        name.add(static_cast<std::uint64_t>(plan.tables[i].deletes));
        name.add(plan.tables[i].mark.column);
        for (const auto number : {table.wanted.rows, table.missing, table.different, table.gone_keys.rows})
            name.add(static_cast<std::uint64_t>(number));
        name.add(table.wanted.word);
        name.add(table.gone_keys.word);
    }
    return name.text();
}

void review(
    const plan& plan, const std::vector<prepared_table>& tables, const table_rules& rules,
    const std::optional<jobs::report>& last, const jobs::run_context& run, jobs::report& report) {
    auto facts = facts_of(plan, rules, last);
    for (std::size_t i = 0; i < tables.size(); ++i)
        if (tables[i].how != strategy::load) // which changes no row that production has
            facts.tables.push_back(
                {.name = plan.tables[i].name,
                 .limits = plan.tables[i].guards,
                 .deletes = plan.tables[i].deletes != delete_policy::off,
                 .slave_rows = report.tables[i].total,
                 .production_rows = tables[i].production_rows,
                 .missing = tables[i].missing,
                 .different = tables[i].different,
                 .gone = tables[i].gone_keys.rows});
    auto trips = judge(facts, rules);
    if (trips.empty()) return;
    auto beside = plan.drift;
    beside.insert(beside.end(), facts.missing_tables.begin(), facts.missing_tables.end());
    if (is_too_old(facts, rules)) beside.emplace_back("an old source");
    auto difference = name_difference(plan, tables, beside);
    if (run.approved && run.approved->difference == difference) {
        report.approved = run.approved->run_id;
        return;
    }
    for (std::size_t i = 0; i < tables.size(); ++i) {
        report.tables[i].missing = tables[i].missing;
        report.tables[i].different = tables[i].different;
        report.tables[i].extra = tables[i].gone_keys.rows;
    }
    const auto message = fmt::format(
        "{}stopped by a guard, production is as it was: {}",
        run.approved ? fmt::format("what run {} was stopped at is not what differs now; ", run.approved->run_id) : "",
        fmt::join(trips, "; "));
    report.guard = {std::move(difference), std::move(trips)};
    throw refused_to_apply{jobs::give_up{
        {jobs::failure_code::guarded, message,
         fmt::format(
             "if this is right: `tidesync run {} --approve {}` lets exactly this difference through, once; "
             "if it will be right every time, change the setting named above",
             run.job, run.run_id)}}};
}

void foresee(
    const plan& plan, const table_rules& rules, const std::optional<jobs::report>& last, jobs::report& report) {
    auto facts = facts_of(plan, rules, last);
    for (std::size_t i = 0; i < plan.tables.size(); ++i) {
        const auto& table = report.tables[i];
        const bool deletes = plan.tables[i].deletes != delete_policy::off;
        facts.tables.push_back(
            {.name = plan.tables[i].name,
             .limits = plan.tables[i].guards,
             .deletes = deletes,
             .slave_rows = table.total,
             .production_rows = table.total - table.missing + table.extra + table.deleted,
             .missing = table.missing,
             .different = table.different,
             .gone = table.deleted});
    }
    for (const auto& trip : judge(facts, rules))
        report.warnings.push_back(fmt::format("a guard would stop a run: {}", trip));
}

} // namespace tidesync::slave_to_prod
