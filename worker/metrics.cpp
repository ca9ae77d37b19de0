#include "worker/metrics.hpp"

#include "worker/version.hpp"

#include <algorithm>
#include <array>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <span>

namespace tidesync::worker {

namespace {

using counters = prometheus::Family<prometheus::Counter>;

/// Seconds. A delivery waits for its run, by default at most 25.
const prometheus::Histogram::BucketBoundaries answer_times{0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

constexpr std::array<std::string_view, 7> methods{"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"};
constexpr std::array<std::string_view, 3> sources{"qstash", "qstash_failure", "manual"};
constexpr std::array<std::string_view, 10> decisions{"created",      "queued",  "attached", "coalesced",    "skipped",
                                                     "unapprovable", "crowded", "replayed", "body_differs", "rejected"};
constexpr std::array<std::string_view, 19> reasons{"no_keys",
                                                   "missing",
                                                   "malformed",
                                                   "wrong_algorithm",
                                                   "wrong_key",
                                                   "wrong_issuer",
                                                   "expired",
                                                   "not_yet_valid",
                                                   "life_too_long",
                                                   "body_mismatch",
                                                   "url_mismatch",
                                                   "message_id",
                                                   "no_credential",
                                                   "wrong_token",
                                                   "several_credentials",
                                                   "not_for_tokens",
                                                   "not_for_signatures",
                                                   "manual_header_only",
                                                   "replayed"};

std::string bounded(std::span<const std::string_view> known, std::string_view value) {
    return std::string{std::ranges::find(known, value) == known.end() ? "other" : value};
}

/// `us-east-1/next` is key `next` of region `us-east-1`; the plain pair has no region.
prometheus::Labels labels_of_key(std::string_view label) {
    const auto slash = label.find('/');
    if (slash == std::string_view::npos) return {{"key", std::string{label}}};
    return {{"key", std::string{label.substr(slash + 1)}}, {"region", std::string{label.substr(0, slash)}}};
}

} // namespace

struct metrics::families {
    prometheus::Registry registry;
    counters& http_requests = prometheus::BuildCounter()
                                  .Name("worker_http_requests_total")
                                  .Help("Requests that were answered, by the pattern of their route.")
                                  .Register(registry);
    prometheus::Family<prometheus::Histogram>& http_durations =
        prometheus::BuildHistogram()
            .Name("worker_http_request_duration_seconds")
            .Help("From a request to its answer, by the pattern of its route.")
            .Register(registry);
    counters& deliveries = prometheus::BuildCounter()
                               .Name("worker_deliveries_total")
                               .Help("Deliveries and triggers with a good credential, by what became of them.")
                               .Register(registry);
    counters& auth_failures = prometheus::BuildCounter()
                                  .Name("worker_auth_failures_total")
                                  .Help("Requests refused for their credential, by the first check that failed.")
                                  .Register(registry);
    counters& key_matches = prometheus::BuildCounter()
                                .Name("worker_signature_key_matches_total")
                                .Help("Genuine signatures, by the key that made them; `next` grows in a rotation.")
                                .Register(registry);
};

metrics::metrics(const std::vector<qstash::signing_key>& keys)
    : families_{std::make_unique<families>()} {
    prometheus::BuildGauge()
        .Name("worker_build_info")
        .Help("Always 1; the version is the label.")
        .Register(families_->registry)
        .Add({{"version", version}})
        .Set(1);
    prometheus::BuildGauge()
        .Name("worker_up_since_timestamp_seconds")
        .Help("When this process began.")
        .Register(families_->registry)
        .Add({})
        .SetToCurrentTime();
    for (const auto& key : keys) families_->key_matches.Add(labels_of_key(key.label));
    for (const auto reason : reasons) families_->auth_failures.Add({{"reason", std::string{reason}}});
}

metrics::~metrics() = default;

void metrics::http_request(
    std::string_view route, std::string_view method, int status, std::chrono::steady_clock::duration took) {
    families_->http_requests
        .Add({{"route", std::string{route}}, {"method", bounded(methods, method)}, {"code", std::to_string(status)}})
        .Increment();
    families_->http_durations.Add({{"route", std::string{route}}}, answer_times)
        .Observe(std::chrono::duration<double>{took}.count());
}

void metrics::delivery(std::string_view source, std::string_view decision) {
    families_->deliveries.Add({{"source", bounded(sources, source)}, {"decision", bounded(decisions, decision)}})
        .Increment();
}

void metrics::auth_failure(std::string_view reason) {
    families_->auth_failures.Add({{"reason", bounded(reasons, reason)}}).Increment();
}

void metrics::signature_key_match(std::string_view label) {
    families_->key_matches.Add(labels_of_key(label)).Increment();
}

std::string metrics::text() const { return prometheus::TextSerializer{}.Serialize(families_->registry.Collect()); }

} // namespace tidesync::worker
