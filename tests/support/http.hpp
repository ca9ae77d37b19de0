#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tidesync::tests {

struct http_answer {
    int status = 0;                             ///< 0 when the peer closed without an answer
    std::map<std::string, std::string> headers; ///< names in lower case
    std::string body;
};

/// A TCP connection to the server under test, for requests that no well-behaved client would send.
class raw_connection {
public:
    explicit raw_connection(std::uint16_t port);
    ~raw_connection();
    raw_connection(const raw_connection&) = delete;
    raw_connection& operator=(const raw_connection&) = delete;

    /// @returns false when the peer has closed
    bool send(std::string_view bytes) const;

    /// Reads until the peer closes or one whole answer is there.
    /// @returns nothing after `patience`
    std::optional<http_answer> receive(std::chrono::milliseconds patience);

private:
    int socket_ = -1;
    std::string unread_;
};

using headers = std::vector<std::pair<std::string, std::string>>;

/// One request on a connection of its own. @throws std::runtime_error when nobody listens
/// @returns nothing without an answer within `patience`
std::optional<http_answer>
ask(std::uint16_t port, const std::string& method, const std::string& target, const headers& with,
    const std::string& body, std::chrono::milliseconds patience);

/// The same, for those who count on an answer. @throws std::runtime_error without an answer within a minute
http_answer request(
    std::uint16_t port, const std::string& method, const std::string& target, const headers& with = {},
    const std::string& body = {});

} // namespace tidesync::tests
