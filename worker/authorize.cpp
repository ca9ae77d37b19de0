#include "worker/authorize.hpp"

#include "qstash/digest.hpp"
#include "qstash/keys.hpp"

#include <fmt/format.h>

namespace tidesync::worker {

namespace {

constexpr std::size_t message_id_bytes_max = 256;

using qstash::is_visible;

principal check_signature(const http_request& request, const settings& settings, std::chrono::sys_seconds now) {
    if (request.count("upstash-signature") > 1) return refused{"several_credentials", "several signatures"};
    // The configured address and the target as it arrived: `sub` holds the query too, and Host is the caller's word.
    const std::string url = settings.public_url + request.target;
    const auto checked = qstash::verify(
        {.token = request.header("upstash-signature"), .body = request.body}, settings.signing_keys, {&url, 1}, now,
        {.clock_tolerance = settings.clock_tolerance});
    if (!checked.genuine() || !checked.claims) {
        auto reason = std::string{qstash::to_string(checked.result)};
        if (checked.result == qstash::verdict::url_mismatch && checked.claims)
            reason += fmt::format(": signed for {}, expected {} (TIDESYNC_PUBLIC_URL)", checked.claims->sub, url);
        return refused{qstash::to_string(checked.result), std::move(reason)};
    }
    const auto message_id = request.header("upstash-message-id");
    if (request.count("upstash-message-id") != 1 || message_id.empty() || message_id.size() > message_id_bytes_max ||
        !is_visible(message_id))
        return refused{"message_id", "message id missing or malformed"};
    const auto schedule_id = request.header("upstash-schedule-id");
    const auto& key = settings.signing_keys[checked.key_index.value_or(0)].label;
    return signed_delivery{
        .claims = *checked.claims,
        .key_label = key,
        .by_next_key = key.ends_with("next"),
        .message_id = std::string{message_id},
        .schedule_id = is_visible(schedule_id) ? std::string{schedule_id.substr(0, message_id_bytes_max)} : ""};
}

principal check_bearer(const http_request& request, const settings& settings) {
    constexpr std::string_view scheme = "bearer ";
    const auto value = request.header("authorization");
    if (request.count("authorization") > 1) return refused{"several_credentials", "several Authorization headers"};
    const bool is_bearer =
        value.size() > scheme.size() && std::ranges::equal(value.substr(0, scheme.size()), scheme, [](char a, char b) {
            return std::tolower(static_cast<unsigned char>(a)) == b;
        });
    if (!is_bearer) return refused{"wrong_token", "not a bearer token"};
    const auto shown = value.substr(scheme.size());
    const auto hash = qstash::sha256(shown);
    // Hashes are compared, so that the time does not even tell the token's length.
    if (!settings.admin_token.empty() &&
        qstash::equal_in_constant_time(hash, qstash::sha256(settings.admin_token.reveal())))
        return bearer{.id = {}, .name = {}, .scope = scope::admin};
    if (const auto id = token_id_of(shown)) return presented_token{std::string{*id}, hash};
    return refused{"wrong_token", "wrong token"};
}

} // namespace

principal authorize(const http_request& request, const settings& settings, std::chrono::sys_seconds now, access needs) {
    if (request.count("upstash-signature") > 0) {
        if (needs == access::token) return refused{"not_for_signatures", "a signature does not open this route"};
        return check_signature(request, settings, now);
    }
    if (request.count("authorization") > 0) {
        if (needs == access::signature) return refused{"not_for_tokens", "a token does not open this route"};
        return check_bearer(request, settings);
    }
    if (request.count("x-manual-trigger") > 0) return refused{"manual_header_only", "manual header only"};
    return refused{"no_credential", "no credential"};
}

} // namespace tidesync::worker
