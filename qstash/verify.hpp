#pragma once

#include "qstash/keys.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tidesync::qstash {

/// One delivery as it arrived. Views into the request; read only during the call.
struct delivery {
    std::string_view token; ///< value of the one `Upstash-Signature` header; empty when there was none
    std::string_view body;  ///< raw bytes, before any decoding: the hash is over these
};

struct verify_settings {
    std::chrono::seconds clock_tolerance{5};  ///< how far our clock may be off, either way
    std::chrono::seconds token_life_max{600}; ///< longest accepted life; QStash signs for 300 s
};

/// What the checks found, in the order in which they are made.
enum class verdict {
    genuine,         ///< QStash sent this body to this URL, and the token is alive
    no_keys,         ///< every configured key is empty: nothing can be proven
    missing,         ///< no token
    malformed,       ///< not a compact token over well-formed JSON, or a claim is absent or of the wrong kind
    wrong_algorithm, ///< not HS256, or the header names an extension or a key of its own
    wrong_key,       ///< none of our keys made the signature
    wrong_issuer,    ///< signed with our key, but `iss` is not exactly `Upstash`
    expired,         ///< our key, but `exp` has passed
    not_yet_valid,   ///< our key, but `nbf` has not come
    life_too_long,   ///< our key, but the token would outlive `token_life_max`
    body_mismatch,   ///< our key, but another body
    url_mismatch,    ///< our key and this body, but sent to another URL
};

/// Stable snake_case names, equal to the enumerators, for logs and metrics.
[[nodiscard]] std::string_view to_string(verdict);

/// What a token under one of our keys says. Text is safe to log and to store: bounded, and without control characters.
struct token_claims {
    std::string jti; ///< unique for each token; 1 to 256 visible ASCII characters
    std::string sub; ///< the URL that QStash was told to call
    std::chrono::sys_seconds exp;
    std::optional<std::chrono::sys_seconds> iat;
};

struct verification {
    verdict result;
    /// Which of the given keys made the signature, so that a rotation shows; nothing until one did.
    std::optional<std::size_t> key_index = std::nullopt;
    /// What the token says, trusted or not: present for `genuine` and for every verdict from `expired` on.
    std::optional<token_claims> claims = std::nullopt;

    [[nodiscard]] bool genuine() const { return result == verdict::genuine; }
};

/// Decides whether QStash sent this delivery. Reads no clock, no network, no log.
///
/// Stricter than the official JavaScript receiver, which accepts any HMAC, a token without `exp`, and every URL unless
/// it is told one. And more honest: there an expired token is tried with the next key, so that a wrong clock looks like
/// a wrong key.
/// @param keys           any number, tried in order; empty ones are skipped
/// @param accepted_urls  from configuration, never rebuilt from `Host`; `sub` must equal one of them byte for byte.
///                       None given, none accepted
/// @param now            wall clock in whole seconds; compared with the claims `exp`, `nbf` and `iat`
/// @returns              `verdict::genuine`, or the first check that failed
/// @throws               nothing that a sender can cause
/// Source: RFC 7515, RFC 7519 section 4.1, RFC 8725; Upstash documentation, "Verify Signatures".
[[nodiscard]] verification verify(
    const delivery& arrived, std::span<const signing_key> keys, std::span<const std::string> accepted_urls,
    std::chrono::sys_seconds now, const verify_settings& settings = {});

} // namespace tidesync::qstash
