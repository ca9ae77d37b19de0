#include "worker/trigger_parameters.hpp"

#include "worker/printable.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

constexpr std::size_t name_bytes_max = 40;
constexpr std::size_t uuid_bytes = 36;

} // namespace

trigger_parameters parse_parameters(const std::string& body) {
    trigger_parameters result;
    if (body.find_first_not_of(" \t\r\n") == std::string::npos) return result;
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (!json.is_object()) {
        result.problem = "the parameters are not a JSON object";
        return result;
    }
    for (const auto& [name, value] : json.items()) {
        if (name == "dry_run" && value.is_boolean())
            result.dry_run = value.get<bool>();
        else if (name == "dry_run")
            result.problem = "`dry_run` is neither true nor false";
        else if (name == "approve" && value.is_string() && value.get_ref<const std::string&>().size() == uuid_bytes)
            result.approve = value.get<std::string>();
        else if (name == "approve")
            result.problem = "`approve` is not the id of a run";
        else
            result.problem = fmt::format(
                "`{}` is not known; the job takes dry_run (true or false) and approve (a run)",
                printable(name, name_bytes_max));
    }
    if (result.dry_run && !result.approve.empty()) result.problem = "a dry run has nothing that could be approved";
    return result;
}

} // namespace tidesync::worker
