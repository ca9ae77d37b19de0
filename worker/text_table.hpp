#pragma once

#include <string>
#include <vector>

namespace tidesync::worker {

using cells = std::vector<std::string>;

/// Lays out lines under their first as a table: columns padded to their widest cell, the first set left, the others
/// right where `numbers` says so.
/// @param lines  at least one, all of one length; UTF-8
/// @param sums   the last line holds sums and gets a rule above it
[[nodiscard]] std::string aligned(const std::vector<cells>& lines, bool numbers, bool sums);

} // namespace tidesync::worker
