#include "worker/doctor_findings.hpp"

#include "worker/schedule_order.hpp"

#include <fmt/format.h>

namespace tidesync::worker {

namespace {

using namespace std::chrono_literals;
using state = check::state;

constexpr auto qstash_timeout = 30s;  // what a schedule has that names none
constexpr auto dead_peer_limit = 20s; // tcp_user_timeout of our connections, see postgres::address
constexpr auto store_patience = 20s;  // how long the end of a run may take once it was told to stop
constexpr auto usual_grace = 30s;     // of Kubernetes, from SIGTERM to SIGKILL

} // namespace

std::vector<check> judge_times(const settings& config) {
    std::vector<check> lines;
    const auto timeout = shortest_timeout(config);
    if (timeout <= qstash_timeout)
        lines.push_back(
            {state::ok,
             fmt::format(
                 "deliveries wait {} s for their run, less than the {} s that QStash waits by default",
                 config.delivery_wait.count(), qstash_timeout.count()),
             {}});
    else
        lines.push_back(
            {state::warning,
             fmt::format(
                 "TIDESYNC_DELIVERY_WAIT is {} s: a schedule without a timeout of {} s or more is answered too late",
                 config.delivery_wait.count(), timeout.count()),
             "`tidesync schedule create` and `tidesync setup` give ours that much; or lower TIDESYNC_DELIVERY_WAIT"});

    if (config.lease < dead_peer_limit + config.lease / 6)
        lines.push_back(
            {state::warning,
             fmt::format(
                 "TIDESYNC_LEASE is {} s, and a dead connection is noticed after {} s: a short cut of the network "
                 "costs "
                 "a run its attempt",
                 config.lease.count(), dead_peer_limit.count()),
             "30 s forgive that; a shorter lease recovers sooner from a crash"});
    else
        lines.push_back(
            {state::ok,
             fmt::format(
                 "a run is taken over {} s after its worker fell silent; production lets go of a stopped one's "
                 "transaction after {} s",
                 config.lease.count(), config.limits.idle_in_transaction.count()),
             {}});

    const auto to_stop = config.drain_limit + store_patience;
    lines.push_back(
        {state::note,
         fmt::format(
             "after SIGTERM a worker may take {} s: {} s to let runs finish (TIDESYNC_DRAIN_LIMIT), {} s to give them "
             "back",
             to_stop.count(), config.drain_limit.count(), store_patience.count()),
         to_stop > usual_grace ? fmt::format(
                                     "Kubernetes kills after {} s unless told otherwise, docker stop after 10 s: set "
                                     "terminationGracePeriodSeconds (--time) to {} or more, or TIDESYNC_DRAIN_LIMIT to "
                                     "5. A killed run is "
                                     "taken over after its lease, nothing is lost",
                                     usual_grace.count(), (to_stop + 5s).count())
                               : ""});

    if (config.run_time_limit > config.run_deadline)
        lines.push_back(
            {state::warning,
             fmt::format(
                 "run_time_limit_s ({}) is never reached: deadline_s ({}) ends every run before",
                 config.run_time_limit.count(), config.run_deadline.count()),
             "the deadline is for all attempts together: make it several times the limit of one"});
    if (config.limits.statement > config.run_time_limit)
        lines.push_back(
            {state::note,
             fmt::format(
                 "statement_timeout_s ({}) is never reached: run_time_limit_s ({}) ends the run before",
                 config.limits.statement.count(), config.run_time_limit.count()),
             {}});
    return lines;
}

} // namespace tidesync::worker
