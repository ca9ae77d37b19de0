#pragma once

#include "worker/settings_reader.hpp"

/// Part of settings.cpp: who is told when something goes wrong. For settings.cpp alone.
namespace tidesync::worker {

void read_alarms(settings_reader&, settings&);

} // namespace tidesync::worker
