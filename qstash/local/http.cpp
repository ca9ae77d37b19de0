#include "qstash/local/http.hpp"

#include <algorithm>

namespace tidesync::qstash::local {
namespace {

bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool upper(char c) { return c >= 'A' && c <= 'Z'; }

/// RFC 9110 section 5.6.2, `tchar`.
bool token_character(char c) {
    return lower(c) || upper(c) || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

} // namespace

std::string_view request::header(std::string_view lower_case_name) const {
    const auto found = std::ranges::find(headers, lower_case_name, &header_fields::value_type::first);
    return found == headers.end() ? std::string_view() : found->second;
}

std::string canonical_header_name(std::string_view name) {
    std::string canonical(name);
    if (!std::ranges::all_of(name, token_character)) return canonical; // no name: Go leaves it alone as well
    bool begins_word = true;
    for (auto& c : canonical) {
        if (begins_word && lower(c))
            c = static_cast<char>(c - 'a' + 'A');
        else if (!begins_word && upper(c))
            c = static_cast<char>(c - 'A' + 'a');
        begins_word = c == '-';
    }
    return canonical;
}

} // namespace tidesync::qstash::local
