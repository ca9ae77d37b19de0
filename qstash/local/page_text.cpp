#include "qstash/local/page_text.hpp"

#include "qstash/local/documents.hpp"

#include <utility>

namespace tidesync::qstash::local {

namespace {

constexpr std::size_t answer_bytes_max = 16UL * 1024 * 1024;

} // namespace

bool array_text::add(const nlohmann::ordered_json& entry) {
    text_ += text_.size() == 1 ? "" : ",";
    text_ += text_of(entry);
    return text_.size() < answer_bytes_max;
}

std::string array_text::take() { return std::move(text_) + ']'; }

std::string cursor_member(const std::string& cursor) { return text_of({{"cursor", cursor}}).substr(1); }

} // namespace tidesync::qstash::local
