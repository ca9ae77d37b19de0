#include "worker/transcript.hpp"

#include "worker/schedules.hpp"

#include <fmt/format.h>
#include <utility>

namespace tidesync::worker {

transcript::transcript(bool json)
    : json_{json} {}

void transcript::add(const check& line) {
    if (!json_) print(line);
    document["steps"].push_back(document_of(line));
}

void transcript::ok(std::string text) { add({check::state::ok, std::move(text), {}}); }

void transcript::note(std::string text, std::string remedy) {
    add({check::state::note, std::move(text), std::move(remedy)});
}

void transcript::wrong(exit_code code, std::string text, std::string remedy) {
    if (good()) end_ = code;
    add({check::state::problem, std::move(text), std::move(remedy)});
}

void transcript::wrong(const qstash::api_error& error, std::string_view what) {
    auto failure = explain(error);
    wrong(exit_code::failed, fmt::format("{}: {}", what, failure.message), std::move(failure.hint));
}

exit_code transcript::end(std::string_view verdict, const std::vector<std::string>& next) {
    document["success"] = good();
    document["message"] = verdict;
    document["next"] = next;
    if (json_) {
        fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
        return end_;
    }
    fmt::print("{}\n", verdict);
    for (const auto& line : next) fmt::print("  {}\n", line);
    return end_;
}

} // namespace tidesync::worker
