#pragma once

#include "qstash/client.hpp"
#include "qstash/keys.hpp"
#include "worker/checks.hpp"

#include <vector>

namespace tidesync::worker {

/// Whether our signing keys are those of the account that the token belongs to. Keys come in pairs, one for each
/// region; the account has one region, so one pair has to match and the others cannot be compared.
/// @param ours  labelled `current`, `next`, or with a region in front: `us-east-1/current`
/// @returns a line for what was found out; no line holds a key
[[nodiscard]] std::vector<check>
compare_signing_keys(const std::vector<qstash::signing_key>& ours, const qstash::key_pair& theirs);

} // namespace tidesync::worker
