#include "qstash/local/random_id.hpp"

#include <array>
#include <openssl/rand.h>
#include <stdexcept>

namespace tidesync::qstash::local {

std::string random_id(std::string_view prefix, int letters) {
    constexpr std::string_view alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    std::string id{prefix};
    while (id.size() < prefix.size() + static_cast<std::size_t>(letters)) {
        std::array<unsigned char, 64> random{};
        if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
            throw std::runtime_error{"OpenSSL has no random bytes"};
        for (const auto byte : random) {
            // 232 is the largest multiple of 58 in a byte: with the rest some letters would come more often.
            if (byte >= 232 || id.size() == prefix.size() + static_cast<std::size_t>(letters)) continue;
            id += alphabet[byte % alphabet.size()];
        }
    }
    return id;
}

} // namespace tidesync::qstash::local
