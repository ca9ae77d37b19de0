#pragma once

#include "worker/run_observer.hpp"

#include <memory>
#include <string>
#include <vector>

namespace tidesync::worker {

/// What Prometheus is told of runs: events as this process made them, so that sums over replicas are right, and what
/// the run store holds, as it was last read, so that every replica says the same. Labels have fixed lists of values; a
/// job that this process does not know counts as `other`. docs/metrics.md lists all of them.
class run_metrics final : public run_observer {
public:
    /// @param store  asked for the use of its connections only, which needs no answer from anybody
    /// @param jobs   their series are there from the start, at 0, so that the first event is an increase
    run_metrics(const run_store& store, const std::vector<std::string>& jobs);
    ~run_metrics() override;
    run_metrics(const run_metrics&) = delete;
    run_metrics& operator=(const run_metrics&) = delete;

    void run_accepted(const run_request&, decision) override;
    void run_started(const claimed_run&) override;
    void attempt_ended(const ended_attempt&) override;
    void run_rescued(const run_store::buried_run&) override;
    void run_expired(const run_store::buried_run&) override;
    void run_cancelled(std::string_view job) override;
    void beat_failed() override;
    void alarm_tried(std::string_view outcome) override;
    void pinged(std::string_view outcome) override;
    void loop_turned(std::string_view loop) override;
    void store_read(const store_figures*) override;

    /// All of it in Prometheus' text format, version 0.0.4. Waits for nobody.
    [[nodiscard]] std::string text();

private:
    struct families;
    std::unique_ptr<families> families_;
};

} // namespace tidesync::worker
