#pragma once

#include "worker/http.hpp"
#include "worker/settings.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tidesync::worker {

/// The address cannot be had.
struct cannot_listen : std::runtime_error {
    cannot_listen(const std::string& what, bool taken, std::string_view named_by)
        : std::runtime_error{what}
        , in_use{taken}
        , setting{named_by} {}
    bool in_use;         ///< another process has it
    std::string setting; ///< what to change
};

/// An HTTP/1.1 server. Everything a client can make it hold or wait for is bounded.
class http_server {
public:
    /// One path that may be sent more than the others. Only so many such bodies are held at once, since nobody has
    /// proven anything while a body arrives; further ones are answered 503.
    struct large_bodies {
        std::string path;
        std::uint64_t bytes_max = 0;
        int at_once_max = 8;
    };

    struct limits {
        std::uint32_t header_bytes_max = 8U * 1024;
        std::size_t header_fields_max = 64;
        std::uint64_t body_bytes_max = 64UL * 1024;
        large_bodies larger{}; ///< none
        std::chrono::seconds header_time{5};
        std::chrono::seconds body_time{10};
        std::chrono::seconds write_time{10};
        std::chrono::seconds idle_time{15}; ///< between two requests of one connection
        int connections_max = 512;
        int handlers = 16; ///< requests whose work is done at once; the rest waits its turn
    };

    /// Makes the answer to what never reaches the opening: status, code, message, hint.
    using refusal =
        std::function<http_response(int, std::string_view code, std::string_view message, std::string_view hint)>;

    /// Listens at once. @throws std::runtime_error that names the address when it cannot
    /// @param refuse  nothing: the worker's own error document
    http_server(const listen_address&, http_opening, limits, refusal refuse = {});
    ~http_server();
    http_server(const http_server&) = delete;
    http_server& operator=(const http_server&) = delete;

    /// The port it listens on; differs from the given one when that was 0.
    [[nodiscard]] std::uint16_t port() const;

    /// From now on every answer ends its connection, so that clients go elsewhere with the next request.
    void end_connections();

    /// The same, takes no more connections, and waits until every request has its answer and nobody speaks any more, at
    /// most `patience`.
    void drain(std::chrono::milliseconds patience);

private:
    class implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace tidesync::worker
