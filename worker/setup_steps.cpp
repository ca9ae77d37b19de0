#include "worker/setup_steps.hpp"

#include "worker/ask_worker.hpp"
#include "worker/printable.hpp"
#include "worker/schedule_actions.hpp"
#include "worker/schedule_order.hpp"
#include "worker/schedule_text.hpp"
#include "worker/schedules.hpp"
#include "worker/settings_reader.hpp"
#include "worker/setup_keys.hpp"
#include "worker/setup_message.hpp"
#include "worker/start.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <unistd.h>

namespace tidesync::worker {

namespace {

constexpr std::string_view main_job = "slave-to-prod";
constexpr std::chrono::seconds message_patience{60};
constexpr std::chrono::seconds answer_margin{15};

bool names_this_machine(const std::string& url) {
    const auto parts = split_url(url);
    return parts && is_loopback(parts->host);
}

std::optional<qstash::schedule> find_schedule(qstash::client& client, const std::string& id) {
    try {
        return client.get_schedule(id);
    } catch (const qstash::not_found&) {
        return std::nullopt;
    }
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

bool check_token(transcript& lines, qstash::client& client, const settings& config) {
    try {
        lines.ok(fmt::format(
            "QStash at {} takes the token; schedules in the account: {}", config.qstash_url,
            client.list_schedules().size()));
        return true;
    } catch (const qstash::api_error& e) {
        lines.wrong(e, "QStash");
        return false;
    }
}

void check_signing_keys(transcript& lines, qstash::client& client, const settings& config) {
    try {
        for (const auto& line : compare_signing_keys(config.signing_keys, client.get_keys())) {
            if (line.how == check::state::problem)
                lines.wrong(exit_code::configuration, line.text, line.remedy);
            else
                lines.add(line);
        }
    } catch (const qstash::api_error& e) {
        lines.note(fmt::format("the signing keys could not be compared with the account's: {}", e.what()));
    }
}

bool check_worker(transcript& lines, const settings& config) {
    const auto url = local_url(config.for_people());
    constexpr auto remedy = "start it with the same settings: `tidesync serve`; then run `tidesync setup` again";
    if (url.empty()) {
        lines.wrong(
            exit_code::failed, fmt::format("{} has port 0: the worker cannot be found", config.for_people().setting),
            "give it a port");
        return false;
    }
    worker_answer answer;
    try {
        answer = ask_worker(
            url + job_path(main_job),
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
            fmt::format("is {} the worker's address?", config.for_people().setting));
        return false;
    }
    if (answer.status / 100 != 2) {
        const auto error = document.find("error");
        const auto said = [&](const char* name) { return error == document.end() ? "" : text_member(*error, name); };
        if (answer.status == 401)
            lines.wrong(
                exit_code::failed, fmt::format("the worker at {} runs with another TIDESYNC_ADMIN_TOKEN", url),
                "restart it with these settings");
        else
            lines.wrong(
                exit_code::failed, fmt::format("the worker answers HTTP {}: {}", answer.status, said("message")),
                said("hint"));
        return false;
    }
    const auto message = text_member(document, "message");
    lines.ok(fmt::format(
        "the worker at {} takes a manual trigger: {}", url,
        message.empty() ? "a dry run, which has not ended yet" : message));
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
            text_member(trip.run, "run")));
    lines.wrong(
        exit_code::failed, fmt::format("message {} did not arrive within {} s", trip.message_id, trip.took.count()),
        advice(trip.log, config));
    for (const auto& line : evidence) lines.note("QStash: " + line.get<std::string>());
}

bool own_schedule(transcript& lines, qstash::client& client, const settings& config, const std::string& job) {
    const auto id = default_schedule_id(job);
    schedule_action action;
    action.order.job = job;
    const auto found = find_schedule(client, id);
    std::string what = "is as it should be";
    if (!found) {
        const auto request = request_for(action.order, config);
        if (const auto* wrong = std::get_if<bad_order>(&request)) {
            lines.wrong(exit_code::configuration, wrong->message, wrong->hint);
            return false;
        }
        record_or_warn(config.run_store, entry_of(action, user_of_command_line()));
        place_schedule(client, std::get<qstash::schedule_request>(request));
        what = "created";
    } else if (calls_elsewhere(*found, config)) {
        lines.wrong(
            exit_code::failed,
            fmt::format(
                "schedule {} calls {}; with this TIDESYNC_PUBLIC_URL it would call {}", id,
                printable(found->destination), job_url(config, job)),
            fmt::format(
                "does another worker live there? Then leave it to that one. If not: `tidesync schedule create {}--cron "
                "'{}'` replaces it",
                job == main_job ? "" : fmt::format("--job {} ", job), printable(found->cron)));
        return false;
    } else if (const auto corrected = correction_of(*found, config, job)) {
        action.order.cron = corrected->request.cron;
        record_or_warn(config.run_store, entry_of(action, user_of_command_line()));
        place_schedule(client, corrected->request);
        what = fmt::format("updated ({})", fmt::join(corrected->changes, "; "));
    }
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto schedule = client.get_schedule(id);
    const auto tick = next_tick(schedule, now);
    lines.ok(fmt::format(
        "schedule {} {}: `{}`, {}, calls {}", id, what, printable(schedule.cron),
        tick ? fmt::format("next tick {} UTC", minute_text(tick)) : "no tick to come",
        printable(schedule.destination)));
    if (schedule.paused)
        lines.note(fmt::format(
            "schedule {0} is paused (by a person, the route or QStash): nothing is delivered until `tidesync schedule "
            "resume {0}`",
            id));
    lines.document["schedules"][job] = schedule_document(schedule, now);
    return !schedule.paused;
}

} // namespace tidesync::worker
