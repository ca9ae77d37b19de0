#include "worker/setup_steps.hpp"

#include "worker/ask_worker.hpp"
#include "worker/schedule_order.hpp"
#include "worker/schedule_text.hpp"
#include "worker/schedules.hpp"
#include "worker/setup_message.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <unistd.h>

namespace tidesync::worker {

namespace {

constexpr std::string_view job = "slave-to-prod";
constexpr std::chrono::seconds message_patience{60};
constexpr std::chrono::seconds answer_margin{15};

bool names_this_machine(const std::string& url) {
    const auto authority = url.substr(url.find("://") + 3, url.find('/', url.find("://") + 3) - url.find("://") - 3);
    if (authority.starts_with('[')) return is_loopback(authority.substr(1, authority.find(']') - 1));
    return is_loopback(authority.substr(0, authority.rfind(':')));
}

void show_wait(std::chrono::seconds passed) {
    if (isatty(STDERR_FILENO) == 0) return;
    fmt::print(stderr, "\r\033[K  a message is on its way through QStash: {} s", passed.count());
    std::fflush(stderr);
}

} // namespace

void check_settings(transcript& lines, const loading& loaded) {
    for (const auto& line : wrong_settings(loaded)) lines.wrong(exit_code::configuration, line.text, line.remedy);
    for (const auto& line : good_settings(loaded)) lines.add(line);
    const auto& values = loaded.values;
    if (!values.public_url.empty() && names_this_machine(values.public_url) && !names_this_machine(values.qstash_url))
        lines.wrong(
            exit_code::configuration,
            fmt::format(
                "TIDESYNC_PUBLIC_URL is {}, this machine: QStash at {} cannot call it", values.public_url,
                values.qstash_url),
            "set TIDESYNC_PUBLIC_URL to the worker's address on the internet, or QSTASH_URL to a scheduler on this "
            "machine");
    for (const auto& probe : probe_databases(values)) {
        if (probe.problem.empty())
            lines.add(check_of(probe));
        else
            lines.wrong(exit_code::configuration, check_of(probe).text, {});
    }
}

std::optional<std::vector<qstash::schedule>>
check_token(transcript& lines, qstash::client& client, const settings& config) {
    try {
        auto schedules = client.list_schedules();
        lines.ok(fmt::format(
            "QStash at {} takes the token; schedules in the account: {}", config.qstash_url, schedules.size()));
        return schedules;
    } catch (const qstash::api_error& e) {
        lines.wrong(e, "QStash");
        return std::nullopt;
    }
}

void check_signing_keys(transcript& lines, qstash::client& client, const settings& config) {
    try {
        const auto theirs = client.get_keys();
        for (const auto& key : config.signing_keys) {
            if (key.value == (key.label == "current" ? theirs.current : theirs.next))
                lines.ok(fmt::format("signing key {} is the account's", key.label));
            else if (key.value == theirs.current || key.value == theirs.next)
                lines.note(
                    fmt::format("signing key {} is the account's, but in the other place", key.label),
                    "the keys were rotated: copy both from the QStash console");
            else
                lines.wrong(
                    exit_code::configuration,
                    fmt::format("signing key {} is not one of the account that QSTASH_TOKEN belongs to", key.label),
                    "copy both signing keys from the QStash console, of the same account and region as the token");
        }
    } catch (const qstash::api_error& e) {
        lines.note(fmt::format("the signing keys could not be compared with the account's: {}", e.what()));
    }
}

void own_schedule(
    transcript& lines, qstash::client& client, const settings& config, const std::vector<qstash::schedule>& present) {
    const auto id = default_schedule_id(job);
    const auto found = std::ranges::find(present, id, &qstash::schedule::schedule_id);
    std::string what = "is as it should be";
    if (found == present.end()) {
        // What nobody chose is never refused.
        place_schedule(client, std::get<qstash::schedule_request>(request_for({}, config, {std::string{job}})));
        what = "created";
    } else if (const auto corrected = correction_of(*found, config, job)) {
        place_schedule(client, *corrected);
        what = "updated";
    }
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    auto schedule = client.get_schedule(id);
    const auto tick = next_tick(schedule, now);
    lines.ok(fmt::format(
        "schedule {} {}: `{}`, {}, calls {}", id, what, schedule.cron,
        tick ? fmt::format("next tick {} UTC", minute_text(tick)) : "no tick to come", schedule.destination));
    if (schedule.paused)
        lines.note(
            "the schedule is paused: someone paused it", fmt::format("`tidesync schedule resume {}` resumes it", id));
    lines.document["schedule"] = schedule_document(schedule, now);
}

bool check_worker(transcript& lines, const settings& config) {
    const auto url = local_url(config);
    constexpr auto remedy = "start it with the same settings: `tidesync serve`; then run `tidesync setup` again";
    if (url.empty()) {
        lines.wrong(exit_code::failed, "TIDESYNC_LISTEN has port 0: the worker cannot be found", "give it a port");
        return false;
    }
    worker_answer answer;
    try {
        answer = ask_worker(
            url + "/api/background/sync/slave-to-prod",
            {fmt::format("Authorization: Bearer {}", config.admin_token.reveal()), "Content-Type: application/json"},
            R"({"dry_run": true})", config.delivery_wait + answer_margin);
    } catch (const std::runtime_error& e) {
        lines.wrong(exit_code::failed, fmt::format("the worker does not answer: {}", e.what()), remedy);
        return false;
    }
    const auto document = nlohmann::json::parse(answer.body, nullptr, false);
    const bool is_ours = document.is_object() && document.contains("success");
    if (!is_ours) {
        lines.wrong(
            exit_code::failed, fmt::format("what answers at {} is not Tidesync (HTTP {})", url, answer.status),
            "is TIDESYNC_LISTEN the worker's address?");
        return false;
    }
    if (answer.status / 100 != 2) {
        const auto error = document.value("error", nlohmann::json::object());
        lines.wrong(
            exit_code::failed,
            answer.status == 401
                ? std::string{"the running worker does not take TIDESYNC_ADMIN_TOKEN: it has another one"}
                : fmt::format("the worker answers HTTP {}: {}", answer.status, error.value("message", "")),
            answer.status == 401 ? "restart it with these settings" : error.value("hint", ""));
        return false;
    }
    lines.ok(fmt::format(
        "the worker at {} takes a manual trigger: {}", url,
        document.value("message", "a dry run, which has not ended yet")));
    return true;
}

void check_message(transcript& lines, qstash::client& client, const settings& config) {
    const auto trip = send_message(client, config, message_patience, show_wait);
    if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\033[K");
    auto evidence = nlohmann::ordered_json::array();
    for (const auto& entry : trip.log) evidence.push_back(log_line(entry));
    lines.document["delivery"] = {{"messageId", trip.message_id}, {"run", trip.run}, {"log", evidence}};
    if (!trip.run.is_null())
        return lines.ok(fmt::format(
            "message {} came back signed after {} s and started dry run {}", trip.message_id, trip.took.count(),
            trip.run.value("run", "")));
    lines.wrong(
        exit_code::failed, fmt::format("message {} did not arrive within {} s", trip.message_id, trip.took.count()),
        advice(trip.log, config));
    for (const auto& line : evidence) lines.note("QStash: " + line.get<std::string>());
}

} // namespace tidesync::worker
