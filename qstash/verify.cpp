#include "qstash/verify.hpp"

#include "qstash/base64url.hpp"
#include "qstash/digest.hpp"
#include "qstash/json_members.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <variant>

namespace tidesync::qstash {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr std::size_t token_bytes_max = 8192; // real ones stay below 1 KiB
constexpr std::size_t jti_bytes_max = 256;    // the caller stores it as a key
constexpr std::size_t mac_bytes = 32;

/// The whole numbers that every JSON reader agrees on (RFC 7493 section 2.2). As seconds they outlast any real time,
/// and a sum of three of them still fits, so that no comparison below can overflow.
constexpr std::uint64_t seconds_max = std::uint64_t{1} << 53;

seconds bounded(seconds value) {
    return std::clamp(value, seconds{0}, seconds{static_cast<seconds::rep>(seconds_max)});
}

struct compact_token {
    std::string header, payload, mac; // decoded
    std::string_view signed_text;     // header and payload as they were sent: what the code was computed over
};

std::optional<compact_token> read_token(std::string_view token) {
    if (token.size() > token_bytes_max || std::ranges::count(token, '.') != 2) return std::nullopt;
    const auto first_dot = token.find('.');
    const auto last_dot = token.rfind('.');
    auto header = base64url::decode(token.substr(0, first_dot));
    auto payload = base64url::decode(token.substr(first_dot + 1, last_dot - first_dot - 1));
    auto mac = base64url::decode(token.substr(last_dot + 1));
    // An empty code is left to the check of the header, which knows that this is what `alg: none` looks like.
    if (!header || header->empty() || !payload || payload->empty() || !mac) return std::nullopt;
    return compact_token{std::move(*header), std::move(*payload), std::move(*mac), token.substr(0, last_dot)};
}

const std::string* find_text(const json_members& members, std::string_view name) {
    const auto member = members.find(name);
    return member == members.end() ? nullptr : std::get_if<std::string>(&member->second);
}

/// The configuration alone decides how a token is checked and with which key. `none` and the other names of `alg` ask
/// for a different check, and these members bring a key, choose one, or change what is signed.
verdict check_header(std::string_view text) {
    constexpr std::array<std::string_view, 9> foreign{"crit", "b64", "jwk", "jku",     "kid",
                                                      "x5u",  "x5c", "x5t", "x5t#S256"};
    const auto members = read_members(text);
    if (!members) return verdict::malformed;
    const auto* algorithm = find_text(*members, "alg");
    const auto present = [&](std::string_view name) { return members->contains(name); };
    const bool hs256_alone = algorithm && *algorithm == "HS256" && std::ranges::none_of(foreign, present);
    return hs256_alone ? verdict::genuine : verdict::wrong_algorithm;
}

std::optional<std::size_t> find_key(std::span<const signing_key> keys, const compact_token& token) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (keys[i].value.empty()) continue; // anyone can sign with an empty key
        if (equal_in_constant_time(hmac_sha256(keys[i].value, token.signed_text), token.mac)) return i;
    }
    return std::nullopt;
}

struct checked_claims {
    token_claims shown;
    sys_seconds nbf; // 0 where the token has none: from the beginning of time
    std::string body;
};

/// @returns false when the claim is there, but is no whole number of seconds that JSON carries safely
bool read_time(const json_members& members, std::string_view name, std::optional<sys_seconds>& time) {
    const auto member = members.find(name);
    if (member == members.end()) return true;
    const auto* number = std::get_if<std::uint64_t>(&member->second);
    if (!number || *number > seconds_max) return false;
    time = sys_seconds{seconds{static_cast<seconds::rep>(*number)}};
    return true;
}

bool control(char character) { return static_cast<unsigned char>(character) < ' ' || character == '\x7f'; }
bool visible_ascii(char character) { return character > ' ' && character < '\x7f'; }

bool storable(std::string_view jti) {
    return !jti.empty() && jti.size() <= jti_bytes_max && std::ranges::all_of(jti, visible_ascii);
}

