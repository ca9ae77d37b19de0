#pragma once

#include "worker/call.hpp"
#include "worker/http.hpp"

#include <string>

namespace tidesync::worker {

/// A delivery of QStash, or a person's trigger: stores its run and answers for it. The delivery that made the run waits
/// for its end, so that a short one answers with its statistics.
[[nodiscard]] http_response trigger_run(call&, const std::string& job);

} // namespace tidesync::worker
