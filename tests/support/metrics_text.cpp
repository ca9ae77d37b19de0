#include "tests/support/metrics_text.hpp"

#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

namespace tidesync::tests {

namespace {

/// Reads line by line; knows the family it is in.
class metrics_reader {
public:
    void read(const std::string& line) {
        static const std::regex help{R"(# HELP ([a-z_]+) (.+))"};
        static const std::regex type{R"(# TYPE ([a-z_]+) (counter|gauge|histogram))"};
        static const std::regex sample{R"(([a-z_]+)(\{[a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*\})? (\S+))"};
        std::smatch parts;
        if (std::regex_match(line, parts, help)) return begin(line, parts[1]);
        if (std::regex_match(line, parts, type)) return set_type(line, parts[1], parts[2]);
        if (std::regex_match(line, parts, sample)) return add(line, parts[1], parts[2], parts[3]);
        fail(line, "is neither HELP nor TYPE nor a sample");
    }

    std::map<std::string, double> found;

private:
    [[noreturn]] static void fail(const std::string& line, const std::string& why) {
        throw std::runtime_error{"metrics: " + line + ": " + why};
    }

    void begin(const std::string& line, const std::string& name) {
        if (!families_.insert(name).second) fail(line, "a family in two pieces");
        if (!name.starts_with("worker_")) fail(line, "not a name of ours");
        family_ = name;
        type_.clear();
        histogram_.clear();
    }

    void set_type(const std::string& line, const std::string& name, const std::string& type) {
        if (name != family_ || !type_.empty()) fail(line, "TYPE does not follow HELP");
        if ((type == "counter") != name.ends_with("_total")) fail(line, "counters, and only they, end in _total");
        type_ = type;
    }

    void add(const std::string& line, const std::string& name, const std::string& labels, const std::string& number) {
        if (type_.empty()) fail(line, "a sample without TYPE");
        const auto part = name.starts_with(family_) ? name.substr(family_.size()) : "?";
        const bool of_histogram = part == "_bucket" || part == "_sum" || part == "_count";
        if (type_ == "histogram" ? !of_histogram : !part.empty()) fail(line, "a sample of another family");
        std::size_t used = 0;
        const auto value = std::stod(number, &used);
        if (used != number.size()) fail(line, "not a number");
        if (!found.emplace(name + labels, value).second) fail(line, "a series twice");
        if (part == "_count") { // comes before its buckets
            histogram_ = {value};
        } else if (part == "_bucket") {
            if (histogram_.empty()) fail(line, "buckets without a count");
            if (histogram_.size() > 1 && value < histogram_.back()) fail(line, "buckets that shrink");
            histogram_.push_back(value);
            if (labels.find("le=\"+Inf\"") != std::string::npos && value != histogram_.front())
                fail(line, "the last bucket is not the count");
        }
    }

    std::set<std::string> families_;
    std::string family_;
    std::string type_;
    std::vector<double> histogram_; ///< count, then the buckets so far
};

} // namespace

std::map<std::string, double> read_metrics(const std::string& text) {
    metrics_reader reader;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) reader.read(line);
    if (!text.ends_with('\n')) throw std::runtime_error{"metrics: the last line has no end"};
    return std::move(reader.found);
}

} // namespace tidesync::tests
