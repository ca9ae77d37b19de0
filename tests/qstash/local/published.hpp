#pragma once

#include "qstash/local/order.hpp"
#include "tests/catch.hpp"

#include <string>
#include <utility>
#include <variant>

namespace tidesync::qstash::testing {

/// A publish that a test changes one thing about.
struct published {
    local::header_fields headers{};
    std::string target = "/v2/publish/https://example.com/job?x=1";
    std::string body = "{}";
};

inline std::variant<local::message_order, local::refusal> read(const published& what) {
    const local::request arrived{"POST", what.target, what.headers, what.body, {}};
    auto asked = local::read_call(arrived);
    if (auto* no = std::get_if<local::refusal>(&asked)) return std::move(*no);
    return local::read_order(std::get<local::call>(asked), arrived);
}

inline local::message_order accepted(const published& what) {
    auto found = read(what);
    if (const auto* no = std::get_if<local::refusal>(&found)) FAIL("refused: " << no->text);
    return std::get<local::message_order>(std::move(found));
}

/// The status and text of a refusal, `taken` where there is none.
inline std::string refused(const published& what) {
    const auto found = read(what);
    const auto* no = std::get_if<local::refusal>(&found);
    return no ? std::to_string(no->status) + ' ' + no->text : "taken";
}

inline std::string refused(const std::string& name, const std::string& value) {
    return refused({.headers = {{name, value}}});
}

} // namespace tidesync::qstash::testing
