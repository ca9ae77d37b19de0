#pragma once

#include "jobs/slave_to_prod/catalog.hpp"
#include "jobs/slave_to_prod/plan.hpp"

/// What production's foreign keys ask of a plan. Reads no database.
namespace tidesync::slave_to_prod {

/// Parents before children. Among tables that refer to each other in a circle any order will do, when their constraints
/// can wait; of other tables each of them still comes after its parents and before its children.
void sort_by_foreign_keys(plan&, const catalog& production);

/// Where rows are deleted, constraints may take others along that nobody has compared.
void check_cascades(const catalog& production, plan&);

} // namespace tidesync::slave_to_prod
