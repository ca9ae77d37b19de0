#pragma once

#include "worker/settings.hpp"
#include "worker/settings_reader.hpp"

/// The settings that concern QStash, ours or theirs. Each says what is wrong to the reader.
namespace tidesync::worker {

/// The address that QStash calls. Its old name counts as well.
void read_public_url(settings_reader&, settings&, bool is_required);

void read_qstash_url(settings_reader&, settings&);
void read_qstash_token(settings_reader&, settings&, bool is_required);

/// Current and next key, of each region that is set. @param insecure_dev  take the public development keys on loopback
void read_signing_keys(settings_reader&, settings&, bool insecure_dev);

/// What `tidesync qstash-local` needs; for purpose::migrate its database alone, where it is set.
void read_scheduler(settings_reader&, settings&, purpose);

} // namespace tidesync::worker
