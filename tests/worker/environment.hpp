#pragma once

#include "worker/settings.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace tidesync::tests {

/// All that `serve` needs.
inline worker::environment complete() {
    return {
        {"SLAVE_DATABASE_URL", "postgresql://reader:pw1@slave.example.com/app"},
        {"PROD_DATABASE_URL", "postgresql://writer:pw2@prod.example.com:6543/app"},
        {"QSTASH_CURRENT_SIGNING_KEY", "sig_4fTestCurrentKeyOnlyForTests9z"},
        {"QSTASH_NEXT_SIGNING_KEY", "sig_8hTestNextKeyOnlyForTestsPqrs"},
        {"TIDESYNC_PUBLIC_URL", "https://sync.example.com"},
        {"TIDESYNC_ADMIN_TOKEN", "0123456789abcdef0123456789abcdef"},
        {"QSTASH_TOKEN", "a-qstash-token-only-for-tests"}};
}

inline bool mention(const std::vector<std::string>& texts, std::string_view word) {
    return std::ranges::any_of(texts, [&](const auto& text) { return text.find(word) != std::string::npos; });
}

/// A file that goes away with the test.
struct temporary_file {
    explicit temporary_file(std::string_view contents)
        : path{(std::filesystem::temp_directory_path() / ("tidesync-settings-" + std::to_string(getpid()))).string()} {
        std::ofstream{path} << contents;
    }
    ~temporary_file() { std::filesystem::remove(path); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    std::string path;
};

} // namespace tidesync::tests
