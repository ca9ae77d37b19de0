#pragma once

#include "qstash/local/api.hpp"
#include "qstash/local/order.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace tidesync::qstash::local {

/// One authenticated call, and all that answering it needs.
struct api_context {
    const store& stored;
    const api::settings& with;
    const request& asked;
    const call& what;
    const std::string& account;

    [[nodiscard]] time_point now() const;
    void tell_made() const;
    [[nodiscard]] const std::string& id() const { return what.path.at(1); }

    /// @throws refused  when a URL of this message may not be called
    void check_destinations(const delivery_options&) const;
    /// @returns when the message is due, never before `now`
    /// @throws refused  when that is further ahead than messages may be
    [[nodiscard]] time_point not_before(const message_order&, time_point now) const;
};

[[nodiscard]] response json_response(int status, const nlohmann::ordered_json&);
[[nodiscard]] response not_found(std::string_view what, const std::string& id);

} // namespace tidesync::qstash::local
