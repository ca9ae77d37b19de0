#include "worker/text_table.hpp"

#include <algorithm>

namespace tidesync::worker {

namespace {

/// How many columns a terminal needs for UTF-8 text: table names may hold any letter.
std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

} // namespace

std::string aligned(const std::vector<cells>& lines, bool numbers, bool sums) {
    std::vector<std::size_t> widths(lines.front().size());
    for (const auto& line : lines)
        for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
    std::string text;
    for (std::size_t row = 0; row < lines.size(); ++row) {
        std::string line;
        for (std::size_t i = 0; i < widths.size(); ++i) {
            const std::string padding(widths[i] - width_of(lines[row][i]), ' ');
            const bool right = numbers && i > 0;
            line += (i == 0 ? "  " : "   ") + (right ? padding + lines[row][i] : lines[row][i] + padding);
        }
        const std::string rule = "  " + std::string(width_of(line) - 2, '-');
        line.resize(line.find_last_not_of(' ') + 1);
        if (sums && row + 1 == lines.size()) text += rule + '\n';
        text += line + '\n';
        if (row == 0) text += rule + '\n';
    }
    return text;
}

} // namespace tidesync::worker
