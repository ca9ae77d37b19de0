#include "worker/runner.hpp"

#include "jobs/failpoint.hpp"
#include "jobs/stores/postgres/failure.hpp"
#include "worker/log.hpp"
#include "worker/progress_meter.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <random>
#include <utility>

namespace tidesync::worker {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto store_patience = 20s; // how long the end of a run waits for a store that is away

static_assert(run_store::dry_runs_max < runner::limits{}.runs_max);

/// Keeps the latest word of a job for the heartbeat and passes it on.
class progress_keeper final : public jobs::progress_sink {
public:
    explicit progress_keeper(jobs::progress_sink* audience)
        : audience_{audience} {}

    void phase(std::string_view name) override {
        {
            const std::scoped_lock lock{mutex_};
            meter_.phase(name, clock::now());
        }
        if (audience_ != nullptr) audience_->phase(name);
    }

    void expect(std::int64_t rows, bool steady) override {
        {
            const std::scoped_lock lock{mutex_};
            meter_.expect(rows, steady);
        }
        if (audience_ != nullptr) audience_->expect(rows, steady);
    }

    void rows(std::string_view item, std::int64_t rows, std::int64_t expected) override {
        {
            const std::scoped_lock lock{mutex_};
            meter_.rows(item, rows, expected);
        }
        if (audience_ != nullptr) audience_->rows(item, rows, expected);
    }

    [[nodiscard]] nlohmann::json latest() const {
        const std::scoped_lock lock{mutex_};
        return meter_.at(clock::now());
    }

private:
    jobs::progress_sink* audience_;
    mutable std::mutex mutex_;
    progress_meter meter_;
};

/// Sleeps, but not through a stop.
void pause(std::chrono::milliseconds time, const std::stop_token& stop) {
    std::mutex mutex;
    std::unique_lock lock{mutex};
    std::condition_variable_any wake;
    wake.wait_for(lock, stop, time, [] { return false; });
}

void log_end(const ended_attempt& ended) {
    const auto& claim = ended.claim;
    if (ended.how == run_end::kind::succeeded) {
        const auto totals = ended.report.totals();
        log::event(
            log::level::info, "run finished",
            {{"run", claim.run_id},
             {"job", claim.job},
             {"rows", totals.total},
             {"inserted", totals.inserted},
             {"updated", totals.updated},
             {"deleted", totals.deleted},
             {"took_ms", ended.took.count()}});
        return;
    }
    const auto why = ended.failure.value_or(
        jobs::failure{jobs::failure_code::stopped, "no attempt has changed anything, nor can any more", ""});
    log::event(
        ended.state == "dead" ? log::level::error : log::level::warn, "run did not succeed",
        {{"run", claim.run_id},
         {"job", claim.job},
         {"state", ended.state.value_or("lost")},
         {"code", to_string(why.code)},
         {"error", why.message},
         {"hint", why.hint},
         {"took_ms", ended.took.count()}});
}

} // namespace

struct runner::active_run {
    active_run(claimed_run run, jobs::progress_sink* audience)
        : claim{std::move(run)}
        , progress{audience}
        , last_beat{(claim.asked == clock::time_point{} ? clock::now() : claim.asked).time_since_epoch().count()} {}

    claimed_run claim;
    progress_keeper progress;
    std::stop_source stop;
    std::atomic<stop_reason> reason{stop_reason::none};
    std::atomic<clock::rep> last_beat; ///< when the last one that got through was sent
    std::atomic<bool> beats_fail{false};
    clock::time_point started = clock::now();
    bool over = false;   ///< guarded by the runner's mutex
    std::jthread thread; ///< last: it uses all of the above
};

/// How an attempt ends, as the run store is told.
struct runner::ending {
    run_end how;
    jobs::report what{};
    std::optional<jobs::failure> why{};
};

