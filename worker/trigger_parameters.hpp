#pragma once

#include <string>

namespace tidesync::worker {

/// What the body of a trigger may say. Empty and `{}` mean the defaults.
struct trigger_parameters {
    bool dry_run = false;
    std::string approve{}; ///< a run that a guard stopped; empty for none
    std::string problem;   ///< not empty: the body cannot be used
};

/// What to send instead of a body that cannot be used.
inline constexpr const char* trigger_parameters_hint =
    R"(send nothing, {}, {"dry_run": true} or {"approve": "<id of a run that a guard stopped>"})";

/// Reads the body of a trigger; the schedule's parameters are the body of a trigger to come.
[[nodiscard]] trigger_parameters parse_parameters(const std::string& body);

} // namespace tidesync::worker
