#pragma once

#include "jobs/job.hpp"
#include "worker/progress_meter.hpp"

#include <chrono>
#include <mutex>
#include <string_view>

namespace tidesync::worker {

/// One line on stderr that tells how far a run is; nothing at all when stderr is no terminal.
class progress_bar final : public jobs::progress_sink {
public:
    progress_bar();
    ~progress_bar() override;
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;

    void phase(std::string_view name) override;
    void expect(std::int64_t rows, bool steady) override;
    void rows(std::string_view item, std::int64_t rows, std::int64_t rows_expected) override;

    /// Clears the line, so that a result can be printed in its place.
    void finish();

private:
    void draw(bool now);

    bool on_terminal_;
    std::mutex mutex_;
    progress_meter meter_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point last_drawn_;
};

} // namespace tidesync::worker
