#include "worker/tokens.hpp"

#include "qstash/base64url.hpp"
#include "qstash/digest.hpp"

#include <algorithm>
#include <openssl/rand.h>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::string_view prefix = "tsy_";
constexpr std::string_view id_letters = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t id_size = 10;
constexpr std::size_t secret_bytes = 32;
constexpr std::size_t secret_size = 43; // of 32 bytes in base64url

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes are unsigned
    if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1)
        throw std::runtime_error{"OpenSSL has no random bytes"};
    return bytes;
}

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

} // namespace

std::string_view to_string(scope what) noexcept {
    switch (what) {
    case scope::read:
        return "read";
    case scope::trigger:
        return "trigger";
    case scope::admin:
        break;
    }
    return "admin";
}

std::optional<scope> scope_of(std::string_view text) {
    for (const auto what : {scope::read, scope::trigger, scope::admin})
        if (text == to_string(what)) return what;
    return std::nullopt;
}

new_token make_token() {
    new_token made;
    for (const char byte : random_bytes(id_size)) made.id += id_letters[static_cast<unsigned char>(byte) % 32];
    auto text = std::string{prefix} + made.id + '_' + qstash::base64url::encode(random_bytes(secret_bytes));
    made.sha256 = qstash::sha256(text);
    made.text = secret{std::move(text)};
    return made;
}

std::optional<std::string_view> token_id_of(std::string_view text) {
    if (text.size() != prefix.size() + id_size + 1 + secret_size || !text.starts_with(prefix)) return std::nullopt;
    const auto id = text.substr(prefix.size(), id_size);
    const auto rest = text.substr(prefix.size() + id_size);
    const bool has_form =
        id.find_first_not_of(id_letters) == std::string_view::npos && rest.front() == '_' &&
        std::ranges::all_of(rest, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; });
    return has_form ? std::optional{id} : std::nullopt;
}

bool is_token_name(std::string_view text) {
    constexpr std::size_t bytes_max = 63;
    return !text.empty() && text.size() <= bytes_max && is_letter_or_digit(text.front()) &&
           std::ranges::all_of(
               text, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '@' || c == '-'; });
}

} // namespace tidesync::worker
