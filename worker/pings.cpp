#include "worker/pings.hpp"

#include "qstash/http_call.hpp"
#include "worker/log.hpp"
#include "worker/printable.hpp"
#include "worker/version.hpp"

#include <fmt/format.h>

namespace tidesync::worker {

namespace {

constexpr std::size_t waiting_max = 100;
constexpr std::size_t body_bytes_max = 1000;
constexpr int tries_max = 3;

/// One line that says why.
std::string reason(std::string_view code, std::string_view message) {
    return printable(fmt::format("{}: {}", code, message), body_bytes_max);
}

/// @returns why nobody was told; empty when somebody was
std::string problem_of(const std::variant<qstash::http_answer, qstash::http_failure>& result) {
    if (const auto* failure = std::get_if<qstash::http_failure>(&result)) return failure->text;
    const auto status = std::get<qstash::http_answer>(result).status;
    return status >= 200 && status <= 299 ? std::string{} : fmt::format("answered {}", status);
}

} // namespace

pings::pings(secret url, std::string job, run_observers observers, rhythm with)
    : url_{std::move(url)}
    , job_{std::move(job)}
    , observers_{std::move(observers)}
    , rhythm_{with}
    , loop_{[this](const std::stop_token& stop) { send_pings(stop); }} {}

pings::~pings() {
    loop_.request_stop();
    loop_.join();
}

void pings::run_started(const claimed_run& run) {
    if (run.job == job_ && !run.dry_run && !run.since_start) add({"/start", run.run_id, {}});
}

void pings::attempt_ended(const ended_attempt& ended) {
    if (ended.claim.job != job_ || ended.claim.dry_run) return;
    if (ended.state == "succeeded") add({"", ended.claim.run_id, {}});
    if (ended.state == "dead")
        add(
            {"/fail", ended.claim.run_id,
             ended.failure ? reason(to_string(ended.failure->code), ended.failure->message) : "dead"});
}

void pings::run_expired(const run_store::buried_run& run) { add_failure(run); }

void pings::add_failure(const run_store::buried_run& run) {
    if (run.job == job_ && !run.dry_run && run.state == "dead")
        add({"/fail", run.run_id, reason(run.error_code, run.error_message)});
}

void pings::finish(std::chrono::milliseconds patience) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, patience, [&] { return waiting_.empty(); });
}

void pings::add(ping what) {
    {
        const std::scoped_lock lock{mutex_};
        if (waiting_.size() < waiting_max) {
            waiting_.push_back(std::move(what));
            changed_.notify_all();
            return;
        }
    }
    log::event(log::level::warn, "ping dropped", {{"run", what.run_id}, {"error", "too many wait already"}});
    tell("dropped");
}

void pings::send_pings(const std::stop_token& stop) {
    std::unique_lock lock{mutex_};
    while (changed_.wait(lock, stop, [&] { return !waiting_.empty(); })) {
        if (stop.stop_requested()) return;
        const auto next = waiting_.front();
        lock.unlock();
        send(next, stop);
        lock.lock();
        waiting_.pop_front();
        changed_.notify_all();
    }
}

void pings::send(const ping& what, const std::stop_token& stop) {
    qstash::http_request request{
        .method = what.body.empty() ? "GET" : "POST",
        .url = fmt::format("{}{}?rid={}", url_.reveal(), what.path, what.run_id),
        .headers = {{"User-Agent", fmt::format("tidesync/{}", version)}, {"Content-Type", "text/plain; charset=utf-8"}},
        .body = what.body};
    request.total_limit = rhythm_.answer_limit;
    std::string problem;
    for (int n = 1; n <= tries_max; ++n) {
        problem = problem_of(qstash::http_call(request));
        if (problem.empty()) return tell("sent");
        if (n == tries_max) break;
        std::mutex alone;
        std::unique_lock lock{alone};
        std::condition_variable_any wake;
        wake.wait_for(lock, stop, rhythm_.pause * n, [] { return false; });
        if (stop.stop_requested()) break;
    }
    log::event(
        log::level::warn, "ping failed",
        {{"run", what.run_id}, {"ping", what.path.empty() ? "success" : what.path.substr(1)}, {"error", problem}});
    tell("failed");
}

void pings::tell(std::string_view outcome) {
    for (auto* observer : observers_) observer->pinged(outcome);
}

} // namespace tidesync::worker
