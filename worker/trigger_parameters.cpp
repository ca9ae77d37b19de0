#include "worker/trigger_parameters.hpp"

#include <nlohmann/json.hpp>

namespace tidesync::worker {

trigger_parameters parse_parameters(const std::string& body) {
    trigger_parameters result;
    if (body.find_first_not_of(" \t\r\n") == std::string::npos) return result;
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (!json.is_object()) {
        result.problem = "the body is not a JSON object";
        return result;
    }
    for (const auto& [name, value] : json.items()) {
        if (name == "dry_run" && value.is_boolean())
            result.dry_run = value.get<bool>();
        else
            result.problem = "the body has a parameter that is not known or of the wrong type";
    }
    return result;
}

} // namespace tidesync::worker
