#pragma once

#include <string_view>

namespace tidesync::qstash::local::sql {

/// A statement from a file in this folder. The name is the file's, for logs and error texts.
struct statement {
    std::string_view name;
    std::string_view text;
};

} // namespace tidesync::qstash::local::sql
