#include "qstash/local/retry.hpp"

#include "qstash/local/retry_after.hpp"
#include "qstash/local/retry_delay.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace tidesync::qstash::local {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

constexpr milliseconds asked_delay_max = days{1};

std::optional<std::string_view> find_header(const header_fields& headers, std::string_view name) {
    const auto found = std::ranges::find(headers, name, &header_fields::value_type::first);
    if (found == headers.end()) return std::nullopt;
    return found->second;
}

/// The status alone is one that any server may send.
bool forbids_retry(const attempt_result& result) {
    return result.status == 489 && find_header(result.headers, "upstash-nonretryable-error") == "true";
}

/// What the destination asks for.
std::optional<milliseconds> asked_delay(const header_fields& headers, time_point now) {
    for (const auto* name :
         {"retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"}) {
        const auto value = find_header(headers, name);
        const auto delay = value ? read_retry_after(*value, now) : std::nullopt;
        // A day and more is mostly the Unix time that other services put into X-RateLimit-Reset.
        if (delay) return *delay <= asked_delay_max ? delay : std::nullopt;
    }
    return std::nullopt;
}

/// What the publisher asks for.
std::optional<milliseconds> computed_delay(const std::string& expression, int retried) {
    if (expression.empty()) return std::nullopt;
    try {
        return retry_delay_expression::parse(expression).evaluate(retried);
    } catch (const std::invalid_argument&) {
        return std::nullopt; // was read when the message was taken; a store that kept it badly must not stop retries
    }
}

/// min(86400, e^(2.5 n)) for retry n, which is `retried` + 1.
seconds back_off(int retried) {
    constexpr std::array<seconds, 5> delays{12s, 148s, 1808s, 22026s, 86400s};
    return delays.at(std::min(static_cast<std::size_t>(std::max(retried, 0)), delays.size() - 1));
}

} // namespace

next_step decide(const attempt_result& result, const delivery_options& options, int retried, time_point now) {
    if (result.status >= 200 && result.status <= 299) return delivered{};
    if (forbids_retry(result) || retried >= options.retries) return failed{};
    if (const auto delay = asked_delay(result.headers, now)) return retry_later{*delay};
    if (const auto delay = computed_delay(options.retry_delay, retried)) return retry_later{*delay};
    return retry_later{back_off(retried)};
}

} // namespace tidesync::qstash::local
