#include "worker/run_queue.hpp"

#include "worker/log.hpp"

#include <optional>
#include <random>

namespace tidesync::worker {

namespace {

using clock = std::chrono::steady_clock;

constexpr int rows_at_once = 50;
constexpr std::chrono::hours prune_every{1};
constexpr std::chrono::seconds look_at_least_every{10};
constexpr std::chrono::seconds look_after_jobs_every{10};

/// A fifth more or less, so that the workers of one store do not all come at once.
std::chrono::milliseconds about(std::chrono::milliseconds time) {
    thread_local std::mt19937 random{std::random_device{}()};
    return std::chrono::milliseconds{std::uniform_int_distribution<std::chrono::milliseconds::rep>{
        time.count() * 4 / 5, time.count() * 6 / 5}(random)};
}

void say_lateness(const lateness_change& job) {
    if (job.late)
        log::event(
            log::level::error, "job is late",
            {{"job", job.job},
             {"last_success", job.last_success.empty() ? "none" : job.last_success},
             {"expected_by", job.expected_by},
             {"hint", "`tidesync runs` shows what the last runs ended with, or that there were none; docs/runbook.md, "
                      "\"Production is behind\", goes on from there"}});
    else
        log::event(
            log::level::info, "job is no longer late",
            {{"job", job.job}, {"late_since", job.late_since}, {"because", job.because}});
}

} // namespace

run_queue::run_queue(run_store& store, runner& runs, std::string worker_name, rhythm with)
    : store_{store}
    , runs_{runs}
    , worker_{std::move(worker_name)}
    , rhythm_{with}
    , claimed_at_{clock::now().time_since_epoch().count()}
    , tended_at_{clock::now().time_since_epoch().count()} {
    runs_.when_one_ends([this] { wake(); }); // a successor may be in line
    claims_ = std::jthread{[this](const std::stop_token& stop) { claim_runs(stop); }};
    tends_ = std::jthread{[this](const std::stop_token& stop) { tend_runs(stop); }};
}

run_queue::~run_queue() {
    stop();
    runs_.when_one_ends({});
}

void run_queue::wake() {
    const std::scoped_lock lock{mutex_};
    awake_ = true;
    wake_.notify_all();
}

void run_queue::stop() {
    claims_.request_stop();
    tends_.request_stop();
    if (claims_.joinable()) claims_.join();
    if (tends_.joinable()) tends_.join();
}

clock::time_point run_queue::last_turn() const {
    return clock::time_point{clock::duration{std::min(claimed_at_.load(), tended_at_.load())}};
}

/// A store that is away is no reason to end: it is asked again at the next turn. @returns whether it answered
template <typename Work>
bool run_queue::turn(store_outage& store_away, std::string_view what, Work&& work) {
    try {
        work();
        return true;
    } catch (const std::exception& e) {
        store_away.goes_on(what, e.what());
        return false;
    }
}

void run_queue::turned(std::string_view loop, std::atomic<std::chrono::steady_clock::rep>& at) {
    at = clock::now().time_since_epoch().count();
    for (auto* observer : runs_.observers()) observer->loop_turned(loop);
}

void run_queue::rest(std::chrono::milliseconds time, const std::stop_token& stop, bool wakeable) {
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, time, [&] { return wakeable && awake_; });
    if (wakeable) awake_ = false;
}

void run_queue::claim_runs(const std::stop_token& stop) {
    store_outage store_away;
    while (!stop.stop_requested()) {
        const bool answers = turn(store_away, "looking for runs to do", [&] {
            while (!stop.stop_requested() && runs_.has_room()) {
                auto claimed = store_.claim_next(worker_, runs_.jobs());
                if (!claimed) break;
                runs_.start(std::move(*claimed));
            }
        });
        if (answers) store_away.ends();
        turned("claim", claimed_at_);
        rest(about(rhythm_.claim), stop, true);
    }
}

void run_queue::bury_runs() {
    for (const auto& run : store_.bury_lost(rows_at_once)) {
        log::event(
            run.state == "dead" ? log::level::error : log::level::warn, "run lost its worker",
            {{"run", run.run_id},
             {"job", run.job},
             {"worker", run.worker},
             {"times", run.crashes},
             {"state", run.state}});
        for (auto* observer : runs_.observers()) observer->run_rescued(run);
        wake();
    }
    for (const auto& run : store_.end_late(rows_at_once)) {
        log::event(log::level::error, "run passed its deadline", {{"run", run.run_id}, {"job", run.job}});
        if (run.state != "dead") continue; // in doubt: whoever takes the last look tells
        for (auto* observer : runs_.observers()) observer->run_expired(run);
    }
}

bool run_queue::look_after_jobs(store_outage& store_away) {
    bool answers = turn(store_away, "looking for late jobs", [&] {
        for (const auto& job : store_.note_lateness()) say_lateness(job);
    });
    if (runs_.observers().empty()) return answers;
    std::optional<store_figures> figures;
    answers = answers && turn(store_away, "reading figures", [&] { figures = store_.read_figures(); });
    for (auto* observer : runs_.observers()) observer->store_read(figures ? &*figures : nullptr);
    return answers;
}

void run_queue::tend_runs(const std::stop_token& stop) {
    auto next_prune = clock::now();
    store_outage store_away;
    auto next_look = clock::now();
    bool looked = true; // these two, when it was last their turn
    bool pruned = true;
    while (!stop.stop_requested()) {
        const bool buried = turn(store_away, "looking for runs without a worker", [&] { bury_runs(); });
        if (clock::now() >= next_look) {
            next_look = clock::now() + look_after_jobs_every;
            looked = look_after_jobs(store_away);
        }
        if (clock::now() >= next_prune) {
            next_prune = clock::now() + std::chrono::minutes{1}; // when it fails
            pruned = turn(store_away, "forgetting old runs", [&] {
                const auto runs = store_.prune(rhythm_.days_kept, rhythm_.days_kept_dead, rows_at_once);
                const auto entries = store_.prune_audit(rows_at_once);
                next_prune = std::max(runs, entries) < rows_at_once ? clock::now() + prune_every : clock::now();
            });
        }
        // All of it, or one refused step would begin and end an outage again and again.
        if (buried && looked && pruned) store_away.ends();
        turned("tend", tended_at_);
        rest(about(std::min<std::chrono::milliseconds>(store_.lease() / 6, look_at_least_every)), stop, false);
    }
}

} // namespace tidesync::worker
