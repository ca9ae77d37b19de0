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
    nlohmann::json filter = nlohmann::json::object(); ///< as the functions of the store read it
    bool by_ids = false;         ///< `messageIds` of messages, `dlqIds` of dead letters: then nothing else counts
    bool nothing = false;        ///< a filter without a value; or a queue, a URL group, a flow control key: none here
    std::optional<int> rows_max; ///< `count`, between 1 and what the call allows
    std::string cursor;
    bool earliest_first = false;
    bool without_bodies = false;
};

enum class selecting { messages, logs, dead_letters };

/// @param body  of bulk calls, a JSON object: its members are read as the query's fields are, arrays as repeated ones
/// @returns     501 for a name that nothing here selects by, 400 for a value that cannot be one, and for more than 1000
[[nodiscard]] std::variant<selection, refusal> read_selection(const call&, const std::string& body, selecting);

/// The place where a page ended.
struct page_end {
    std::int64_t ms = 0;
    std::string behind; ///< the dash; never empty

    /// @returns nothing for a text that no page ended with
    [[nodiscard]] static std::optional<page_end> parse(const std::string& cursor);
};

/// @returns nothing for a text that is no number from 0 on
[[nodiscard]] std::optional<std::int64_t> whole_number(std::string_view text);

} // namespace tidesync::qstash::local
