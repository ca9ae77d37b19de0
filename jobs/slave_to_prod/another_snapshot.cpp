#include "jobs/slave_to_prod/another_snapshot.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace tidesync::slave_to_prod {

namespace {

using namespace std::chrono_literals;

// The replay goes on the moment its reader is gone, and mostly has caught up within the first pause.
constexpr std::chrono::milliseconds first_pause{250};

bool is_lost_connection(std::string_view sqlstate) {
    constexpr std::array<std::string_view, 3> shutdowns{"57P01", "57P02", "57P03"};
    return sqlstate.empty() || sqlstate.starts_with("08") || std::ranges::find(shutdowns, sqlstate) != shutdowns.end();
}

} // namespace

bool is_recovery_conflict(const broken_reading& broken) noexcept {
    return broken.side == "slave" && (broken.sqlstate == "40001" || (broken.standby && broken.sqlstate == "40P01"));
}

bool is_worth_another_snapshot(const broken_reading& broken) noexcept {
    if (is_recovery_conflict(broken)) return true;
    // Who borrowed a snapshot whose owner is gone finds rows without their parts: to the server that looks like damage.
    return broken.side == "slave" && broken.standby &&
           (is_lost_connection(broken.sqlstate) || broken.sqlstate.starts_with("XX"));
}

std::optional<std::chrono::milliseconds> pause_before_another_snapshot(int snapshots) noexcept {
    if (snapshots >= snapshots_max) return std::nullopt;
    return first_pause * (1 << (snapshots - 1));
}

jobs::outcome cancelled_each_time(int cancelled, int snapshots, std::string_view last) {
    return jobs::retry{
        30s,
        {jobs::failure_code::busy,
         fmt::format(
             "the slave, a standby, cancelled {} of {} snapshots for its replay; the last: {}", cancelled, snapshots,
             last),
         "on the standby set hot_standby_feedback = on or a longer max_standby_streaming_delay, or let "
         "SLAVE_DATABASE_URL name a primary"}};
}

} // namespace tidesync::slave_to_prod
