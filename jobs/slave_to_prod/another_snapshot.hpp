#pragma once

#include "jobs/outcome.hpp"

#include <chrono>
#include <optional>
#include <string_view>

/// A hot standby cancels whoever reads a state that its replay has to clear away. What to do then, decided without
/// looking anywhere.
namespace tidesync::slave_to_prod {

/// So many snapshots of the slave are read in one attempt at a run; then the run store lets it wait for longer.
inline constexpr int snapshots_max = 6;

/// An attempt to read the slave that an error has ended.
struct broken_reading {
    std::string_view side;     ///< the database that objected, as postgres::error names it
    std::string_view sqlstate; ///< empty when the connection was lost without a word
    bool standby = false;      ///< the slave has said that it is one
};

/// Whether the slave took the snapshot away because its replay could not wait any longer. It says so with SQLSTATE
/// 40001 (rarely 40P01), to a statement as an ERROR, to a transaction that stands idle as a FATAL. To somebody who only
/// reads one snapshot no primary ever says 40001; production, where others write, does, for reasons of its own.
[[nodiscard]] bool is_recovery_conflict(const broken_reading&) noexcept;

/// Whether the same may go well with another snapshot, at once: after a recovery conflict, and when the connection to a
/// standby was lost (the reason may be lost with it).
[[nodiscard]] bool is_worth_another_snapshot(const broken_reading&) noexcept;

/// How long the replay is given to catch up, at the longest.
/// @param snapshots  taken so far
/// @returns nothing when that is enough
[[nodiscard]] std::optional<std::chrono::milliseconds> pause_before_another_snapshot(int snapshots) noexcept;

/// What is told when every snapshot was lost, some of them to the replay.
/// @param cancelled  snapshots lost to it
/// @param snapshots  all that were taken
/// @param last       what the last one was ended with
[[nodiscard]] jobs::outcome cancelled_each_time(int cancelled, int snapshots, std::string_view last);

} // namespace tidesync::slave_to_prod
