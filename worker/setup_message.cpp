#include "worker/setup_message.hpp"

#include "worker/ask_worker.hpp"
#include "worker/schedule_order.hpp"
#include "worker/schedules.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

namespace tidesync::worker {

namespace {

constexpr std::chrono::seconds answer_limit{10};
constexpr std::chrono::seconds log_every{5};

/// The message will not come any more: its only delivery failed.
bool is_over(const std::vector<qstash::log_entry>& log) {
    return std::ranges::any_of(log, [](const auto& entry) {
        return entry.state == "FAILED" || entry.state == "ERROR" || entry.state.starts_with("CANCEL");
    });
}

std::vector<qstash::log_entry> log_of(qstash::client& client, const std::string& message_id) {
    try {
        return client.list_logs(message_id);
    } catch (const qstash::api_error&) {
        return {}; // evidence is welcome, not needed
    }
}

nlohmann::json ask_for_run(const settings& config, const std::string& message_id) {
    const auto answer = ask_worker(
        local_url(config.for_people()) + "/api/runs",
        {fmt::format("Authorization: Bearer {}", config.admin_token.reveal())}, std::nullopt, answer_limit);
    return run_of_message(nlohmann::json::parse(answer.body, nullptr, false), message_id);
}

} // namespace

message_trip send_message(
    qstash::client& client, const settings& config, std::chrono::seconds patience,
    const std::function<void(std::chrono::seconds)>& tell) {
    qstash::message_request message;
    message.destination = job_url(config, "slave-to-prod");
    message.body = R"({"dry_run": true})";
    message.retries = 0; // one try tells enough, and none comes after setup has ended
    message.timeout = shortest_timeout(config);

    message_trip trip;
    trip.message_id = client.publish(message, fresh_deduplication_id()).message_id;
    const auto start = std::chrono::steady_clock::now();
    auto look_at_log = start + log_every;
    for (;;) {
        const auto now = std::chrono::steady_clock::now();
        trip.took = std::chrono::floor<std::chrono::seconds>(now - start);
        tell(trip.took);
        // Asked for before the log: a message that has failed may still have started its run.
        trip.run = ask_for_run(config, trip.message_id);
        if (!trip.run.is_null()) return trip;
        if (trip.took >= patience || (now >= look_at_log && is_over(trip.log))) break;
        if (now >= look_at_log) {
            trip.log = log_of(client, trip.message_id);
            look_at_log = now + log_every;
        }
        std::this_thread::sleep_for(std::chrono::seconds{1});
    }
    if (!is_over(trip.log)) trip.log = log_of(client, trip.message_id);
    return trip;
}

std::string advice(const std::vector<qstash::log_entry>& log, const settings& config) {
    const auto tried = std::ranges::find_if(log, [](const auto& entry) {
        return entry.state == "DELIVERED" || entry.state == "ERROR" || entry.state == "RETRY" ||
               entry.state == "FAILED" || entry.response_status != 0;
    });
    if (tried == log.end())
        return "QStash took the message but has not delivered it yet: look at its logs in the console, then run "
               "`tidesync setup` again";
    // FAILED closes a message; the entry of the attempt itself knows more.
    const auto answered = std::ranges::find_if(log, [](const auto& entry) { return entry.response_status != 0; });
    const int status = answered == log.end() ? 0 : answered->response_status;
    if (status == 401)
        return "what answers at TIDESYNC_PUBLIC_URL refuses the signature: both signing keys must be those of the "
               "account "
               "and region of QSTASH_TOKEN, and TIDESYNC_PUBLIC_URL exactly what QStash calls; `request refused` in "
               "the "
               "worker's log has the reason";
    if (status == 404)
        return fmt::format(
            "what answers at {} does not know the route: the proxy must pass the path on unchanged", config.public_url);
    if (status / 100 == 2 || (status == 0 && tried->state == "DELIVERED"))
        return fmt::format(
            "something answers at {}, but it is not this worker: does the proxy lead to {}, and do both use the same "
            "run store?",
            config.public_url, local_url(config.listen));
    if (status != 0)
        return fmt::format(
            "HTTP {} came from {}: its proxy's log and the worker's have the reason", status, config.public_url);
    return fmt::format(
        "QStash cannot reach {}: is the name in public DNS, is its certificate valid, does the firewall let it in?",
        config.public_url);
}

} // namespace tidesync::worker
