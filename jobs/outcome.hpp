#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

namespace tidesync::jobs {

/// Why a job did not end well. The one list; what people and programs see is `to_string`.
enum class failure_code {
    unreachable,   ///< a store could not be reached, or the connection broke
    access_denied, ///< a store refused the user, the password or a privilege
    busy,          ///< locks, limits or a shutdown of a store; passes with time
    not_set_up,    ///< an object that `tidesync migrate` makes is missing
    plan_refused,  ///< the tables cannot be synced as they are
    guarded,       ///< a guard stopped the run; a person may let it through
    data_refused,  ///< production refused a row: a constraint, a type, a trigger
    superseded,    ///< a newer run has passed, or this one lost its lease
    store_behind,  ///< production has seen newer tokens than the run store gives out: was it restored?
    stopped,       ///< the worker was told to stop
    time_limit,    ///< the run took longer than it may
    lost,          ///< the worker fell silent; the run store says so
    deadline,      ///< nobody ended the run in time; the run store says so
    internal,      ///< a defect of ours
};

[[nodiscard]] std::string_view to_string(failure_code) noexcept;
/// @returns `internal` for a name that this version does not know
[[nodiscard]] failure_code failure_code_of(std::string_view) noexcept;

/// Names the thing, says what was expected and what to do next. Never a secret or a row's value.
struct failure {
    failure_code code = failure_code::internal;
    std::string message;
    std::string hint;
};

struct done {};
struct retry {
    std::chrono::seconds after{};
    failure why;
    bool in_doubt = false; ///< the target may hold everything: the answer to COMMIT was lost
};
struct give_up {
    failure why;
};

/// How a job ended. Only worker turns it into a stored state and an HTTP answer.
using outcome = std::variant<done, retry, give_up>;

/// The failure in an outcome; null when it is `done`.
[[nodiscard]] const failure* why(const outcome&) noexcept;

} // namespace tidesync::jobs
