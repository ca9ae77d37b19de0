#pragma once

#include "qstash/keys.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidesync::worker {

/// What the worker counts of requests for Prometheus; run_metrics has the runs. Every label has a fixed list of values,
/// and what is not on it counts as `other`: nobody can make the worker remember a path, a method or a reason. May be
/// called from any thread.
class metrics {
public:
    /// @param keys  their labels are shown from the start, at 0, so that the first use is an increase
    explicit metrics(const std::vector<qstash::signing_key>& keys);
    ~metrics();
    metrics(const metrics&) = delete;
    metrics& operator=(const metrics&) = delete;

    /// A request that was answered by a route, or by none. What the HTTP server refuses before is not counted.
    /// @param route  a pattern of the route table, never the path as it arrived
    /// @param took   from its last byte to the answer, which a delivery may wait for on purpose
    void
    http_request(std::string_view route, std::string_view method, int status, std::chrono::steady_clock::duration took);

    /// @param source    `qstash`, `qstash_failure` (its failure callback) or `manual`
    /// @param decision  as to_string(worker::decision) says it, or `rejected`
    void delivery(std::string_view source, std::string_view decision);

    /// @param reason  refused::kind
    void auth_failure(std::string_view reason);

    /// @param label  of the key that a genuine signature was made with: `next`, `us-east-1/current`
    void signature_key_match(std::string_view label);

    /// All of it in Prometheus' text format, version 0.0.4.
    [[nodiscard]] std::string text() const;

private:
    struct families;
    std::unique_ptr<families> families_;
};

} // namespace tidesync::worker
