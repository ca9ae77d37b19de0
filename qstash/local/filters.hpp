#pragma once

#include "qstash/local/call.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// What list and bulk calls select by. A filter that cannot be applied is refused by name: skipping it would cancel or
/// delete more than was asked for.
namespace tidesync::qstash::local {

struct selection {
    nlohmann::json filter = nlohmann::json::object(); ///< as the statements in sql/queries read it
    std::vector<std::string> ids; ///< `messageIds` or `dlqIds`, from the query or the body; then nothing else counts
    bool nothing = false;         ///< asks for a queue, a URL group or a flow control key: there are none here
    int rows_max = 100;
    std::string cursor;
    bool earliest_first = false;
};

enum class selecting { messages, logs, dead_letters };

/// @param body  older clients send `{"messageIds":[…]}` or `{"dlqIds":[…]}`
[[nodiscard]] std::variant<selection, refusal> read_selection(const call&, const std::string& body, selecting);

/// The number behind the dash of a cursor or dlq id. @returns nothing for another text
[[nodiscard]] std::optional<std::int64_t> number_of(const std::string& cursor);

} // namespace tidesync::qstash::local
