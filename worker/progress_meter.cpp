#include "worker/progress_meter.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

using namespace std::chrono_literals;

constexpr auto too_young = 2s;          // a phase whose speed says nothing yet
constexpr std::int64_t too_little = 50; // one part in so many must be done before the rest is foretold

} // namespace

void to_json(nlohmann::json& json, const progress& now) {
    json = {{"phase", now.phase}};
    if (now.item.empty()) return;
    json.update(
        {{"item", now.item},
         {"rows", now.rows},
         {"rows_expected", now.rows_expected},
         {"phase_rows", now.phase_rows},
         {"phase_rows_expected", now.phase_rows_expected},
         {"rows_per_s", now.rows_per_s}});
    if (now.left) json["seconds_left"] = now.left->count();
}

void from_json(const nlohmann::json& json, progress& now) {
    now = {.phase = json.value("phase", ""), .item = json.value("item", "")};
    now.rows = json.value("rows", now.rows);
    now.rows_expected = json.value("rows_expected", now.rows_expected);
    now.phase_rows = json.value("phase_rows", now.phase_rows);
    now.phase_rows_expected = json.value("phase_rows_expected", now.phase_rows_expected);
    now.rows_per_s = json.value("rows_per_s", now.rows_per_s);
    if (json.contains("seconds_left")) now.left = std::chrono::seconds{json.value("seconds_left", std::int64_t{0})};
}

std::string progress_text(const progress& now) {
    auto text = now.phase;
    if (now.phase_rows_expected > 0) text += fmt::format(" {} %", now.phase_rows * 100 / now.phase_rows_expected);
    if (!now.item.empty()) {
        text += fmt::format(", {} {}", now.item, now.rows);
        if (now.rows_expected > 0) text += fmt::format(" of {}", now.rows_expected);
        text += " rows";
    }
    if (now.rows_per_s > 0) text += fmt::format(", {} rows/s", now.rows_per_s);
    if (now.left) text += fmt::format(", {} left", rough_time(*now.left));
    return text;
}

std::string rough_time(std::chrono::seconds time) {
    if (time < 2min) return fmt::format("{} s", time.count());
    const auto minutes = std::chrono::round<std::chrono::minutes>(time);
    if (minutes < 2h) return fmt::format("{} min", minutes.count());
    return fmt::format("{} h {} min", minutes / 1h, (minutes % 1h).count());
}

void progress_meter::phase(std::string_view name, time now) {
    *this = {};
    phase_ = name;
    began_ = now;
}

void progress_meter::expect(std::int64_t rows, bool steady) {
    expected_ = rows;
    steady_ = steady;
}

void progress_meter::rows(std::string_view item, std::int64_t rows, std::int64_t expected) {
    auto known = rows_of_.find(item);
    if (known == rows_of_.end()) known = rows_of_.emplace(item, 0).first;
    done_ += rows - known->second;
    known->second = rows;
    item_ = item;
    item_rows_ = rows;
    item_expected_ = expected;
}

progress progress_meter::at(time now) const {
    progress result{
        .phase = phase_,
        .item = item_,
        .rows = item_rows_,
        .rows_expected = item_expected_ == 0 ? 0 : std::max(item_expected_, item_rows_),
        .phase_rows = done_,
        .phase_rows_expected = expected_ == 0 ? 0 : std::max(expected_, done_)};
    const auto age = now - began_;
    if (!steady_ || age < too_young || done_ == 0) return result;
    const auto speed = static_cast<double>(done_) / std::chrono::duration<double>(age).count();
    result.rows_per_s = static_cast<std::int64_t>(speed);
    if (expected_ > done_ && done_ > expected_ / too_little)
        result.left = std::chrono::ceil<std::chrono::seconds>(
            std::chrono::duration<double>(static_cast<double>(expected_ - done_) / speed));
    return result;
}

} // namespace tidesync::worker
