#include "worker/run_metrics.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <span>

namespace tidesync::worker {

namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
template <typename Metric>
using family = prometheus::Family<Metric>;
using buckets = Histogram::BucketBoundaries; // seconds

constexpr std::array<std::string_view, 4> triggers{"qstash", "manual", "cronjob", "redrive"};
constexpr std::array<std::string_view, 4> outcomes{"succeeded", "dead", "cancelled", "skipped"};
constexpr std::array<std::string_view, 6> attempts{"succeeded", "retry", "dead", "cancelled", "released", "lost"};
constexpr std::array<std::string_view, 5> operations{"read", "inserted", "updated", "unchanged", "deleted"};
constexpr std::array<std::string_view, 3> alarm_outcomes{"sent", "failed", "given_up"};
constexpr std::array<std::string_view, 3> ping_outcomes{"sent", "failed", "dropped"};
constexpr std::array<std::string_view, 4> phases{"plan", "stage", "apply", "compare"};
const buckets run_times{1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600};
const buckets waiting_times{0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800, 6 * 3600};
const buckets phase_times{0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 3 * 3600};

/// Of the fences that there are: where an older lease token is turned away.
constexpr const char* fenced_target = "production";

std::string bounded(std::span<const std::string_view> known, std::string_view value) {
    return std::string{std::ranges::find(known, value) == known.end() ? "other" : value};
}

double seconds(std::chrono::milliseconds time) { return static_cast<double>(time.count()) / 1000; }

family<Counter>& counter(prometheus::Registry& in, const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(in);
}

family<Gauge>& gauge(prometheus::Registry& in, const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(in);
}

family<Histogram>& histogram(prometheus::Registry& in, const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(in);
}

} // namespace

struct run_metrics::families {
    const run_store& store;
    std::vector<std::string_view> jobs; ///< of names, below
    std::vector<std::string> names;
    std::mutex connections_mutex; ///< errors are counted by what has been added since the last look
    prometheus::Registry registry;

    family<Counter>& created =
        counter(registry, "worker_runs_created_total", "Runs that were made, skipped ones as well.");
    family<Counter>& finished =
        counter(registry, "worker_runs_finished_total", "Runs that have ended, by what became of them.");
    family<Counter>& tried =
        counter(registry, "worker_run_attempts_total", "Attempts that have ended; lost ones by who noticed.");
    family<Histogram>& durations = histogram(
        registry, "worker_run_duration_seconds", "From the start of a run's first attempt to its end, pauses as well.");
    family<Histogram>& waits =
        histogram(registry, "worker_run_queue_seconds", "From when an attempt might have started until it did.");
    family<Histogram>& phase_durations =
        histogram(registry, "worker_phase_duration_seconds", "Phases of attempts that have ended.");
    family<Counter>& rows = counter(
        registry, "worker_rows_total",
        "Rows of runs that succeeded: read from the source, and what was done with them.");
    family<Counter>& guard_trips = counter(
        registry, "worker_guard_trips_total",
        "Runs that a guard stopped before they wrote anything: a person decides.");
    Counter& rescues =
        counter(registry, "worker_lease_rescues_total", "Runs taken from workers that fell silent.").Add({});
    Counter& losses =
        counter(registry, "worker_lease_lost_total", "Attempts here that lost their lease, or feared so.").Add({});
    Counter& fenced_off =
        counter(registry, "worker_fence_rejections_total", "Attempts that a target refused for a newer one.")
            .Add({{"target", fenced_target}});
    Counter& beats_failed =
        counter(registry, "worker_heartbeat_failures_total", "Heartbeats that the run store did not answer.").Add({});
    family<Counter>& alarms =
        counter(registry, "worker_alarm_tries_total", "Tries to tell of an alarm; given_up ends them for one.");
    family<Counter>& pings = counter(registry, "worker_pings_total", "Pings of runs that started or ended.");
    family<Gauge>& ticks =
        gauge(registry, "worker_loop_last_tick_timestamp_seconds", "When a loop last went round, successful or not.");

