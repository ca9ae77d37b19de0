#include "qstash/local/api.hpp"

#include "qstash/digest.hpp"
#include "qstash/local/api_calls.hpp"
#include "qstash/local/refused.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>

namespace tidesync::qstash::local {

namespace {

struct route {
    std::vector<std::string> methods;
    std::vector<std::string> path; ///< `*` stands for any one segment
    response (*answer)(const api_context&);
};

const std::vector<route>& route_table() {
    static const std::vector<route> table = {
        {{"POST"}, {"publish"}, publish},
        {{"POST"}, {"batch"}, publish_batch},
        {{"POST"}, {"schedules"}, post_schedule},
        {{"GET"}, {"schedules"}, list_schedules},
        {{"GET"}, {"schedules", "*"}, get_schedule},
        {{"DELETE"}, {"schedules", "*"}, delete_schedule},
        {{"PATCH", "POST"}, {"schedules", "*", "pause"}, pause_schedule},   // clients send PATCH, the
        {{"PATCH", "POST"}, {"schedules", "*", "resume"}, resume_schedule}, // documentation says POST
        {{"GET"}, {"messages", "*"}, get_message},
        {{"DELETE"}, {"messages", "*"}, cancel_message},
        {{"DELETE"}, {"messages"}, cancel_messages},
        {{"GET"}, {"logs"}, list_logs},
        {{"GET"}, {"events"}, list_logs},
        {{"GET"}, {"dlq"}, list_dlq},
        {{"GET"}, {"dlq", "*"}, get_dead_letter},
        {{"DELETE"}, {"dlq", "*"}, delete_dead_letter},
        {{"DELETE"}, {"dlq"}, delete_dead_letters},
        {{"POST"}, {"dlq", "retry", "*"}, retry_dead_letter},
        {{"POST"}, {"dlq", "retry"}, retry_dead_letters},
        {{"GET"}, {"keys"}, get_keys},
        {{"POST"}, {"keys", "rotate"}, rotate_keys},
        {{"POST"}, {"rotate"}, rotate_keys}, // as the Go client has it
    };
    return table;
}

/// Calls of QStash that this server does not have.
bool is_elsewhere(const call& what) {
    constexpr std::array<std::string_view, 8> absent = {"enqueue",           "queues",      "topics",    "flowcontrol",
                                                        "globalparallelism", "bulkactions", "workflows", "llm"};
    const bool retry_of_message = what.path.size() == 3 && what.path[0] == "messages" && what.path[2] == "retry";
    return retry_of_message || std::ranges::find(absent, what.path.front()) != absent.end();
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
    return std::ranges::equal(pattern, path, [](const auto& p, const auto& s) { return p == "*" || p == s; });
}

response dispatch(const api_context& in) {
    std::vector<std::string> allowed;
    for (const auto& candidate : route_table()) {
        if (!fits(candidate.path, in.what.path)) continue;
        if (std::ranges::find(candidate.methods, in.what.method) != candidate.methods.end())
            return candidate.answer(in);
        allowed.insert(allowed.end(), candidate.methods.begin(), candidate.methods.end());
    }
    if (is_elsewhere(in.what))
        return error_response(
            501, fmt::format("/v2/{} is not part of this server", in.what.path.front().substr(0, 100)));
    if (allowed.empty()) return error_response(404, "there is no such call");
    return {.status = 405, .body = "Method Not Allowed", .content_type = "text/plain"};
}

/// @returns the account whose token it is; compares with all of them, so that the time tells nothing
const api::account* find_account(const std::vector<api::account>& accounts, const std::string& token) {
    const api::account* found = nullptr;
    for (const auto& account : accounts)
        if (equal_in_constant_time(sha256(account.token), sha256(token))) found = &account;
    return token.empty() ? nullptr : found;
}

} // namespace

api::api(const store& shared, settings with)
    : store_{shared}
    , settings_{std::move(with)} {}

response api::handle(const request& asked) const try {
    const auto what = or_refuse(read_call(asked));
    const auto* owner = find_account(settings_.accounts, what.token);
    if (owner == nullptr) return error_response(401, "unable to authenticate: invalid token");
    return dispatch({store_, settings_, asked, what, owner->name});
} catch (const refused& e) {
    return error_response(e.why.status, e.why.text);
}

response error_response(int status, const std::string& text) { return json_response(status, {{"error", text}}); }

} // namespace tidesync::qstash::local
