#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace tidesync::qstash {

/// What one token is to say. Views; read only during the call.
struct signing_input {
    std::string_view url;  ///< claim `sub`: the destination as it was published, query included
    std::string_view body; ///< raw bytes; claim `body` is their hash
    std::string_view jti;  ///< unique for each token, `jwt_` and some 28 letters and digits
    std::chrono::sys_seconds iat;
    std::chrono::seconds life{300}; ///< `exp` is this much after `iat`
};

/// Makes the value of `Upstash-Signature` as QStash does: `nbf` is 0, since receivers with a slow clock would refuse
/// anything else, and the hash of the body keeps its padding.
/// @param key  as configured, `sig_` included
/// @throws     std::invalid_argument when the key is empty, or the URL or `jti` is not UTF-8
/// Source: Upstash documentation, "Verify Signatures", and its changelog of September 2024.
[[nodiscard]] std::string sign(const signing_input& input, std::string_view key);

} // namespace tidesync::qstash
