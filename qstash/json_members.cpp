#include "qstash/json_members.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <set>
#include <utility>
#include <vector>

namespace tidesync::qstash {
namespace {

using json = nlohmann::json;

constexpr std::size_t levels_max = 4; // the object itself is the first; claims of QStash need no second

/// Collects the top level and checks the rest while the parser passes by. Answering false stops the parser.
class member_reader final : public json::json_sax_t {
public:
    json_members members;

    bool null() override { return value(other_value{}); }
    bool boolean(bool) override { return value(other_value{}); }
    bool number_integer(number_integer_t) override { return value(other_value{}); } // called only after a minus sign
    bool number_unsigned(number_unsigned_t number) override { return value(number); }
    bool number_float(number_float_t, const string_t&) override { return value(other_value{}); }
    bool string(string_t& text) override { return value(std::move(text)); }
    bool binary(binary_t&) override { return false; }

    bool start_object(std::size_t) override { return descend(); }
    bool end_object() override { return ascend(); }
    bool start_array(std::size_t) override { return !names_.empty() && descend(); }
    bool end_array() override { return ascend(); }

    bool key(string_t& name) override {
        if (!names_.back().insert(name).second) return false;
        if (names_.size() == 1) name_ = std::move(name);
        return true;
    }

    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

private:
    bool value(json_value read) {
        if (names_.empty()) return false; // a bare value is no object
        if (names_.size() == 1) members.insert_or_assign(name_, std::move(read));
        return true;
    }

    bool descend() {
        if (names_.size() == levels_max || (!names_.empty() && !value(other_value{}))) return false;
        names_.emplace_back();
        return true;
    }

    bool ascend() {
        names_.pop_back();
        return true;
    }

    std::vector<std::set<std::string>> names_; // seen so far in each open object; stays empty for an array
    std::string name_;                         // of the top-level member whose value comes next
};

} // namespace

std::optional<json_members> read_members(std::string_view text) {
    // The parser takes a NUL byte for the end of its input and would never look at what follows.
    if (text.find('\0') != std::string_view::npos) return std::nullopt;
    member_reader reader;
    if (!json::sax_parse(text.begin(), text.end(), &reader)) return std::nullopt;
    return std::move(reader.members);
}

} // namespace tidesync::qstash