std::optional<checked_claims> read_claims(const json_members& members) {
    const auto* jti = find_text(members, "jti");
    const auto* sub = find_text(members, "sub");
    const auto* body = find_text(members, "body");
    if (!jti || !storable(*jti) || !body) return std::nullopt;
    if (!sub || sub->empty() || std::ranges::any_of(*sub, control)) return std::nullopt;

    std::optional<sys_seconds> exp, nbf, iat;
    if (!read_time(members, "exp", exp) || !read_time(members, "nbf", nbf) || !read_time(members, "iat", iat))
        return std::nullopt;
    if (!exp || (iat && *iat > *exp)) return std::nullopt; // no token dies before it is made
    return checked_claims{{*jti, *sub, *exp, iat}, nbf.value_or(sys_seconds{}), *body};
}

verdict check_time(const checked_claims& claims, sys_seconds wall_clock, const verify_settings& settings) {
    const sys_seconds now{bounded(wall_clock.time_since_epoch())};
    const auto tolerance = bounded(settings.clock_tolerance);
    const auto life_max = bounded(settings.token_life_max);
    const auto exp = claims.shown.exp;
    if (exp + tolerance <= now) return verdict::expired;
    if (claims.nbf > now + tolerance) return verdict::not_yet_valid;

    // A signature time ahead of our clock is no reason to refuse: that is a slow clock, which QStash sends `nbf` 0 for.
    // So the rest of the life is bounded as well, or a token could be dated far ahead and live until then.
    const bool lives_too_long = claims.shown.iat && exp - *claims.shown.iat > life_max;
    return lives_too_long || exp > now + life_max + tolerance ? verdict::life_too_long : verdict::genuine;
}

bool hash_matches(std::string_view claim, std::string_view body) {
    const auto hash = base64url::decode(claim, base64url::padding::optional);
    return hash && equal_in_constant_time(*hash, sha256(body));
}

verdict check_claims(
    const checked_claims& claims, std::string_view body, std::span<const std::string> accepted_urls, sys_seconds now,
    const verify_settings& settings) {
    if (const auto time = check_time(claims, now, settings); time != verdict::genuine) return time;
    if (!hash_matches(claims.body, body)) return verdict::body_mismatch;
    const bool for_us = std::ranges::find(accepted_urls, claims.shown.sub) != accepted_urls.end();
    return for_us ? verdict::genuine : verdict::url_mismatch;
}

} // namespace

verification verify(
    const delivery& arrived, std::span<const signing_key> keys, std::span<const std::string> accepted_urls,
    std::chrono::sys_seconds now, const verify_settings& settings) {
    if (std::ranges::all_of(keys, &std::string::empty, &signing_key::value)) return {verdict::no_keys};
    if (arrived.token.empty()) return {verdict::missing};
    const auto token = read_token(arrived.token);
    if (!token) return {verdict::malformed};
    // Before any cryptography: a token that asks for another check never reaches a key.
    if (const auto header = check_header(token->header); header != verdict::genuine) return {header};
    if (token->mac.size() != mac_bytes) return {verdict::malformed};

    const auto key_index = find_key(keys, *token);
    if (!key_index) return {verdict::wrong_key};

    // From here on QStash is speaking, and what it says is only weighed: no failure moves on to the next key.
    const auto members = read_members(token->payload);
    if (!members) return {verdict::malformed, key_index};
    const auto* issuer = find_text(*members, "iss");
    if (!issuer || *issuer != "Upstash") return {verdict::wrong_issuer, key_index};
    auto claims = read_claims(*members);
    if (!claims) return {verdict::malformed, key_index};
    const auto result = check_claims(*claims, arrived.body, accepted_urls, now, settings);
    return {result, key_index, std::move(claims->shown)};
}

std::string_view to_string(verdict value) {
    switch (value) {
    case verdict::genuine:
        return "genuine";
    case verdict::no_keys:
        return "no_keys";
    case verdict::missing:
        return "missing";
    case verdict::malformed:
        return "malformed";
    case verdict::wrong_algorithm:
        return "wrong_algorithm";
    case verdict::wrong_key:
        return "wrong_key";
    case verdict::wrong_issuer:
        return "wrong_issuer";
    case verdict::expired:
        return "expired";
    case verdict::not_yet_valid:
        return "not_yet_valid";
    case verdict::life_too_long:
        return "life_too_long";
    case verdict::body_mismatch:
        return "body_mismatch";
    case verdict::url_mismatch:
        return "url_mismatch";
    }
    return "unknown"; // not an enumerator: a bug elsewhere must not become one here
}

} // namespace tidesync::qstash
