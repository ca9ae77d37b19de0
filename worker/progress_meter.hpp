#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace tidesync::worker {

/// How far a run is.
struct progress {
    std::string phase;
    std::string item;               ///< the table it told of last; empty before the first
    std::int64_t rows = 0;          ///< done of it
    std::int64_t rows_expected = 0; ///< of it; 0 when nobody knows
    std::int64_t phase_rows = 0;    ///< done of all tables in this phase
    std::int64_t phase_rows_expected = 0;
    std::int64_t rows_per_s = 0;                ///< on the average of the phase; 0 when that would say nothing
    std::optional<std::chrono::seconds> left{}; ///< of the phase, if it goes on like that
};

void to_json(nlohmann::json&, const progress&);
void from_json(const nlohmann::json&, progress&);

/// One line: `stage 42 %, public.orders 1234 of 5678 rows, 85000 rows/s, 40 s left`.
[[nodiscard]] std::string progress_text(const progress&);

/// `90 s`, `12 min`, `3 h 20 min`.
[[nodiscard]] std::string rough_time(std::chrono::seconds);

/// Adds up what a job says about its rows. Reads no clock.
class progress_meter {
public:
    using time = std::chrono::steady_clock::time_point;

    void phase(std::string_view name, time now);
    void expect(std::int64_t rows, bool steady);
    void rows(std::string_view item, std::int64_t rows, std::int64_t expected);

    [[nodiscard]] progress at(time now) const;

private:
    std::string phase_;
    time began_{};
    std::int64_t expected_ = 0;
    bool steady_ = false;
    std::int64_t done_ = 0;
    std::map<std::string, std::int64_t, std::less<>> rows_of_; ///< items of this phase
    std::string item_;
    std::int64_t item_rows_ = 0;
    std::int64_t item_expected_ = 0;
};

} // namespace tidesync::worker
