#pragma once

#include <chrono>
#include <memory>
#include <string_view>

namespace tidesync::qstash::local {

/// The text of `Upstash-Retry-Delay`, ready to be evaluated: numbers, `retried`, + - * /, parentheses, and
/// pow sqrt abs exp floor ceil round min max. The result is in milliseconds.
/// Source: Upstash documentation, "Retry", and openapi.yaml.
class retry_delay_expression {
public:
    /// @throws std::invalid_argument  that says where the text cannot be read; also beyond 1 KiB or 64 levels. The
    ///         message repeats nothing of the text
    [[nodiscard]] static retry_delay_expression parse(std::string_view text);

    /// @param retried  0 before the first retry
    /// @returns from 0 to a day, fractions dropped; a result that is no number counts as a day
    [[nodiscard]] std::chrono::milliseconds evaluate(int retried) const;

    struct program;

private:
    explicit retry_delay_expression(std::shared_ptr<const program>);
    std::shared_ptr<const program> program_;
};

} // namespace tidesync::qstash::local
