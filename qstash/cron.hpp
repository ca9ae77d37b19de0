#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

namespace tidesync::qstash {

/// A cron expression by the standard rules of robfig/cron v3, which QStash follows: five fields, names, lists, ranges
/// and steps, `CRON_TZ=Area/City ` or `TZ=… ` in front, the macros but `@every`. Where a day of month or a day of week
/// has a star both must match, else either may. A local time that daylight saving skips does not happen that day; one
/// that it repeats happens twice. Ticks are found from 1970 to 2400. May be used by several threads.
/// Source: robfig/cron v3, documentation of its standard parser.
class cron {
public:
    /// @throws std::invalid_argument  whose text says what is wrong, in the words that QStash's users know:
    ///         `expected exactly 5 fields, found 4: [a b c d]`, `provided bad location X: …`. Also for more than
    ///         256 bytes, and for what is not plain ASCII
    [[nodiscard]] static cron parse(std::string_view text);

    /// @returns the first tick strictly later than `after`; nothing when none comes within five years
    [[nodiscard]] std::optional<std::chrono::sys_seconds> next(std::chrono::sys_seconds after) const;

    /// @returns the last tick not later than `until` and strictly later than `after`; nothing when there is none.
    /// Some thirty searches as in `next`, whatever the distance.
    [[nodiscard]] std::optional<std::chrono::sys_seconds>
    last(std::chrono::sys_seconds after, std::chrono::sys_seconds until) const;

private:
    struct fields;
    explicit cron(std::shared_ptr<const fields>);
    std::shared_ptr<const fields> fields_;
};

} // namespace tidesync::qstash
