#include "worker/report_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

using cells = std::vector<std::string>;

/// How many columns a terminal needs for UTF-8 text: table names may hold any letter.
std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// Digits in groups of three, as people read them.
std::string grouped(std::int64_t number) {
    auto text = std::to_string(number);
    for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

std::string seconds(std::chrono::milliseconds time) {
    return fmt::format("{:.2f} s", static_cast<double>(time.count()) / 1000.0);
}

/// Columns padded to their widest cell; the first is set left, the others right where `numbers` says so.
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

} // namespace

std::string sync_table(const jobs::report& report) {
    std::vector<cells> lines{{"table", "rows", "inserted", "updated", "unchanged", "time"}};
    const auto add = [&](const std::string& name, const jobs::table_report& table) {
        lines.push_back(
            {name, grouped(table.total), grouped(table.inserted), grouped(table.updated), grouped(table.unchanged),
             seconds(table.took)});
    };
    for (const auto& table : report.tables) add(table.name, table);
    add("all", report.totals());
    return aligned(lines, true, true);
}

std::string check_table(const jobs::report& report) {
    std::vector<cells> lines{{"table", "rows on slave", "missing", "different", "only in production"}};
    const auto add = [&](const std::string& name, const jobs::table_report& table) {
        lines.push_back(
            {name, grouped(table.total), grouped(table.missing), grouped(table.different), grouped(table.extra)});
    };
    for (const auto& table : report.tables) add(table.name, table);
    add("all", report.totals());
    return aligned(lines, true, true);
}

std::string runs_table(const std::vector<run_view>& runs) {
    if (runs.empty()) return "  no runs yet\n";
    std::vector<cells> lines{
        {"started (UTC)", "job", "state", "trigger", "asked by", "rows", "inserted", "updated", "run"}};
    for (const auto& run : runs) {
        const auto totals = run.report ? run.report->totals() : jobs::table_report{};
        const auto count = [&](std::int64_t number) { return run.report ? grouped(number) : std::string{"-"}; };
        const bool lost = run.state == "running" && !run.alive;
        lines.push_back(
            {run.started_at.empty() ? run.created_at : run.started_at, run.job, lost ? "lost" : run.state, run.trigger,
             run.actor, count(totals.total), count(totals.inserted), count(totals.updated), run.run_id});
    }
    std::string text = aligned(lines, false, false);
    for (const auto& run : runs)
        if (run.state == "dead" && run.error.is_object())
            text += fmt::format("  {}: {}\n", run.run_id.substr(0, 8), run.error.value("message", ""));
    return text;
}

} // namespace tidesync::worker
