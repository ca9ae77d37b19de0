#pragma once

#include "tests/support/database.hpp"
#include "tests/support/http.hpp"
#include "tests/support/process.hpp"

#include <memory>

namespace tidesync::tests {

inline constexpr const char* current_key = "sig_4fTestCurrentKeyOnlyForTests9z";
inline constexpr const char* next_key = "sig_8hTestNextKeyOnlyForTestsPqrs";
inline constexpr const char* admin_token = "an-admin-token-only-for-tests-7Qx2";
inline constexpr const char* public_url = "https://sync.example.com";
inline constexpr const char* sync_route = "/api/background/sync/slave-to-prod";

/// The environment of a worker on these databases.
[[nodiscard]] variables worker_environment(const pair_of_databases&);

/// Waits until a server says in its log where it listens. @returns the port
/// @throws std::runtime_error with its log when it does not come up
[[nodiscard]] std::uint16_t await_listening(process&);

/// A running `tidesync serve` on a free port.
class serving {
public:
    /// @throws std::runtime_error with the worker's log when it does not come up
    explicit serving(const variables& environment);

    [[nodiscard]] std::uint16_t port() const { return port_; }
    process& worker() { return *worker_; }

    /// POSTs to a route with the headers that QStash sends and a signature for `body`.
    struct message {
        std::string id = "msg_1";
        std::string jti = "jwt_1";
        std::string body = "{}";
        std::string key = current_key;
        std::string url = std::string{public_url} + sync_route;
        std::chrono::seconds age{};     ///< how long ago it was signed
        headers more{};                 ///< further headers
        std::string route = sync_route; ///< where it is sent, whatever address was signed
    };
    [[nodiscard]] http_answer deliver(const message&) const;

    /// As a person with the admin token.
    [[nodiscard]] http_answer
    as_person(const std::string& method, const std::string& target, const std::string& body = {}) const;

    /// Waits until the log (stderr) holds a text. @returns false after ten seconds
    [[nodiscard]] bool logs(std::string_view text) const;

private:
    std::unique_ptr<process> worker_;
    std::uint16_t port_ = 0;
};

/// The value of `Upstash-Signature` for a message.
[[nodiscard]] std::string signature(const serving::message&);

/// Everything that QStash sends beside the body.
[[nodiscard]] headers delivery_headers(const serving::message&);

} // namespace tidesync::tests
