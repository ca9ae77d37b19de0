#pragma once

#include "tests/support/database.hpp"
#include "tests/support/process.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace tidesync::tests {

/// A running PgBouncer in front of one of the two test servers.
class pooler_process {
public:
    struct rules {
        std::string mode = "transaction";
        int pool_size = 20;
        std::string more{}; ///< further lines of its file
    };

    /// @throws std::runtime_error with its log when it does not come up
    pooler_process(const database& behind, const rules&);
    ~pooler_process();
    pooler_process(const pooler_process&) = delete;
    pooler_process& operator=(const pooler_process&) = delete;

    /// The address of a database on that server, through the pooler.
    [[nodiscard]] std::string url(const database&) const;
    [[nodiscard]] tests::process& process() { return *process_; }
    [[nodiscard]] std::uint16_t port() const { return port_; }

    /// kill -9, and another one on the same port.
    void crash();

private:
    void start();

    std::string folder_;
    std::uint16_t port_;
    std::string answering_; ///< a database that it must reach to be up
    std::unique_ptr<tests::process> process_;
};

} // namespace tidesync::tests
