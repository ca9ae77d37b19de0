#pragma once

#include "jobs/outcome.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace tidesync::postgres {

/// What PostgreSQL answered, and where and at what. `what()` is safe to show: the server's primary message without
/// DETAIL and CONTEXT, which quote rows, and without values that the primary message itself quotes.
class error : public std::runtime_error {
public:
    /// @param side      which database: `slave`, `production` or `run store`
    /// @param activity  what was being done, such as `inserting into public.orders`
    /// @param sqlstate  empty when there was no answer: no connection, or it broke
    error(std::string_view side, std::string_view activity, std::string sqlstate, std::string_view message);

    [[nodiscard]] const std::string& side() const noexcept { return side_; }
    [[nodiscard]] const std::string& sqlstate() const noexcept { return sqlstate_; }

    /// COMMIT was not answered, or with an error that leaves it open: it may or may not have happened.
    bool in_doubt = false;

private:
    std::string side_;
    std::string sqlstate_;
};

/// The server's message reduced to what may be shown and logged.
/// @param sqlstate  class 22 (data exceptions) quotes values in the primary message; they are blanked out
[[nodiscard]] std::string presentable(std::string_view message, std::string_view sqlstate);

/// Throws the exception that is being handled as an `error`. To be called in a catch block only.
[[noreturn]] void rethrow_named(std::string_view side, std::string_view activity);

/// Runs `body`; whatever PostgreSQL throws in it comes out as an `error` that names side and activity.
template <typename Body>
decltype(auto) named(std::string_view side, std::string_view activity, Body&& body) {
    try {
        return std::forward<Body>(body)();
    } catch (const error&) {
        throw; // already named, closer to the cause
    } catch (...) {
        rethrow_named(side, activity);
    }
}

/// Whether COMMIT may have happened although it was answered with an error: by a pooler, or by a server that is being
/// shut down (one that waits for its standby then has committed, and says FATAL) or has broken. Everything else is what
/// a deferred constraint or trigger, or another transaction, objects with.
/// @param sqlstate  empty when there was no answer
[[nodiscard]] bool may_have_committed(std::string_view sqlstate) noexcept;

/// What a job should do about it: what passes with time is retried, the rest needs a person.
[[nodiscard]] jobs::outcome outcome_of(const error&);

} // namespace tidesync::postgres
