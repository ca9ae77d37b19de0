#pragma once

#include "qstash/local/store.hpp"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

/// Pages of lists, as text.
namespace tidesync::qstash::local {

inline constexpr int page_rows = 100; // unless `count` says otherwise

/// The text of an array, grown entry by entry: a page never stands in memory as documents.
class array_text {
public:
    /// @returns false when it has grown large enough: control characters take six bytes for one
    [[nodiscard]] bool add(const nlohmann::ordered_json& entry);
    [[nodiscard]] std::string take();

private:
    std::string text_ = "[";
};

/// @returns whether there are further ones than the entries of this page that went into the text; then the page ends
///          with the last that did
template <typename Row, typename Document>
bool write_page(page_of<Row>& page, Document document, array_text& into) {
    for (std::size_t n = 0; n < page.rows.size(); ++n) {
        const bool room = into.add(document(page.rows[n]));
        if (room || n + 1 == page.rows.size()) continue;
        page.rows.resize(n + 1);
        return true;
    }
    return page.more;
}

/// `"cursor":"…"}`, which ends an object.
[[nodiscard]] std::string cursor_member(const std::string& cursor);

} // namespace tidesync::qstash::local
