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
    principal who;
};

/// Who asked, as the history shows it.
[[nodiscard]] std::string actor_of(const call&);

} // namespace tidesync::worker