    family<Gauge>& runs = gauge(registry, "worker_runs", "Runs that have not ended, in the run store.");
    family<Gauge>& last_success = gauge(
        registry, "worker_job_last_success_timestamp_seconds",
        "When a run that writes last ended well; absent before.");
    family<Gauge>& expected_by = gauge(
        registry, "worker_job_next_expected_timestamp_seconds",
        "When the next run has to end well, at the latest: after it the job is late, unless it is paused.");
    family<Gauge>& late =
        gauge(registry, "worker_job_late", "1 while no run ended well in time and nobody paused the job.");
    family<Gauge>& last_dead =
        gauge(registry, "worker_job_last_dead_timestamp_seconds", "When a run last ended dead; absent before.");
    family<Gauge>& last_fallback = gauge(
        registry, "worker_job_last_fallback_timestamp_seconds",
        "When the fallback last had to make a run because nothing served a tick; absent before.");
    family<Gauge>& paused = gauge(registry, "worker_job_paused", "1 while a person keeps the job from starting.");
    family<Gauge>& last_delivery = gauge(
        registry, "worker_schedule_last_delivery_timestamp_seconds",
        "When QStash last delivered a new message, or reported one that it gave up; absent before.");
    Gauge& alarms_waiting =
        gauge(registry, "worker_alarms_waiting", "Alarms of the last day that nobody has been told of yet.").Add({});
    Gauge& store_up =
        gauge(registry, "worker_store_up", "Whether the run store answered when its figures were last asked for.")
            .Add({});
    Gauge& store_read_at =
        gauge(registry, "worker_store_read_timestamp_seconds", "When the figures of the run store were last read.")
            .Add({});
    family<Gauge>& connections =
        gauge(registry, "worker_db_pool_connections", "Connections to the run store; those of heartbeats apart.");
    family<Counter>& errors =
        counter(registry, "worker_db_errors_total", "Transactions on the run store that failed, by kind.");

    families(const run_store& of, const std::vector<std::string>& known)
        : store{of}
        , names{known} {
        jobs.assign(names.begin(), names.end());
    }

    prometheus::Labels of_job(std::string_view job, const char* label = nullptr, std::string value = {}) const {
        prometheus::Labels labels{{"job_name", bounded(jobs, job)}};
        if (label != nullptr) labels.emplace(label, std::move(value));
        return labels;
    }

    void end(std::string_view job, std::string_view state) {
        finished.Add(of_job(job, "outcome", bounded(outcomes, state))).Increment();
    }

    void show(std::string_view db, const transactions::usage& used) {
        const std::string name{db};
        connections.Add({{"db", name}, {"state", "in_use"}}).Set(static_cast<double>(used.in_use));
        connections.Add({{"db", name}, {"state", "idle"}}).Set(static_cast<double>(used.idle));
        for (std::size_t i = 0; i < used.errors.size(); ++i) {
            auto& so_far = errors.Add({{"db", name}, {"class", std::string{transactions::error_classes.at(i)}}});
            so_far.Increment(static_cast<double>(used.errors.at(i)) - so_far.Value());
        }
    }
};

run_metrics::run_metrics(const run_store& store, const std::vector<std::string>& jobs)
    : families_{std::make_unique<families>(store, jobs)} {
    auto& all = *families_;
    for (const auto outcome : alarm_outcomes) all.alarms.Add({{"outcome", std::string{outcome}}});
    for (const auto outcome : ping_outcomes) all.pings.Add({{"outcome", std::string{outcome}}});
    for (const auto& job : jobs) {
        for (const auto trigger : triggers) all.created.Add(all.of_job(job, "trigger", std::string{trigger}));
        for (const auto outcome : outcomes) all.finished.Add(all.of_job(job, "outcome", std::string{outcome}));
        for (const auto outcome : attempts) all.tried.Add(all.of_job(job, "outcome", std::string{outcome}));
        for (const auto operation : operations) all.rows.Add(all.of_job(job, "op", std::string{operation}));
        all.guard_trips.Add(all.of_job(job));
        all.durations.Add(all.of_job(job), run_times);
        all.waits.Add(all.of_job(job), waiting_times);
    }
}

run_metrics::~run_metrics() = default;

void run_metrics::run_accepted(const run_request& request, decision what) {
    if (what != decision::created && what != decision::queued && what != decision::skipped) return;
    auto& all = *families_;
    all.created.Add(all.of_job(request.job, "trigger", bounded(triggers, request.trigger))).Increment();
    if (what == decision::skipped) all.end(request.job, "skipped");
}

void run_metrics::run_started(const claimed_run& run) {
    families_->waits.Add(families_->of_job(run.job), waiting_times).Observe(seconds(run.waited));
}

namespace {

bool is_fence_rejection(const std::optional<jobs::failure>& failure) {
    return failure &&
           (failure->code == jobs::failure_code::superseded || failure->code == jobs::failure_code::store_behind);
}

/// Judged when the run ends: after an attempt in doubt that is with the last look, which brings the failure back. What
/// somebody cancelled meanwhile is nobody's to approve.
bool is_guard_trip(const ended_attempt& ended) {
    return ended.state == "dead" && ended.failure && ended.failure->code == jobs::failure_code::guarded;
}

/// As the store writes it to the attempt.
std::string_view outcome_of(const ended_attempt& ended) {
    if (ended.how == run_end::kind::in_doubt) return "retry";
    if (ended.how == run_end::kind::settled) return *ended.state;
    return to_string(ended.how);
}

} // namespace

