#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace tidesync::tests {

/// What the server does with one connection, after it has read the request.
struct canned_answer {
    enum class then {
        close,  ///< send and close, also in the middle of what was announced
        stall,  ///< send, and then keep silent until the client goes
        repeat, ///< send, and then `again` over and over until the client goes, at most 64 MiB
        drip,   ///< send, and then `again` every millisecond until the client goes, at most 30,000 times
    };
    std::string bytes; ///< as they are, so that they may be any mistake
    then afterwards = then::close;
    std::string again = {};
};

/// A whole HTTP/1.1 answer with a length.
/// @param headers  each `Name: value\r\n`
[[nodiscard]] canned_answer answer(int status, std::string_view body = {}, std::string_view headers = {});

/// The same with `Content-Type: application/json`.
[[nodiscard]] canned_answer json_answer(int status, std::string_view body);

/// Plays answers, one for each connection in the order they come, and keeps what was asked, byte for byte. Connections
/// beyond the script are closed without an answer. Listens on a free port of 127.0.0.1, in a thread of its own.
class canned_server {
public:
    explicit canned_server(std::vector<canned_answer> script);
    ~canned_server();
    canned_server(const canned_server&) = delete;
    canned_server& operator=(const canned_server&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::string url() const;

    /// One for each connection so far, also when it brought nothing.
    [[nodiscard]] std::vector<std::string> requests() const;

private:
    void serve();
    void serve_one(int socket, const canned_answer&);
    [[nodiscard]] std::string receive(int socket) const;
    [[nodiscard]] bool send(int socket, std::string_view bytes) const;
    [[nodiscard]] bool wait_for(int socket, short events) const;

    std::vector<canned_answer> script_;
    std::uint16_t port_ = 0; // before the listener, which sets it
    int listener_ = -1;
    mutable std::mutex lock_;
    std::vector<std::string> requests_;
    std::atomic<bool> stopping_{false};
    std::thread thread_; // last, because it uses the others
};

/// A port of 127.0.0.1 where nobody listens.
[[nodiscard]] std::uint16_t unused_port();

/// Of a recorded request: `POST /path HTTP/1.1`.
[[nodiscard]] std::string request_line(const std::string& request);

/// Of a recorded request: its headers as `name: value`, names in lower case, sorted.
[[nodiscard]] std::vector<std::string> header_lines(const std::string& request);

/// Of a recorded request: what stands behind the headers.
[[nodiscard]] std::string body_of(const std::string& request);

} // namespace tidesync::tests
