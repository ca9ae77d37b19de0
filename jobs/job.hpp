#pragma once

#include "jobs/outcome.hpp"
#include "jobs/report.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>

namespace tidesync::jobs {

/// Where a job says how far it is. Called often, from the job's own threads; must return quickly and not throw.
class progress_sink {
public:
    virtual ~progress_sink() = default;

    /// A phase such as `plan`, `stage` or `apply` begins.
    virtual void phase(std::string_view name) = 0;

    /// How many rows the phase will go through, as far as that is known.
    /// @param steady  they are told of while they are worked on, so that their speed says how long the rest will take
    virtual void expect(std::int64_t rows, bool steady) = 0;

    /// @param item         the table or prefix being worked on; several may be at the same time
    /// @param rows         rows done of it so far
    /// @param rows_expected  an estimate, 0 when there is none
    virtual void rows(std::string_view item, std::int64_t rows, std::int64_t rows_expected) = 0;
};

/// A person's word that a run which a guard stopped may do what it found to do, and nothing else.
struct approval {
    std::string run_id;     ///< of the run that was stopped
    std::string difference; ///< as its report calls what it had found
};

/// What a job is told about the run it works for.
struct run_context {
    std::string job;                   ///< as it is named; it has a fence of its own
    std::string run_id;                ///< a UUID; names the receipt
    std::int64_t lease_token = 0;      ///< checked by the target inside its own transaction; a newer token wins
    std::chrono::milliseconds lease{}; ///< a worker that is silent for so long has lost the run; 0: it has no lease
    std::stop_token stop;              ///< requested: end soon, leave the target as it was
    progress_sink* progress = nullptr; ///< never null while a job runs
    std::optional<approval> approved{};
};

enum class sync_mode { apply, dry_run };

struct result {
    outcome how = done{};
    report what;
};

/// No attempt at a run has changed anything, and none can any more.
struct nothing_done {};

/// What became of the attempts at a run: the report of the one that did it, or nothing; `retry` while nobody can tell.
using settlement = std::variant<report, nothing_done, retry>;

/// One job, one shape: receiver, CLI, CronJob and dashboard know nothing more about any of them.
class job {
public:
    virtual ~job() = default;

    [[nodiscard]] virtual std::string_view name() const = 0;

    /// Reads both sides and reports differences; writes nothing, on either side.
    [[nodiscard]] virtual result check(const run_context&) = 0;

    /// Brings the target in step, all or nothing. A dry run reports what would be done and writes nothing.
    /// @throws nothing that a store can cause: it comes back as `retry` or `give_up`
    [[nodiscard]] virtual result sync(const run_context&, sync_mode) = 0;

    /// Sees to it that no earlier attempt at this run can change the target any more, with the newer lease token that
    /// the run now has, and then looks what they did. For a run whose end is due although an earlier attempt may have
    /// changed the target: its worker fell silent, or its COMMIT was not answered.
    /// @throws nothing that a store can cause
    [[nodiscard]] virtual settlement settle(const run_context&) = 0;
};

} // namespace tidesync::jobs
