#pragma once

#include "worker/routes.hpp"

namespace tidesync::tests {

/// The answer to a request, with the work that `serve` leaves to another thread done at once.
inline worker::http_response handle(worker::services& with, const worker::http_request& request) {
    auto step = worker::open(with, request);
    if (auto* answer = std::get_if<worker::http_response>(&step)) return std::move(*answer);
    return std::get<worker::http_work>(step)();
}

} // namespace tidesync::tests
