#pragma once

#include "qstash/local/http.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace tidesync::qstash::local {

/// Thrown where a refusal is found deep inside. It stays in the folder: readers return what it carries, and
/// `api::handle` makes the response of it.
struct refused : std::runtime_error {
    refused(int status, const std::string& text)
        : std::runtime_error{text}
        , why{status, text} {}
    refusal why;
};

/// @throws refused  where there is a refusal in place of the value
template <typename Value>
Value or_refuse(std::variant<Value, refusal> either) {
    if (const auto* no = std::get_if<refusal>(&either)) throw refused{no->status, no->text};
    return std::get<Value>(std::move(either));
}

} // namespace tidesync::qstash::local
