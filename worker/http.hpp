#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tidesync::worker {

/// A request as routes see it: whole, bounded, and free of the HTTP library.
struct http_request {
    std::string method;
    std::string target;                                       ///< as it arrived: path and query
    std::vector<std::pair<std::string, std::string>> headers; ///< names in lower case
    std::string body;
    std::string remote; ///< address of the peer, for the log

    [[nodiscard]] std::string_view path() const { return std::string_view{target}.substr(0, target.find('?')); }

    /// @param name  in lower case
    /// @returns the first value, empty when there is none
    [[nodiscard]] std::string_view header(std::string_view name) const {
        const auto found = std::ranges::find(headers, name, &std::pair<std::string, std::string>::first);
        return found == headers.end() ? std::string_view{} : std::string_view{found->second};
    }

    [[nodiscard]] std::ptrdiff_t count(std::string_view name) const {
        return std::ranges::count(headers, name, &std::pair<std::string, std::string>::first);
    }
};

struct http_response {
    int status = 200;
    std::string body; ///< JSON unless `content_type` says otherwise
    std::vector<std::pair<std::string, std::string>> headers;
    std::string content_type = "application/json";
};

/// From request to response. Called from several threads; may block.
using http_handler = std::function<http_response(const http_request&)>;

/// What is left to do for an answer. Called once, from a thread that may block; the request lives until then.
using http_work = std::function<http_response()>;

/// An answer, or the work that leads to one.
using http_step = std::variant<http_response, http_work>;

/// A first look at a request, from the threads that read it: never blocks. Answering here saves a hop to another thread
/// and back, and costs nobody who waits for the store a place; so it is where the uninvited are turned away.
using http_opening = std::function<http_step(const http_request&)>;

/// For a handler that has nothing to say without blocking.
inline http_opening may_block(http_handler handler) {
    return [handler = std::move(handler)](const http_request& request) -> http_step {
        return http_work{[&handler, &request] { return handler(request); }};
    };
}

} // namespace tidesync::worker
