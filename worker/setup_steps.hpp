#pragma once

#include "qstash/client.hpp"
#include "worker/settings.hpp"
#include "worker/transcript.hpp"

/// The steps of `tidesync setup`, in their order. Each writes down what it found.
namespace tidesync::worker {

/// Every setting and every database.
void check_settings(transcript&, const loading&);

/// @returns whether QStash takes our token
[[nodiscard]] bool check_token(transcript&, qstash::client&, const settings&);

/// Whether our signing keys are those of the account that the token belongs to.
void check_signing_keys(transcript&, qstash::client&, const settings&);

/// Triggers a dry run as a person does. @returns whether the worker runs and takes our token
[[nodiscard]] bool check_worker(transcript&, const settings&);

/// Sends one message through QStash and watches it arrive.
/// @throws qstash::api_error, std::runtime_error when the worker stops answering
void check_message(transcript&, qstash::client&, const settings&);

/// Creates the schedule of a job, or puts right what it calls. What a person chose stays as it is, and a schedule
/// that calls another server stays whole: it may be another worker's.
/// @returns whether it delivers at its ticks  @throws qstash::api_error
[[nodiscard]] bool own_schedule(transcript&, qstash::client&, const settings&, const std::string& job);

} // namespace tidesync::worker
