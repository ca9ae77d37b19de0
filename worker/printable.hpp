#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tidesync::worker {

/// Makes what others wrote fit for a terminal: a control character, C1 among them, and every byte that is no UTF-8
/// becomes `?`. A letter is kept or cut off whole.
[[nodiscard]] std::string printable(std::string_view text, std::size_t bytes_max = std::string_view::npos);

} // namespace tidesync::worker
