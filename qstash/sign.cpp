#include "qstash/sign.hpp"

#include "qstash/base64url.hpp"
#include "qstash/digest.hpp"

#include <nlohmann/json.hpp>

#include <stdexcept>

namespace tidesync::qstash {
namespace {

/// Members stand in the order QStash writes them, so that a token can be compared with one of theirs.
std::string claims_text(const signing_input& input) try {
    const nlohmann::ordered_json claims{
        {"iss", "Upstash"},
        {"sub", input.url},
        {"exp", (input.iat + input.life).time_since_epoch().count()},
        {"nbf", 0},
        {"iat", input.iat.time_since_epoch().count()},
        {"jti", input.jti},
        {"body", base64url::encode(sha256(input.body)) + '='}, // 32 bytes always leave room for exactly one
    };
    return claims.dump();
} catch (const nlohmann::json::type_error&) {
    throw std::invalid_argument("a token can carry only a URL and a jti that are valid UTF-8");
}

} // namespace

std::string sign(const signing_input& input, std::string_view key) {
    auto token = base64url::encode(R"({"alg":"HS256","typ":"JWT"})") + '.' + base64url::encode(claims_text(input));
    token += '.' + base64url::encode(hmac_sha256(key, token));
    return token;
}

} // namespace tidesync::qstash