runner::runner(
    run_store& store, const std::vector<jobs::job*>& jobs, limits limit, jobs::progress_sink* audience,
    run_observers observers)
    : store_{store}
    , limits_{limit}
    , audience_{audience}
    , observers_{std::move(observers)} {
    for (auto* job : jobs) {
        jobs_.emplace(job->name(), job);
        names_.emplace_back(job->name());
    }
}

runner::~runner() { drain(0s); }

bool runner::has_room() const {
    const std::scoped_lock lock{mutex_};
    const auto busy = std::ranges::count_if(active_, [](const auto& entry) { return !entry.second->over; });
    const bool healthy = std::ranges::none_of(
        active_, [](const auto& entry) { return !entry.second->over && entry.second->beats_fail; });
    return !draining_ && healthy && std::cmp_less(busy, static_cast<std::size_t>(limits_.runs_max) * names_.size());
}

void runner::start(claimed_run claim) {
    std::vector<std::unique_ptr<active_run>> finished; // their threads are joined after the lock is gone
    const std::scoped_lock lock{mutex_};
    for (auto entry = active_.begin(); entry != active_.end();) {
        if (entry->second->over) {
            finished.push_back(std::move(entry->second));
            entry = active_.erase(entry);
            continue;
        }
        // This process lost the run and is now given it again: the older attempt may change nothing any more.
        if (entry->second->claim.run_id == claim.run_id) stop(*entry->second, stop_reason::lease_lost);
        ++entry;
    }
    const auto token = claim.lease_token;
    auto& run = *(active_[token] = std::make_unique<active_run>(std::move(claim), audience_));
    if (draining_) stop(run, stop_reason::draining);
    run.thread = std::jthread{[this, &run] { work(run); }};
}

bool runner::wait(const std::string& run_id, std::chrono::milliseconds patience) {
    std::unique_lock lock{mutex_};
    return ended_.wait_for(lock, patience, [&] {
        return std::ranges::none_of(
            active_, [&](const auto& entry) { return entry.second->claim.run_id == run_id && !entry.second->over; });
    });
}

void runner::drain(std::chrono::milliseconds patience) {
    std::unique_lock lock{mutex_};
    draining_ = true;
    const auto idle = [this] {
        return std::ranges::all_of(active_, [](const auto& entry) { return entry.second->over; });
    };
    if (ended_.wait_for(lock, patience, idle)) return;
    for (auto& [token, run] : active_) stop(*run, stop_reason::draining);
    ended_.wait_for(lock, store_patience, idle);
}

void runner::interrupt(const std::string& run_id) {
    const std::scoped_lock lock{mutex_};
    for (auto& [token, run] : active_)
        if (run->claim.run_id == run_id) stop(*run, stop_reason::interrupted);
}

void runner::stop(active_run& run, stop_reason reason) {
    auto none = stop_reason::none;
    run.reason.compare_exchange_strong(none, reason);
    run.stop.request_stop();
}

void runner::work(active_run& run) {
    jobs::failpoint("claim.after");
    log::event(
        log::level::info, "run started",
        {{"run", run.claim.run_id}, {"job", run.claim.job}, {"attempt", run.claim.attempt}});
    for (auto* observer : observers_) observer->run_started(run.claim);
    {
        const std::jthread heart{[this, &run](const std::stop_token& over) { beat(run, over); }};
        // A beat may hang for longer than the lease lasts: the clock is looked at by somebody else.
        const std::jthread watcher{[this, &run](const std::stop_token& over) { watch(run, over); }};
        finish(run, run.claim.last_look ? take_last_look(run) : try_job(run));
    }
    {
        const std::scoped_lock lock{mutex_};
        run.over = true;
        ended_.notify_all();
    }
    const std::scoped_lock lock{then_mutex_};
    if (then_) then_();
}

