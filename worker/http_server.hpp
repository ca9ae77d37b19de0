#pragma once

#include "worker/http.hpp"
#include "worker/settings.hpp"

#include <chrono>
#include <cstdint>
#include <memory>

namespace tidesync::worker {

/// An HTTP/1.1 server. Everything a client can make it hold or wait for is bounded.
class http_server {
public:
    struct limits {
        std::uint32_t header_bytes_max = 8U * 1024;
        std::size_t header_fields_max = 64;
        std::uint64_t body_bytes_max = 64UL * 1024;
        std::chrono::seconds header_time{5};
        std::chrono::seconds body_time{10};
        std::chrono::seconds write_time{10};
        std::chrono::seconds idle_time{15}; ///< between two requests of one connection
        int connections_max = 512;
        int handlers = 16; ///< requests worked on at once; the rest waits its turn
    };

    /// Listens at once. @throws std::runtime_error that names the address when it cannot
    http_server(const listen_address&, http_handler, limits);
    ~http_server();
    http_server(const http_server&) = delete;
    http_server& operator=(const http_server&) = delete;

    /// The port it listens on; differs from the given one when that was 0.
    [[nodiscard]] std::uint16_t port() const;

    /// Takes no more connections and waits until every request has its answer, at most `patience`.
    void drain(std::chrono::milliseconds patience);

private:
    class implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace tidesync::worker
