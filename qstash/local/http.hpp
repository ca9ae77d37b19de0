#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidesync::qstash::local {

using header_fields = std::vector<std::pair<std::string, std::string>>;

/// A request as the scheduler sees it: whole and bounded. Whoever runs the HTTP server fills it in.
struct request {
    std::string method;
    std::string target;    ///< as it arrived: a destination stands in it raw, with `//` and its own query
    header_fields headers; ///< names in lower case
    std::string body;
    std::string remote; ///< address of the peer

    /// @returns the first value, empty when there is none
    [[nodiscard]] std::string_view header(std::string_view lower_case_name) const;
};

struct response {
    int status = 200;
    std::string body; ///< JSON, except for 405
    std::string content_type = "application/json";
};

/// A request that cannot be served: becomes `{"error":"<text>"}` with this status.
struct refusal {
    int status;
    std::string text;
};

/// `X-My-Header` for any spelling of it, as Go writes header names.
[[nodiscard]] std::string canonical_header_name(std::string_view);

} // namespace tidesync::qstash::local
