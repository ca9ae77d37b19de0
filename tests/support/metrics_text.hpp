#pragma once

#include <map>
#include <string>

namespace tidesync::tests {

/// Reads Prometheus' text format, version 0.0.4. @returns values by series: `name{label="value"}`, `name`
/// @throws std::runtime_error naming the line that breaks a rule of the format, or of names: a family in one piece,
///         HELP and TYPE before it and once, no series twice, counters and only they end in `_total`, names begin with
///         `worker_`, buckets grow up to `+Inf`, which is the count
[[nodiscard]] std::map<std::string, double> read_metrics(const std::string& text);

} // namespace tidesync::tests
