#pragma once

#include <string>
#include <string_view>

namespace tidesync::qstash::local {

inline constexpr int message_id_letters = 60;

/// `prefix` and letters that nobody can guess.
[[nodiscard]] std::string random_id(std::string_view prefix, int letters);

} // namespace tidesync::qstash::local
