#include "qstash/local/api_context.hpp"

#include "qstash/local/documents.hpp"
#include "qstash/local/refused.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>

namespace tidesync::qstash::local {

time_point api_context::now() const { return with.clock ? with.clock() : stored.now(); }

void api_context::tell_made() const {
    if (with.made) with.made();
}

void api_context::check_destinations(const delivery_options& options) const {
    for (const auto& url : {options.destination, options.callback.url, options.failure_callback.url}) {
        if (url.empty()) continue;
        try {
            if (const auto why = refuse_host(parse_destination(url), with.policy))
                throw refused{400, fmt::format("invalid destination url: {}", *why)};
        } catch (const std::invalid_argument& e) {
            throw refused{400, e.what()};
        }
    }
}

time_point api_context::not_before(const message_order& order, time_point now) const {
    const auto asked_for = order.not_before.value_or(now + order.delay);
    if (asked_for > now + with.delay_max) throw refused{400, "quota maxDelay exceeded"};
    return std::max(asked_for, now);
}

response json_response(int status, const nlohmann::ordered_json& document) {
    return {.status = status, .body = text_of(document)};
}

response not_found(std::string_view what, const std::string& id) {
    return error_response(404, fmt::format("{} {} not found", what, id.substr(0, 100)));
}

} // namespace tidesync::qstash::local
