#include "worker/doctor_findings.hpp"

#include "jobs/stores/postgres/connection.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidesync::worker {

namespace {

using state = check::state;

constexpr std::size_t names_shown_max = 5;

/// The first few, and how many more.
std::string few(const std::vector<std::string>& names) {
    const auto shown = std::min(names.size(), names_shown_max);
    auto text = fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
    if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
    return text;
}

std::string grants(const std::vector<std::string>& missing, std::string_view role) {
    std::string statements;
    for (const auto& what : missing) statements += fmt::format(" GRANT {} TO \"{}\";", what, role);
    return statements;
}

void judge_reader(const database_facts& of, const server_state& server, std::vector<check>& lines) {
    const auto& role = server.role;
    constexpr auto remedy =
        "a role of its own is enough: CREATE ROLE tidesync_reader LOGIN; GRANT USAGE on the schemas "
        "and SELECT on the tables to it";
    const bool nobody_writes = server.in_recovery || server.read_only;
    if (server.superuser && !nobody_writes)
        lines.push_back({state::warning, fmt::format("slave: role {} is a superuser, to read", role), remedy});
    else if (of.writable_tables > 0 && !nobody_writes)
        lines.push_back(
            {state::warning,
             fmt::format(
                 "slave: role {} may write to {} table{}, such as {}; it only has to read", role, of.writable_tables,
                 of.writable_tables == 1 ? "" : "s", of.writable_example),
             remedy});
    else
        lines.push_back({state::ok, fmt::format("slave: role {} cannot write", role), {}});
}

void judge_writer(const database_facts& of, const server_state& server, std::vector<check>& lines) {
    const auto& role = server.role;
    if (server.superuser) {
        lines.push_back(
            {state::warning, fmt::format("{}: role {} is a superuser", of.name, role),
             "let `migrate` run as the owner, and runs as a role with what docs/configuration.md lists under \"What "
             "the "
             "roles need\""});
        return;
    }
    std::vector<std::string> missing;
    bool owner = false;
    std::string rewritable;
    for (const auto& rights : of.rights) {
        missing.insert(missing.end(), rights.missing.begin(), rights.missing.end());
        owner = owner || rights.owner;
        rewritable = rights.rewritable;
    }
    if (!missing.empty())
        lines.push_back(
            {state::problem, fmt::format("{}: role {} lacks {}", of.name, role, few(missing)),
             missing.size() <= names_shown_max ? "as the owner of schema tidesync:" + grants(missing, role)
                                               : "docs/configuration.md, \"What the roles need\", has the statements"});
    if (owner)
        lines.push_back(
            {state::note, fmt::format("{}: role {} owns schema tidesync and may change its tables", of.name, role),
             "least privilege: `migrate` as one role, everything else as another"});
    else if (!rewritable.empty())
        lines.push_back(
            {state::warning,
             fmt::format("{}: role {} may rewrite what is only ever added to: {}", of.name, role, rewritable),
             fmt::format("REVOKE UPDATE, DELETE, TRUNCATE ON {} FROM \"{}\";", rewritable, role)});
    if (missing.empty() && !owner)
        lines.push_back({state::ok, fmt::format("{}: role {} has what runs need in tidesync", of.name, role), {}});
}

void judge_hidden(
    const slave_to_prod::plan& plan, std::string_view side, const std::vector<slave_to_prod::table_name>& hidden,
    std::vector<check>& lines) {
    std::vector<std::string> names;
    for (const auto& table : plan.tables)
        if (std::ranges::find(hidden, table.name) != hidden.end()) names.push_back(table.name.text());
    if (names.empty()) return;
    lines.push_back(
        {state::problem, fmt::format("{}: row level security applies to the role on {}", side, few(names)),
         "runs refuse to see less than everything: use a role with BYPASSRLS, or exclude the tables"});
}

} // namespace

std::vector<check> judge_rights(const database_facts& of) {
    if (!of.server) return {};
    std::vector<check> lines;
    for (const auto& schema : of.schemas) {
        const bool told = std::ranges::any_of(lines, [&](const auto& line) { return line.text == schema.problem; });
        if (!schema.problem.empty() && !told) lines.push_back({state::problem, schema.problem, schema.hint});
    }
    if (of.is_slave)
        judge_reader(of, *of.server, lines);
    else if (lines.empty())
        judge_writer(of, *of.server, lines);
    return lines;
}

std::vector<check> judge_tables(
    const slave_to_prod::plan& plan, const std::vector<slave_to_prod::table_name>& hidden_on_slave,
    const std::vector<slave_to_prod::table_name>& hidden_in_production) {
    std::vector<check> lines;
    lines.reserve(plan.problems.size() + plan.warnings.size() + 3);
    for (const auto& problem : plan.problems) lines.push_back({state::problem, problem, {}});
    for (const auto& warning : plan.warnings) lines.push_back({state::warning, warning, {}});
    judge_hidden(plan, "slave", hidden_on_slave, lines);
    judge_hidden(plan, "production", hidden_in_production, lines);
    if (plan.problems.empty())
        lines.insert(
            lines.begin(),
            {state::ok, fmt::format("tables that can be read, keyed and written: {}", plan.tables.size()), {}});
    return lines;
}

std::vector<slave_to_prod::table_name> find_undeletable(
    const slave_to_prod::catalog& slave, const slave_to_prod::catalog& production,
    const slave_to_prod::table_rules& rules) {
    std::vector<slave_to_prod::table_name> names;
    for (const auto& [name, table] : production.relations)
        if (!table.may_delete && table.may_use_schema && slave.relations.contains(name) && is_included(rules, name) &&
            settings_of(rules, name).deletes == slave_to_prod::delete_policy::hard)
            names.push_back(name);
    return names;
}

std::vector<check> judge_deletes(const std::vector<slave_to_prod::table_name>& undeletable, std::string_view role) {
    if (undeletable.empty()) return {};
    std::vector<std::string> names;
    std::vector<std::string> quoted;
    for (const auto& table : undeletable) {
        names.push_back(table.text());
        quoted.push_back(table.sql());
    }
    return {
        {state::problem,
         fmt::format(
             "production: role {} may not delete rows of {}, where tidesync.yaml says delete: hard", role, few(names)),
         fmt::format(
             "as the owner of the tables: GRANT DELETE ON {} TO {}; or say delete: off or soft",
             fmt::join(quoted, ", "), postgres::quote_name(role))}};
}

} // namespace tidesync::worker
