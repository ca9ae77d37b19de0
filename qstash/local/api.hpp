#pragma once

#include "qstash/local/call.hpp"
#include "qstash/local/destination.hpp"
#include "qstash/local/http.hpp"
#include "qstash/local/store.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

/// The REST API of QStash, served from the store. docs/qstash-local.md says what is there, call by call.
namespace tidesync::qstash::local {

class api {
public:
    struct account {
        std::string name;
        std::string token; ///< compared in constant time; never logged
    };

    struct settings {
        std::vector<account> accounts;
        destination_policy policy{};
        std::chrono::seconds deduplication_window{600};
        std::chrono::seconds delay_max{365 * 86400};
        int schedules_max = 1000;
        std::function<void()> made{};        ///< called after something was stored that may be due at once
        std::function<time_point()> clock{}; ///< for tests; nothing: the store's
    };

    /// @param shared  must outlive the api
    api(const store& shared, settings);

    /// Answers any request; throws what the store throws. From any thread.
    [[nodiscard]] response handle(const request&) const;

private:
    const store& store_;
    settings settings_;
};

/// `{"error":"…"}`
[[nodiscard]] response error_response(int status, const std::string& text);

} // namespace tidesync::qstash::local