void run_metrics::attempt_ended(const ended_attempt& ended) {
    auto& all = *families_;
    const auto& job = ended.claim.job;
    if (ended.lease_lost) all.losses.Increment();
    // A last look that settles a run brings back the failure of an earlier attempt, which was counted then.
    if (ended.how != run_end::kind::settled && is_fence_rejection(ended.failure)) all.fenced_off.Increment();
    if (!ended.state) return; // whoever ends the run counts it
    all.tried.Add(all.of_job(job, "outcome", bounded(attempts, outcome_of(ended)))).Increment();
    if (is_guard_trip(ended)) all.guard_trips.Add(all.of_job(job)).Increment();
    for (const auto& phase : ended.report.phases)
        all.phase_durations.Add(all.of_job(job, "phase", bounded(phases, phase.name)), phase_times)
            .Observe(seconds(phase.took));
    if (std::ranges::find(outcomes, *ended.state) != outcomes.end()) {
        all.end(job, *ended.state);
        const auto before = ended.claim.since_start.value_or(std::chrono::milliseconds{});
        all.durations.Add(all.of_job(job), run_times).Observe(seconds(before + ended.took));
    }
    if (*ended.state != "succeeded" || ended.claim.dry_run) return;
    const auto totals = ended.report.totals();
    const std::array counts{totals.total, totals.inserted, totals.updated, totals.unchanged, totals.deleted};
    for (std::size_t i = 0; i < counts.size(); ++i)
        all.rows.Add(all.of_job(job, "op", std::string{operations.at(i)})).Increment(static_cast<double>(counts.at(i)));
}

void run_metrics::run_rescued(const run_store::buried_run& run) {
    auto& all = *families_;
    all.rescues.Increment();
    all.tried.Add(all.of_job(run.job, "outcome", "lost")).Increment();
    if (run.state != "retry_wait") all.end(run.job, run.state);
}

void run_metrics::run_expired(const run_store::buried_run& run) { families_->end(run.job, run.state); }

void run_metrics::run_cancelled(std::string_view job) { families_->end(job, "cancelled"); }

void run_metrics::beat_failed() { families_->beats_failed.Increment(); }

void run_metrics::alarm_tried(std::string_view outcome) {
    families_->alarms.Add({{"outcome", bounded(alarm_outcomes, outcome)}}).Increment();
}

void run_metrics::pinged(std::string_view outcome) {
    families_->pings.Add({{"outcome", bounded(ping_outcomes, outcome)}}).Increment();
}

void run_metrics::loop_turned(std::string_view loop) {
    constexpr std::array<std::string_view, 3> loops{"claim", "tend", "alarm"};
    families_->ticks.Add({{"loop", bounded(loops, loop)}}).SetToCurrentTime();
}

void run_metrics::store_read(const store_figures* figures) {
    auto& all = *families_;
    all.store_up.Set(figures != nullptr ? 1 : 0);
    if (figures == nullptr)
        return; // the figures stay as they were; worker_store_read_timestamp_seconds says since when
    all.store_read_at.SetToCurrentTime();
    all.alarms_waiting.Set(figures->alarms_waiting);
    const auto show = [](family<Gauge>& in, const prometheus::Labels& labels, const std::optional<double>& value) {
        if (value) in.Add(labels).Set(*value);
    };
    for (const auto& job : figures->jobs) {
        if (std::ranges::find(all.jobs, job.name) == all.jobs.end()) continue; // another version's
        all.runs.Add(all.of_job(job.name, "state", "queued")).Set(job.queued);
        all.runs.Add(all.of_job(job.name, "state", "running")).Set(job.running);
        all.runs.Add(all.of_job(job.name, "state", "retry_wait")).Set(job.retry_wait);
        show(all.paused, all.of_job(job.name), job.paused ? 1 : 0);
        show(all.late, all.of_job(job.name), job.late ? 1 : 0);
        show(all.expected_by, all.of_job(job.name), job.expected_by);
        show(all.last_success, all.of_job(job.name), job.last_success);
        show(all.last_dead, all.of_job(job.name), job.last_dead);
        show(all.last_fallback, all.of_job(job.name), job.last_fallback);
    }
    show(all.last_delivery, {{"source", "qstash"}}, figures->last_delivery);
    show(all.last_delivery, {{"source", "qstash_failure"}}, figures->last_failed_delivery);
}

std::string run_metrics::text() {
    auto& all = *families_;
    const std::scoped_lock lock{all.connections_mutex};
    all.show("run_store", all.store.usage());
    all.show("run_store_beats", all.store.usage_of_beats());
    return prometheus::TextSerializer{}.Serialize(all.registry.Collect());
}

} // namespace tidesync::worker
