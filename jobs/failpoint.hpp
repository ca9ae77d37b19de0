#pragma once

#include <string_view>

/// Places where the fault suite lets a process die, and a switch that takes the fence away so that the suite can prove
/// that it would notice. Builds without TIDESYNC_FAILPOINTS, the one that people run among them, hold none of it.
namespace tidesync::jobs {

#ifdef TIDESYNC_FAILPOINTS

/// Does what TIDESYNC_FAILPOINT says when it names this place: `fence.passed=kill`, or `=stop` for SIGSTOP. The first
/// time only; a process that was continued goes on.
void failpoint(std::string_view place) noexcept;

/// False with TIDESYNC_UNFENCED=1: fence, receipts and giving up by the clock are off, and runs may be applied twice.
[[nodiscard]] bool fenced() noexcept;

#else

constexpr void failpoint(std::string_view /*place*/) noexcept {}
[[nodiscard]] constexpr bool fenced() noexcept { return true; }

#endif

} // namespace tidesync::jobs
