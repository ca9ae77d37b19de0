#pragma once

#include "qstash/client.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The members of what QStash answers. Every reader takes a missing member, or one of another kind, for an empty one.
namespace tidesync::qstash {

inline constexpr std::int64_t time_ms_max = 253'402'300'799'999; ///< the end of the year 9999

/// @returns a discarded value for what is no JSON, no UTF-8, too deep, or holds a NUL byte, where the parser would stop
[[nodiscard]] nlohmann::json parsed(std::string_view text);

[[nodiscard]] const nlohmann::json& member(const nlohmann::json& object, const char* name);
[[nodiscard]] std::string text_of(const nlohmann::json& value);
[[nodiscard]] std::string text_of(const nlohmann::json& object, const char* name);
/// A list of texts; a text alone is a list of one.
[[nodiscard]] std::vector<std::string> texts_of(const nlohmann::json& value);
[[nodiscard]] bool flag_of(const nlohmann::json& object, const char* name);

[[nodiscard]] std::optional<std::int64_t> whole_number(std::string_view text);
[[nodiscard]] std::optional<int> small_number_of(const nlohmann::json& object, const char* name);
[[nodiscard]] std::optional<std::chrono::seconds> seconds_of(const nlohmann::json& object, const char* name);
/// 0 is how Go writes a time that never was.
[[nodiscard]] std::optional<milliseconds_since_epoch> time_of(const nlohmann::json& object, const char* name);

/// Names as Go writes them, whatever their spelling: `X-My-Header`.
[[nodiscard]] std::map<std::string, std::vector<std::string>> headers_of(const nlohmann::json& value);
/// @returns nothing when the encoded form cannot be decoded; empty when there is neither
[[nodiscard]] std::optional<std::string> body_of(const nlohmann::json& object, const char* plain, const char* encoded);

} // namespace tidesync::qstash
