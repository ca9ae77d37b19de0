#pragma once

#include "qstash/local/api.hpp"
#include "qstash/local/scheduler.hpp"
#include "tests/support/database.hpp"
#include "worker/transactions.hpp"

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

namespace tidesync::tests {

/// A local scheduler in this process, on a database of its own, at a time that the test sets.
class scheduling {
public:
    static constexpr const char* token = "a-qstash-token-only-for-tests";
    static constexpr const char* current_key = "sig_4fTestCurrentKeyOnlyForTests9z";
    static constexpr const char* next_key = "sig_8hTestNextKeyOnlyForTestsPqrs";

    explicit scheduling(qstash::local::tick_rules = {}, qstash::local::destination_policy = {});
    ~scheduling();

    /// The test's clock: starts at a whole hour and stands still until it is moved.
    [[nodiscard]] qstash::local::time_point now() const;
    void advance(std::chrono::milliseconds);
    /// Waits until no attempt is under way: moving the clock by more than a lease would make it a lost one.
    /// @returns false when one still is after ten seconds
    [[nodiscard]] bool settle() const;

    /// Runs one more loop on the same store, as another replica would.
    void start();
    /// Stops all loops.
    void stop();

    struct reply {
        int status = 0;
        nlohmann::json body;
    };
    /// A call to the API with the token. @param headers  names in lower case
    reply call(
        const std::string& method, const std::string& target, qstash::local::header_fields headers = {},
        const std::string& body = {}) const;

    /// Publishes and returns the message id; fails the test when it is not taken.
    std::string publish(
        const std::string& url, const qstash::local::header_fields& headers = {}, const std::string& body = "{}") const;

    /// The states in the log of a message, oldest first, as `CREATED ACTIVE DELIVERED`.
    [[nodiscard]] std::string states(const std::string& message_id) const;
    /// @returns false when the log does not read so after ten seconds
    [[nodiscard]] bool await_states(const std::string& message_id, const std::string& expected) const;

    [[nodiscard]] const database& kept() const { return database_; }
    [[nodiscard]] const qstash::local::store& store() const { return *store_; }

private:
    database database_{database::on::production};
    worker::transactions transactions_;
    std::unique_ptr<qstash::local::store> store_;
    qstash::local::tick_rules ticks_;
    qstash::local::destination_policy policy_;
    std::atomic<std::int64_t> now_ms_;
    std::vector<std::unique_ptr<qstash::local::scheduler>> loops_;
    std::unique_ptr<qstash::local::api> api_;
    std::vector<std::jthread> threads_;
};

} // namespace tidesync::tests
