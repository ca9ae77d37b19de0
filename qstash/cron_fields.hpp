#pragma once

#include <cstdint>
#include <string_view>

namespace tidesync::qstash {

/// What the five fields of a cron expression allow, a bit for each value: bit 0 of `minutes` is minute 0, bit 1 of
/// `months` January, bit 0 of `weekdays` Sunday. None is ever zero.
struct cron_fields {
    std::uint64_t minutes, hours, days, months, weekdays;
    bool either_day; ///< neither `days` nor `weekdays` has a star: a day that one of them allows is enough
};

/// Reads five fields or a macro but `@every`; no time zone. Only names of months and weekdays know no case.
/// @param text  bounded by the caller, with no blank but spaces: the message repeats parts of it
/// @throws std::invalid_argument  in the words of robfig/cron: `end of range (7) above maximum (6): 7`
/// Source: robfig/cron v3, documentation of its standard parser.
[[nodiscard]] cron_fields parse_cron_fields(std::string_view text);

} // namespace tidesync::qstash
