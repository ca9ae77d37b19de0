#include "worker/webhook.hpp"

#include "qstash/base64url.hpp"
#include "qstash/digest.hpp"
#include "worker/version.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

constexpr std::string_view secret_prefix = "whsec_";
constexpr std::size_t key_bytes_min = 24;
constexpr std::size_t key_bytes_max = 64;

/// Base64 with the two characters that URLs do not bear, and padded.
std::string base64(std::string_view bytes) {
    auto text = qstash::base64url::encode(bytes);
    std::ranges::replace(text, '-', '+');
    std::ranges::replace(text, '_', '/');
    return text + std::string((4 - text.size() % 4) % 4, '=');
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.find_first_of("-_") != std::string_view::npos) return std::nullopt;
    std::string for_urls{text};
    std::ranges::replace(for_urls, '+', '-');
    std::ranges::replace(for_urls, '/', '_');
    return qstash::base64url::decode(for_urls, qstash::base64url::padding::optional);
}

} // namespace

std::optional<std::string> webhook_key(std::string_view text) {
    if (!text.starts_with(secret_prefix)) return std::nullopt;
    auto key = from_base64(text.substr(secret_prefix.size()));
    if (!key || key->size() < key_bytes_min || key->size() > key_bytes_max) return std::nullopt;
    return key;
}

std::string sign_webhook(std::string_view id, std::int64_t timestamp, std::string_view body, std::string_view key) {
    return "v1," + base64(qstash::hmac_sha256(key, fmt::format("{}.{}.{}", id, timestamp, body)));
}

qstash::http_request webhook_request(const alarm_receiver& to, const due_alarm& alarm) {
    const nlohmann::ordered_json document{{"type", alarm.type}, {"timestamp", alarm.made_at}, {"data", alarm.data}};
    qstash::http_request request{.method = "POST", .url = std::string{to.url.reveal()}, .headers = {}, .body = {}};
    request.body = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    request.headers = {
        {"Content-Type", "application/json"},
        {"User-Agent", fmt::format("tidesync/{}", version)},
        {"webhook-id", alarm.alarm_id},
        {"webhook-timestamp", std::to_string(alarm.now)},
        {"webhook-signature", sign_webhook(alarm.alarm_id, alarm.now, request.body, to.key.reveal())}};
    return request;
}

} // namespace tidesync::worker
