#include "jobs/slave_to_prod/references.hpp"

#include <algorithm>
#include <cassert>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>

namespace tidesync::slave_to_prod {

namespace {

using parents_of = std::map<table_name, std::set<table_name>>;

/// Adds the parents of parents, and theirs.
parents_of all_ancestors(const parents_of& parents) {
    parents_of ancestors;
    for (const auto& [child, direct] : parents) {
        auto& found = ancestors[child];
        std::vector<table_name> unseen(direct.begin(), direct.end());
        while (!unseen.empty()) {
            const auto next = std::move(unseen.back());
            unseen.pop_back();
            if (!found.insert(next).second) continue;
            const auto& further = parents.at(next);
            unseen.insert(unseen.end(), further.begin(), further.end());
        }
    }
    return ancestors;
}

} // namespace

void sort_by_foreign_keys(plan& plan, const catalog& production) {
    parents_of parents;
    for (const auto& table : plan.tables) parents[table.name];
    for (const auto& key : production.foreign_keys)
        if (key.child != key.parent && parents.contains(key.child) && parents.contains(key.parent))
            parents[key.child].insert(key.parent);
    const auto ancestors = all_ancestors(parents);
    const auto in_one_circle = [&](const table_name& child, const table_name& parent) {
        return ancestors.at(parent).contains(child);
    };

    std::vector<table_plan> sorted;
    std::set<table_name> placed;
    std::vector<std::string> in_circle;
    while (sorted.size() < plan.tables.size()) {
        const auto next = std::ranges::find_if(plan.tables, [&](const table_plan& table) {
            return !placed.contains(table.name) && std::ranges::all_of(parents[table.name], [&](const auto& parent) {
                return placed.contains(parent) || in_one_circle(table.name, parent);
            });
        });
        assert(next != plan.tables.end()); // outside the circles the references have an end
        placed.insert(next->name);
        if (in_one_circle(next->name, next->name)) in_circle.push_back(next->name.text());
        sorted.push_back(*next);
        sorted.back().parents = ancestors.at(next->name);
    }
    plan.tables = std::move(sorted);
    if (in_circle.empty()) return;

    std::vector<std::string> rigid;
    for (const auto& key : production.foreign_keys)
        if (key.child != key.parent && !key.deferrable && parents.contains(key.child) && parents.contains(key.parent) &&
            in_one_circle(key.child, key.parent))
            rigid.push_back(fmt::format("{} on {}", key.name, key.child.text()));
    plan.defer_constraints = true;
    // A circle works when at least one constraint of it can wait; insist on all, which is simple to tell and do.
    if (!rigid.empty())
        plan.problems.push_back(fmt::format(
            "tables {} refer to each other in a circle: make the foreign keys DEFERRABLE ({}), or exclude a table",
            fmt::join(in_circle, ", "), fmt::join(rigid, ", ")));
}

void check_cascades(const catalog& production, plan& plan) {
    const auto find = [&](const table_name& name) { return std::ranges::find(plan.tables, name, &table_plan::name); };
    for (const auto& key : production.foreign_keys) {
        const auto parent = find(key.parent);
        if (parent == plan.tables.end() || parent->deletes != delete_policy::hard || key.on_delete.empty()) continue;
        const auto child = find(key.child);
        if (child != plan.tables.end() && child->deletes == delete_policy::hard) {
            // Its rows go first; should one be left that refers to a row that is to go, that one stays.
            parent->cascades.push_back({key.name, key.child, key.columns, key.parent_columns, key.operators});
            continue;
        }
        plan.problems.push_back(fmt::format(
            "table {} is to have rows deleted, and foreign key {} says ON DELETE {}: rows of {} would go along. Set "
            "delete: hard for that table as well, or delete: soft for this one",
            key.parent.text(), key.name, key.on_delete, key.child.text()));
    }
}

} // namespace tidesync::slave_to_prod
