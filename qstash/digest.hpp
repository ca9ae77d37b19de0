#pragma once

#include <string>
#include <string_view>

namespace tidesync::qstash {

/// @returns 32 raw bytes
/// @throws  std::runtime_error when OpenSSL fails, which no input causes
[[nodiscard]] std::string sha256(std::string_view bytes);

/// @param key  not empty: anyone can compute a code under an empty key
/// @returns    32 raw bytes
/// @throws     std::invalid_argument for an empty key, std::runtime_error when OpenSSL fails, which no input causes
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view bytes);

/// Compares what an attacker must not learn byte by byte. The time depends on the length alone, which is no secret.
[[nodiscard]] bool equal_in_constant_time(std::string_view left, std::string_view right);

} // namespace tidesync::qstash
