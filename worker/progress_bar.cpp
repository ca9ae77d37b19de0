#include "worker/progress_bar.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace tidesync::worker {

namespace {

constexpr std::chrono::milliseconds redraw_every{100};
constexpr int cells = 24;

} // namespace

progress_bar::progress_bar()
    : on_terminal_{isatty(STDERR_FILENO) != 0} {}

progress_bar::~progress_bar() { finish(); }

void progress_bar::phase(std::string_view name) {
    const std::scoped_lock lock{mutex_};
    phase_ = name;
    item_.clear();
    draw(true);
}

void progress_bar::rows(std::string_view item, std::int64_t rows, std::int64_t rows_expected) {
    const std::scoped_lock lock{mutex_};
    const bool another = item_ != item;
    item_ = item;
    rows_ = rows;
    expected_ = rows_expected;
    draw(another);
}

void progress_bar::draw(bool now) {
    const auto time = std::chrono::steady_clock::now();
    if (!on_terminal_ || (!now && time - last_drawn_ < redraw_every)) return;
    last_drawn_ = time;
    auto line = fmt::format("\r\033[K  {:8}", phase_);
    if (!item_.empty() && expected_ > 0) {
        const auto share = std::min(1.0, static_cast<double>(rows_) / static_cast<double>(expected_));
        const auto full = static_cast<int>(share * cells);
        line += fmt::format("[{:=<{}}{: <{}}] {:3.0f} %  ", "", full, "", cells - full, share * 100);
    }
    if (!item_.empty()) line += fmt::format("{}  {} rows", item_, rows_);
    fmt::print(stderr, "{}", line);
    std::fflush(stderr);
}

void progress_bar::finish() {
    const std::scoped_lock lock{mutex_};
    if (!on_terminal_ || phase_.empty()) return;
    phase_.clear();
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
}

} // namespace tidesync::worker
