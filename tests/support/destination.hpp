#pragma once

#include "worker/http.hpp"
#include "worker/http_server.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tidesync::tests {

/// An HTTP server that messages are delivered to. Keeps every request and answers as the test says.
class destination {
public:
    using script = std::function<worker::http_response(const worker::http_request&, int nth)>; ///< nth: from 1

    explicit destination(script = {});

    [[nodiscard]] std::string url(const std::string& path = "/job") const;
    [[nodiscard]] std::vector<worker::http_request> requests() const;
    /// Those whose path is this one.
    [[nodiscard]] std::vector<worker::http_request> requests(const std::string& path) const;

    /// @returns false when there are fewer than that many requests after ten seconds
    [[nodiscard]] bool await(std::size_t count) const;

private:
    script script_;
    mutable std::mutex mutex_;
    mutable std::condition_variable came_;
    std::vector<worker::http_request> requests_;
    std::unique_ptr<worker::http_server> server_;
};

} // namespace tidesync::tests
