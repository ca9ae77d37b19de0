#pragma once

#include "qstash/local/destination.hpp"
#include "qstash/local/retry.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tidesync::qstash::local {

/// One HTTP request to a destination.
struct outgoing {
    std::int64_t id = 0; ///< the caller's, to know the answer by
    std::string url;
    std::string method;
    header_fields headers;
    std::string body;
    std::chrono::milliseconds timeout{};
};

struct incoming {
    std::int64_t id = 0;
    attempt_result result;
};

/// Makes many requests at once on one thread, through libcurl. Follows no redirects, uses no proxy, and asks the policy
/// about every address it is about to connect to, after DNS, so that no name can lead it elsewhere.
/// Everything but `wake` belongs to one thread.
class sender {
public:
    struct limits {
        std::chrono::seconds connect{10};
        std::size_t answer_bytes_max = 256UL * 1024;            ///< what is kept of an answer
        std::size_t answer_bytes_read_max = 16UL * 1024 * 1024; ///< then the connection is closed; the status counts
    };

    sender(destination_policy, limits);
    ~sender();
    sender(const sender&) = delete;
    sender& operator=(const sender&) = delete;

    /// Sets a request going. Whatever is wrong with it comes back as its answer.
    void start(outgoing);

    /// Works on the requests under way for at most `patience`, or until some have ended or `wake` was called. An answer
    /// that drips in does not end it.
    /// @returns those that ended
    [[nodiscard]] std::vector<incoming> work(std::chrono::milliseconds patience);

    /// Ends the current or next `work` early. From any thread.
    void wake();

    [[nodiscard]] std::size_t under_way() const;

private:
    class implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace tidesync::qstash::local
