#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tidesync::qstash {

using http_fields = std::vector<std::pair<std::string, std::string>>;

struct http_request {
    std::string method = "GET"; ///< POST, PUT and PATCH send the body, also an empty one; others have none
    std::string url;            ///< sent byte for byte: no `..` is resolved, nothing is encoded or decoded
    http_fields headers; ///< an empty value is sent as one. The caller vouches that none holds a control character
    std::string body;
    std::chrono::milliseconds connect_limit{5'000};
    std::chrono::milliseconds total_limit{30'000}; ///< from the name lookup to the last byte of the answer
};

struct http_answer {
    int status = 0;
    http_fields headers; ///< of this answer, not of a 1xx before it; names in lower case, in the order they came
    std::string body;

    /// @param name  in lower case
    /// @returns the first value, empty when there is none
    [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// There is no whole answer.
struct http_failure {
    enum class kind {
        not_sent,   ///< no connection, or no TLS session, so that the server never saw the request
        broken,     ///< the connection ended before the answer did: the server may have acted
        time_limit, ///< `total_limit` passed; the server may have acted
        unusable,   ///< what came is no HTTP answer or beyond the limits below, the certificate is not trusted, or
                    ///< libcurl cannot be used
    };
    kind what;
    std::string text; ///< why, in the words of libcurl; no header, no body and no path of the request in it
};

constexpr std::size_t answer_body_bytes_max = std::size_t{16} * 1024 * 1024;
constexpr std::size_t answer_header_bytes_max = std::size_t{64} * 1024; ///< with those of 1xx answers
constexpr std::size_t answer_headers_max = 128;                         ///< likewise

/// Makes one HTTP/1.1 request on a connection of its own. Follows no redirect, uses no proxy and no other setting from
/// the environment, speaks http and https only, and raises no signal. May be called from several threads.
/// @returns the answer, whatever its status, or why there is none
/// @throws nothing but std::bad_alloc
[[nodiscard]] std::variant<http_answer, http_failure> http_call(const http_request&);

} // namespace tidesync::qstash
