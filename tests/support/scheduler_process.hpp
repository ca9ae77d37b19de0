#pragma once

#include "tests/support/database.hpp"
#include "tests/support/http.hpp"
#include "tests/support/process.hpp"

#include <memory>
#include <string>

namespace tidesync::tests {

/// A running `tidesync qstash-local` on a free port, with token and keys from its settings.
class scheduler_process {
public:
    static constexpr const char* token = "a-qstash-token-only-for-tests";

    /// @param more  further arguments
    /// @throws std::runtime_error with its log when it does not come up
    explicit scheduler_process(const database& kept, const std::vector<std::string>& more = {});

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] tests::process& process() { return *process_; }
    [[nodiscard]] std::string url() const;

    /// A call to its API with the token.
    [[nodiscard]] http_answer
    call(const std::string& method, const std::string& target, headers with = {}, const std::string& body = {}) const;

private:
    std::unique_ptr<tests::process> process_;
    std::uint16_t port_ = 0;
};

/// The environment of a scheduler whose tables are in this database.
[[nodiscard]] variables scheduler_environment(const database& kept);

} // namespace tidesync::tests
