#pragma once

#include "qstash/client.hpp"
#include "worker/settings.hpp"
#include "worker/transcript.hpp"

#include <optional>
#include <vector>

/// The steps of `tidesync setup`, in their order. Each writes down what it found.
namespace tidesync::worker {

/// Every setting and every database.
void check_settings(transcript&, const loading&);

/// @returns every schedule of the account; nothing when QStash does not give them
[[nodiscard]] std::optional<std::vector<qstash::schedule>> check_token(transcript&, qstash::client&, const settings&);

/// Whether our signing keys are those of the account that the token belongs to.
void check_signing_keys(transcript&, qstash::client&, const settings&);

/// Creates the main job's schedule, or puts right what it calls. What a person chose stays as it is.
/// @throws qstash::api_error
void own_schedule(transcript&, qstash::client&, const settings&, const std::vector<qstash::schedule>& present);

/// Triggers a dry run as a person does. @returns whether the worker runs and takes our token
[[nodiscard]] bool check_worker(transcript&, const settings&);

/// Sends one message through QStash and watches it arrive.
/// @throws qstash::api_error, std::runtime_error when the worker stops answering
void check_message(transcript&, qstash::client&, const settings&);

} // namespace tidesync::worker
