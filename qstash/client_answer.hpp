#pragma once

#include "qstash/client.hpp"
#include "qstash/http_call.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the client makes of an answer. Pure.
namespace tidesync::qstash {

struct rate_limit {
    rate_limited::kind which = rate_limited::kind::unknown;
    std::optional<std::chrono::sys_seconds> reset;
};

/// What the headers of a 429 say. Source: Upstash documentation, "API Rate Limiting".
[[nodiscard]] rate_limit rate_limit_of(const http_answer&);

/// Makes foreign text fit to show: what is not printable ASCII is replaced, `secret` is taken out wherever the text
/// repeats it, and after 300 characters it is cut off.
[[nodiscard]] std::string shown(std::string_view text, std::string_view secret);

/// The answer to one call, by the name the call has in messages. Every function throws `api_error` or what derives from
/// it when the answer is a refusal. What QStash never says is `unreachable`: a 2xx with something else than the JSON
/// that the call needs, a 404 without its `{"error":"…"}`. Who takes the 404 of a proxy for "there is none yet" would
/// go on and create. Members that are missing or of another kind are left empty, also in place of a number where text
/// holds one.
class answer_reader {
public:
    /// @param origin  who was asked, for messages; a view that outlives this object
    /// @param secret  must not appear in any message; likewise
    answer_reader(std::string call, std::string_view origin, std::string_view secret, http_answer);

    [[nodiscard]] int status() const { return answer_.status; }

    /// For calls whose body says nothing: any 2xx will do, unless it is a web page.
    void require_success() const;

    /// Of a create: the member `scheduleId`.
    [[nodiscard]] std::string created_id() const;
    [[nodiscard]] qstash::schedule schedule() const;
    [[nodiscard]] std::vector<qstash::schedule> schedules() const;
    [[nodiscard]] client::published published() const;
    [[nodiscard]] std::vector<log_entry> logs() const;
    [[nodiscard]] std::vector<dlq_entry> dead_letters() const;
    [[nodiscard]] key_pair keys() const;

private:
    [[noreturn]] void throw_unexpected() const;
    [[noreturn]] void throw_refusal() const;

    std::string call_;
    std::string_view origin_;
    std::string_view secret_;
    http_answer answer_;
};

} // namespace tidesync::qstash
