#include "qstash/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <climits>
#include <cstddef>
#include <stdexcept>

namespace tidesync::qstash {
namespace {

constexpr std::size_t sha256_bytes = 32;

const unsigned char* bytes_of(std::string_view view) { return reinterpret_cast<const unsigned char*>(view.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

} // namespace

std::string sha256(std::string_view bytes) {
    std::string digest(sha256_bytes, '\0');
    unsigned length = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), bytes_of(digest), &length, EVP_sha256(), nullptr) != 1 ||
        length != sha256_bytes)
        throw std::runtime_error("OpenSSL could not compute SHA-256; is the default provider loaded?");
    return digest;
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
    if (key.empty() || key.size() > INT_MAX) throw std::invalid_argument("a signing key must hold 1 to INT_MAX bytes");
    std::string code(sha256_bytes, '\0');
    unsigned length = 0;
    if (HMAC(
            EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(bytes), bytes.size(), bytes_of(code),
            &length) == nullptr ||
        length != sha256_bytes)
        throw std::runtime_error("OpenSSL could not compute HMAC-SHA-256; is the default provider loaded?");
    return code;
}

bool equal_in_constant_time(std::string_view left, std::string_view right) {
    return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

} // namespace tidesync::qstash