void runner::watch(active_run& run, const std::stop_token& over) {
    const auto every = store_.lease() / 6;
    while (!over.stop_requested()) {
        const auto silent = clock::now().time_since_epoch() - clock::duration{run.last_beat.load()};
        run.beats_fail = silent > 2 * every + std::chrono::seconds{1};
        // Without a beat until then, somebody else may soon take over.
        if (silent > store_.lease() - every && jobs::fenced()) stop(run, stop_reason::lease_lost);
        if (clock::now() - run.started > limits_.run_time) stop(run, stop_reason::time_limit);
        pause(every / 6, over);
    }
}

void runner::beat(active_run& run, const std::stop_token& over) {
    while (!over.stop_requested()) {
        pause(store_.lease() / 6, over);
        if (over.stop_requested()) return;
        const auto sent = clock::now();
        try {
            const auto told = store_.heartbeat(run.claim, run.progress.latest());
            run.last_beat = sent.time_since_epoch().count();
            if (!told.held && jobs::fenced()) stop(run, stop_reason::lease_lost);
            if (told.cancelled) stop(run, stop_reason::cancelled);
            if (told.late) stop(run, stop_reason::deadline);
        } catch (const std::exception& e) {
            log::event(log::level::warn, "heartbeat failed", {{"run", run.claim.run_id}, {"error", e.what()}});
            for (auto* observer : observers_) observer->beat_failed();
        }
    }
}

jobs::run_context runner::context_of(active_run& run) const {
    return {
        .job = run.claim.job,
        .run_id = run.claim.run_id,
        .lease_token = run.claim.lease_token,
        .lease = store_.lease(),
        .stop = run.stop.get_token(),
        .progress = &run.progress,
        .approved = run.claim.approved};
}

runner::ending runner::try_job(active_run& run) {
    const auto job = jobs_.find(run.claim.job);
    const auto defect = [](std::string what, std::string hint) {
        return jobs::result{jobs::give_up{{jobs::failure_code::internal, std::move(what), std::move(hint)}}, {}};
    };
    if (job == jobs_.end())
        return ending_of(
            run, defect(
                     fmt::format("job {} is not known here", run.claim.job),
                     "its group is not in this worker's tidesync.yaml, or the worker is of another version: let all "
                     "have the same"));
    const auto mode = run.claim.dry_run ? jobs::sync_mode::dry_run : jobs::sync_mode::apply;
    try {
        return ending_of(run, job->second->sync(context_of(run), mode));
    } catch (const std::exception& e) {
        return ending_of(run, defect(e.what(), "this is a defect of Tidesync: report it with the run's log"));
    }
}

/// The end of this run is due, and an earlier attempt did not tell how it ended.
runner::ending runner::take_last_look(active_run& run) {
    const auto job = jobs_.find(run.claim.job);
    if (job == jobs_.end()) return {.how = {.how = run_end::kind::released}};
    try {
        auto found = job->second->settle(context_of(run));
        if (auto* report = std::get_if<jobs::report>(&found))
            return {.how = {.how = run_end::kind::succeeded}, .what = std::move(*report)};
        if (const auto* later = std::get_if<jobs::retry>(&found))
            return {
                .how = {.how = run_end::kind::in_doubt, .after = pause_before_next(run.claim.attempt, later->after)},
                .why = later->why};
        return {.how = {.how = run_end::kind::settled}, .why = run.claim.failure};
    } catch (const std::exception& e) {
        return {
            .how = {.how = run_end::kind::in_doubt, .after = pause_before_next(run.claim.attempt, 0s)},
            .why = jobs::failure{
                jobs::failure_code::internal, e.what(), "this is a defect of Tidesync: report it with the run's log"}};
    }
}

