#include "worker/alarm_settings.hpp"

#include <fmt/format.h>

namespace tidesync::worker {

namespace {

enum class query { allowed, refused };

/// An address that we call by ourselves. It may be as good as a password: no problem repeats it.
secret read_url(settings_reader& from, const std::string& name, query rule) {
    auto url = from.text(name);
    if (!url) return {};
    while (rule == query::refused && url->ends_with('/')) url->pop_back(); // more is put behind it
    const auto behind = url->find('?');
    const auto parts = split_url(url->substr(0, behind));
    if (!parts || !parts->plain || (rule == query::refused && behind != std::string::npos) ||
        url->find('#') != std::string::npos || !qstash::is_visible(*url)) {
        from.problem(
            name, fmt::format(
                      "expected https://host[:port]/path without user{}fragment",
                      rule == query::refused ? ", query or " : " or "));
        return {};
    }
    if (parts->scheme != "https" && !is_loopback(parts->host)) {
        from.problem(name, "must be https unless it names this machine: what goes there is nobody else's business");
        return {};
    }
    return secret{std::move(*url)};
}

} // namespace

void read_alarms(settings_reader& from, settings& values) {
    values.ping_url = read_url(from, "TIDESYNC_PING_URL", query::refused);
    values.alarms.url = read_url(from, "TIDESYNC_ALARM_URL", query::allowed);
    constexpr std::string_view make_one = "make one with: echo \"whsec_$(openssl rand -base64 32)\"";
    const auto text =
        from.given("TIDESYNC_ALARM_URL")
            ? from.required("TIDESYNC_ALARM_SECRET", fmt::format("what alarms are signed with; {}", make_one))
            : from.text("TIDESYNC_ALARM_SECRET");
    if (!text) return;
    auto key = webhook_key(*text);
    if (!key)
        return from.problem(
            "TIDESYNC_ALARM_SECRET", fmt::format("expected whsec_ and 24 to 64 bytes in base64; {}", make_one));
    if (!from.given("TIDESYNC_ALARM_URL"))
        from.note("TIDESYNC_ALARM_SECRET is set and not used: TIDESYNC_ALARM_URL says where alarms go");
    values.alarms.key = secret{std::move(*key)};
}

} // namespace tidesync::worker
