#pragma once

#include <chrono>
#include <csignal>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace tidesync::tests {

using variables = std::map<std::string, std::string>;

/// A program under test with an environment of its own; stdout and stderr go to files. Killed at the end if it lives.
class process {
public:
    /// @param environment  the whole environment; only PATH and the sanitizer's options are added
    process(const std::vector<std::string>& arguments, const variables& environment);
    ~process();
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    void signal(int number) const;

    /// @returns the exit status, 128 + n after signal n; nothing when it still runs after `patience`
    std::optional<int> wait(std::chrono::milliseconds patience);

    /// Whether SIGSTOP has stopped it.
    [[nodiscard]] bool is_stopped() const;

    [[nodiscard]] std::string out() const;
    [[nodiscard]] std::string err() const;
    [[nodiscard]] pid_t id() const { return id_; }

private:
    std::string folder_;
    pid_t id_ = -1;
    std::optional<int> status_;
};

struct finished {
    int status = -1;
    std::string out;
    std::string err;
};

/// Path of the binary under test, from TIDESYNC_BINARY.
[[nodiscard]] std::string tidesync_binary();

/// Runs the binary under test to its end. @throws std::runtime_error when it takes longer than a minute
[[nodiscard]] finished run_tidesync(const std::vector<std::string>& arguments, const variables& environment);

} // namespace tidesync::tests