runner::ending runner::ending_of(active_run& run, jobs::result result) {
    ending end{.how = {.how = run_end::kind::succeeded}, .what = std::move(result.what)};
    const auto* why = jobs::why(result.how);
    if (why == nullptr) return end;
    end.how = {.how = run_end::kind::dead};
    end.why = *why;
    if (why->code == jobs::failure_code::superseded && !run.stop.stop_requested()) end.why = explain_refusal(run, *why);
    if (const auto* retry = std::get_if<jobs::retry>(&result.how)) {
        end.how = {
            .how = retry->in_doubt ? run_end::kind::in_doubt : run_end::kind::retry,
            .after = pause_before_next(run.claim.attempt, retry->after)};
        if (retry->in_doubt) return end; // whatever stopped it, what it did must be known first
    }
    switch (run.reason.load()) {
    case stop_reason::draining:
    case stop_reason::lease_lost: // should nobody have taken it yet, it is anybody's again
        end.how.how = run_end::kind::released;
        break;
    case stop_reason::interrupted:
    case stop_reason::cancelled:
        end.how.how = run_end::kind::cancelled;
        break;
    case stop_reason::deadline:
        end.how.how = run_end::kind::dead;
        end.why = jobs::failure{
            jobs::failure_code::time_limit, "the run did not end before its deadline and was rolled back",
            "raise deadline_s in tidesync.yaml, or find what is slow"};
        break;
    case stop_reason::time_limit:
        end.how.how = run_end::kind::dead;
        end.why = jobs::failure{
            jobs::failure_code::time_limit,
            fmt::format("the run took longer than {} s and was rolled back", limits_.run_time.count()),
            "raise run_time_limit_s in tidesync.yaml, or find what is slow"};
        break;
    case stop_reason::none:
        break;
    }
    return end;
}

void runner::finish(active_run& run, const ending& end) {
    jobs::failpoint("end.before");
    std::optional<std::string> state;
    bool lease_lost = run.reason == stop_reason::lease_lost;
    const auto give_up_at = clock::now() + store_patience;
    for (;;) {
        try {
            state = store_.end(run.claim, end.how, end.what, end.why);
            lease_lost = lease_lost || !state;
            break;
        } catch (const std::exception& e) {
            // What production holds is settled. Without this row the run is taken up again and finds its receipt.
            log::event(
                log::level::warn, "the end of a run could not be stored",
                {{"run", run.claim.run_id}, {"error", e.what()}});
            if (clock::now() > give_up_at) break;
            pause(2s, {});
        }
    }
    jobs::failpoint("end.after");
    const ended_attempt ended{
        .claim = run.claim,
        .how = end.how.how,
        .state = state,
        .lease_lost = lease_lost,
        .report = end.what,
        .failure = end.why,
        .took = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - run.started)};
    log_end(ended);
    for (auto* observer : observers_) observer->attempt_ended(ended);
}

/// The fence of production let nobody pass but owners of a newer token. Tokens are given out one after the other, to
/// one run of a job at a time: whoever still holds the lease has the newest, unless the store forgot some that it gave
/// out.
jobs::failure runner::explain_refusal(active_run& run, jobs::failure refused) {
    try {
        if (!store_.heartbeat(run.claim, run.progress.latest()).held) return refused;
    } catch (const std::exception&) {
        return refused; // the store is away, and nobody knows
    }
    return {
        jobs::failure_code::store_behind,
        fmt::format("the run store is older than production: this run holds its lease, yet {}", refused.message),
        "was the run store restored from a backup, moved, or is another one in use? Every run is refused until its "
        "tokens are raised: `tidesync doctor` has the statement for it"};
}

std::chrono::milliseconds pause_before_next(int attempt, std::chrono::seconds asked) {
    constexpr std::array<std::chrono::milliseconds, 5> pauses{5s, 15s, 45s, 2min, 5min};
    const auto whole = pauses.at(static_cast<std::size_t>(std::clamp(attempt - 1, 0, 4)));
    thread_local std::mt19937 random{std::random_device{}()};
    std::uniform_int_distribution<std::chrono::milliseconds::rep> between{whole.count() / 2, whole.count()};
    return std::max<std::chrono::milliseconds>(std::chrono::milliseconds{between(random)}, asked);
}

} // namespace tidesync::worker
