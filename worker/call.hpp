#pragma once

#include "worker/authorize.hpp"
#include "worker/http.hpp"
#include "worker/routes.hpp"

#include <string>

namespace tidesync::worker {

/// A request on its way through a route, with what the path held and who asked.
struct call {
    services& with;
    const http_request& request;
    std::string argument; ///< what `{}` in the pattern stood for
    std::string id;       ///< of the request: what its answer, the log and the audit call it
    principal who{bearer{}};
};

/// Who asked, and how.
[[nodiscard]] requester asker_of(const call&);

} // namespace tidesync::worker
