#pragma once

#include "worker/settings.hpp"

#include <string>
#include <string_view>
#include <vector>

/// What `check-config` and `setup` look at, a line each.
namespace tidesync::worker {

struct check {
    enum class state { ok, wrong, note };
    state how = state::ok;
    std::string text;
    std::string remedy; ///< what to do, when it is wrong
};

[[nodiscard]] std::string_view to_string(check::state);

/// `  ok     …`, on stdout; a remedy stands below.
void print(const check&);

/// Every setting that is wrong.
[[nodiscard]] std::vector<check> wrong_settings(const loading&);

/// What is set, and what is worth knowing about it.
[[nodiscard]] std::vector<check> good_settings(const loading&);

/// A database: reachable and migrated, or why not.
struct probe {
    std::string name;
    std::string where;
    std::string problem; ///< empty when all is well
};

/// Asks every database that is set for an answer.
[[nodiscard]] std::vector<probe> probe_databases(const settings&);

[[nodiscard]] check check_of(const probe&);

} // namespace tidesync::worker
