#pragma once

#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <utility>

/// Events on stderr, one line each: JSON for machines, plain text on a terminal. Log where a thing is handled, once.
/// Never a secret, a body or a row's value.
namespace tidesync::worker::log {

enum class level {
    info,  ///< rare and worth keeping
    warn,  ///< asks someone to act
    error, ///< we gave up
};

enum class style { json, human };

using field = std::pair<std::string_view, nlohmann::json>;
using fields = std::span<const field>;

/// Call once, before the first event. Until then events are plain text.
void start(style);

/// @param what  a fixed text such as `run finished`; what varies goes into fields
void event(level, std::string_view what, fields);
void event(level, std::string_view what, std::initializer_list<field> = {});

} // namespace tidesync::worker::log
