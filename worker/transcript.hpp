#pragma once

#include "qstash/client.hpp"
#include "worker/checks.hpp"
#include "worker/exit_code.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tidesync::worker {

/// What `setup` has found so far: shown line by line to people, or kept for the one document.
class transcript {
public:
    explicit transcript(bool json);

    void add(const check&);
    void ok(std::string text);
    void note(std::string text, std::string remedy = {});
    /// The first thing that is wrong decides how the process ends.
    void wrong(exit_code, std::string text, std::string remedy);
    void wrong(const qstash::api_error&, std::string_view what);

    [[nodiscard]] bool good() const { return end_ == exit_code::in_step; }

    /// Shows what it comes to and what to do next; with --json the document.
    exit_code end(std::string_view verdict, const std::vector<std::string>& next);

    nlohmann::ordered_json document{{"success", false}, {"steps", nlohmann::ordered_json::array()}};

private:
    bool json_;
    exit_code end_ = exit_code::in_step;
};

} // namespace tidesync::worker
