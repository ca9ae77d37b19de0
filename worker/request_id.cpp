#include "worker/request_id.hpp"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <random>

namespace tidesync::worker {

namespace {

/// Version 4. Unique, not secret.
std::string random_uuid() {
    thread_local std::mt19937_64 random{[] {
        std::random_device device;
        std::seed_seq seed{device(), device(), device(), device()};
        return std::mt19937_64{seed};
    }()};
    const auto high = (random() & ~std::uint64_t{0xf000}) | 0x4000U;
    const auto low = (random() >> 2U) | (std::uint64_t{1} << 63U);
    return fmt::format(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xffffU, high & 0xffffU, low >> 48U,
        low & 0xffffffffffffU);
}

bool is_usable(std::string_view id) {
    constexpr std::size_t bytes_min = 8;
    constexpr std::size_t bytes_max = 64;
    return id.size() >= bytes_min && id.size() <= bytes_max && std::ranges::all_of(id, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                      c == '_' || c == '-';
           });
}

} // namespace

std::string id_of(const http_request& request) {
    const auto given = request.header("x-request-id");
    if (request.count("x-request-id") == 1 && is_usable(given)) return std::string{given};
    return random_uuid();
}

void name_request(http_response& answer, const std::string& id) {
    answer.headers.emplace_back("X-Request-Id", id);
    // Error documents end so: answers.cpp makes them all. The id holds nothing that JSON would have to escape.
    constexpr std::string_view end = "}\n";
    if (!answer.body.starts_with(R"({"success":false,)") || !answer.body.ends_with(end)) return;
    answer.body.insert(answer.body.size() - end.size(), fmt::format(R"(,"request_id":"{}")", id));
}

} // namespace tidesync::worker
