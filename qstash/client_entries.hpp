#pragma once

#include "qstash/client.hpp"

#include <nlohmann/json_fwd.hpp>

/// From a JSON object to what the client gives back. Whatever is missing is left empty.
namespace tidesync::qstash {

[[nodiscard]] schedule schedule_of(const nlohmann::json&);
[[nodiscard]] log_entry log_entry_of(const nlohmann::json&);
[[nodiscard]] dlq_entry dlq_entry_of(const nlohmann::json&);

} // namespace tidesync::qstash
