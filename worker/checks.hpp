#pragma once

#include "worker/settings.hpp"

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

/// What `check-config`, `setup` and `doctor` look at, a line each.
namespace tidesync::worker {

struct check {
    enum class state {
        ok,
        note,    ///< worth knowing
        warning, ///< works today, and will bite
        problem, ///< has to be put right
    };
    state how = state::ok;
    std::string text;
    std::string remedy; ///< what to do about it
};

[[nodiscard]] std::string_view to_string(check::state);

/// `{"state", "text", "remedy"}`, the last where there is one.
[[nodiscard]] nlohmann::ordered_json document_of(const check&);

/// `  ok       …`, on stdout; a remedy stands below. Wrapped for a terminal, a line each for everybody else.
void print(const check&);

/// Breaks a text between words, and nowhere else. @param columns  for a line; a longer word has a line of its own
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, std::size_t columns);

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
