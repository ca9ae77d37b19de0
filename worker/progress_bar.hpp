#pragma once

#include "jobs/job.hpp"

#include <chrono>
#include <mutex>
#include <string>

namespace tidesync::worker {

/// One line on stderr that tells how far a run is; nothing at all when stderr is no terminal.
class progress_bar final : public jobs::progress_sink {
public:
    progress_bar();
    ~progress_bar() override;
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;

    void phase(std::string_view name) override;
    void rows(std::string_view item, std::int64_t rows, std::int64_t rows_expected) override;

    /// Clears the line, so that a result can be printed in its place.
    void finish();

private:
    void draw(bool now);

    bool on_terminal_;
    std::mutex mutex_;
    std::string phase_;
    std::string item_;
    std::int64_t rows_ = 0;
    std::int64_t expected_ = 0;
    std::chrono::steady_clock::time_point last_drawn_;
};

} // namespace tidesync::worker
