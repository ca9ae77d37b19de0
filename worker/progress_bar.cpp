#include "worker/progress_bar.hpp"

#include "worker/printable.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

namespace tidesync::worker {

namespace {

constexpr std::chrono::milliseconds redraw_every{100};
constexpr std::int64_t cells = 24;

/// A longer line would wrap, and only its last piece could be cleared.
std::size_t terminal_width() {
    winsize size{};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : 80;
}

std::string draw_line(const progress& now) {
    auto line = fmt::format("  {:8}", now.phase);
    if (const auto all = now.phase_rows_expected; all > 0)
        line += fmt::format(
            "[{:=<{}}{: <{}}] {:3} %  ", "", now.phase_rows * cells / all, "", cells - now.phase_rows * cells / all,
            now.phase_rows * 100 / all);
    if (!now.item.empty()) line += fmt::format("{}  {} rows", now.item, now.rows);
    if (now.rows_per_s > 0) line += fmt::format("  {} rows/s", now.rows_per_s);
    if (now.left) line += fmt::format("  {} left", rough_time(*now.left));
    return printable(line, terminal_width() - 1);
}

} // namespace

progress_bar::progress_bar()
    : on_terminal_{isatty(STDERR_FILENO) != 0} {}

progress_bar::~progress_bar() { finish(); }

void progress_bar::phase(std::string_view name) {
    const std::scoped_lock lock{mutex_};
    meter_.phase(name, std::chrono::steady_clock::now());
    draw(true);
}

void progress_bar::expect(std::int64_t rows, bool steady) {
    const std::scoped_lock lock{mutex_};
    meter_.expect(rows, steady);
}

void progress_bar::rows(std::string_view item, std::int64_t rows, std::int64_t rows_expected) {
    const std::scoped_lock lock{mutex_};
    meter_.rows(item, rows, rows_expected);
    draw(false);
}

void progress_bar::draw(bool now) {
    const auto time = std::chrono::steady_clock::now();
    if (!on_terminal_ || (!now && time - last_drawn_ < redraw_every)) return;
    last_drawn_ = time;
    drawn_ = true;
    fmt::print(stderr, "\r\033[K{}", draw_line(meter_.at(time)));
    std::fflush(stderr);
}

void progress_bar::finish() {
    const std::scoped_lock lock{mutex_};
    if (!std::exchange(drawn_, false)) return;
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
}

} // namespace tidesync::worker
