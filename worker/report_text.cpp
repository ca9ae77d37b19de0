#include "worker/report_text.hpp"

#include "worker/printable.hpp"
#include "worker/progress_meter.hpp"
#include "worker/text_table.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

/// Digits in groups of three, as people read them.
std::string grouped(std::int64_t number) {
    auto text = std::to_string(number);
    for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

std::string seconds(std::chrono::milliseconds time) {
    return fmt::format("{:.2f} s", static_cast<double>(time.count()) / 1000.0);
}

/// Enough of a message id to find it again; the whole is in `tidesync runs --json`.
std::string id_start(const std::string& id) {
    constexpr std::size_t characters = 16;
    return id.empty() ? "-" : printable(id, characters);
}

/// The messages that asked for a run: the first, and how many more.
std::string messages_of(const run_view& run) {
    if (run.messages.empty()) return "-";
    const auto first = id_start(run.messages.front());
    return run.messages.size() == 1 ? first : fmt::format("{} +{}", first, run.messages.size() - 1);
}

/// QStash writes status 0 where the last try met nobody.
std::string status_of(const delivery_alarm& alarm) {
    if (!alarm.status) return "-";
    return *alarm.status == 0 ? "no answer" : std::to_string(*alarm.status);
}

/// What the rows were read from, where that may be older than one thinks.
std::string source_line(const jobs::report& report) {
    if (!report.source || !report.source->standby) return {};
    const auto& age = report.source->replay_age;
    return fmt::format(
        "  source: a standby, {}\n",
        age ? fmt::format("{} s behind", grouped(age->count())) : std::string{"how far behind it cannot tell"});
}

} // namespace

std::string sync_table(const jobs::report& report) {
    std::vector<cells> lines{{"table", "rows", "inserted", "updated", "unchanged", "time"}};
    const bool strategies =
        std::ranges::any_of(report.tables, [](const auto& table) { return !table.strategy.empty(); });
    // Most people let nothing be deleted, and need no column of zeros.
    const bool deletes = report.totals().deleted > 0;
    if (deletes) lines.front().insert(lines.front().begin() + 4, "deleted");
    if (strategies) lines.front().emplace_back("strategy");
    const auto add = [&](const std::string& name, const jobs::table_report& table) {
        lines.push_back(
            {name, grouped(table.total), grouped(table.inserted), grouped(table.updated), grouped(table.unchanged),
             seconds(table.took)});
        if (deletes) lines.back().insert(lines.back().begin() + 4, grouped(table.deleted));
        if (strategies) lines.back().push_back(table.strategy);
    };
    for (const auto& table : report.tables) add(table.name, table);
    add("all", report.totals());
    return source_line(report) + aligned(lines, true, true);
}

std::string check_table(const jobs::report& report) {
    std::vector<cells> lines{{"table", "rows on slave", "missing", "different", "only in production"}};
    const bool deletes = report.totals().deleted > 0;
    if (deletes) lines.front().emplace_back("to delete");
    const auto add = [&](const std::string& name, const jobs::table_report& table) {
        lines.push_back(
            {name, grouped(table.total), grouped(table.missing), grouped(table.different), grouped(table.extra)});
        if (deletes) lines.back().push_back(grouped(table.deleted));
    };
    for (const auto& table : report.tables) add(table.name, table);
    add("all", report.totals());
    return source_line(report) + aligned(lines, true, true);
}

std::string runs_table(const std::vector<run_view>& runs) {
    if (runs.empty()) return "  no runs yet\n";
    std::vector<cells> lines{
        {"started (UTC)", "job", "state", "trigger", "asked by", "message", "rows", "inserted", "updated", "deleted",
         "run"}};
    for (const auto& run : runs) {
        const auto totals = run.report ? run.report->totals() : jobs::table_report{};
        const auto count = [&](std::int64_t number) { return run.report ? grouped(number) : std::string{"-"}; };
        const bool lost = run.state == "running" && !run.alive;
        lines.push_back(
            {run.started_at.empty() ? run.created_at : run.started_at, run.job + (run.dry_run ? " (dry run)" : ""),
             lost ? "lost" : run.state, run.trigger, run.actor, messages_of(run), count(totals.total),
             count(totals.inserted), count(totals.updated), count(totals.deleted), run.run_id});
    }
    std::string text = aligned(lines, false, false);
    for (const auto& run : runs)
        if (run.state == "dead" && run.error.is_object())
            text += fmt::format("  {}: {}\n", run.run_id.substr(0, 8), printable(run.error.value("message", "")));
    return text;
}

std::string run_text(const run_view& run) {
    std::string text;
    const auto line = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) text += fmt::format("  {:<13}{}\n", name, printable(value));
    };
    line("run", run.run_id);
    line("job", run.job + (run.dry_run ? " (dry run)" : ""));
    line("state", run.state == "running" && !run.alive ? "running, but its worker fell silent" : run.state);
    line("asked by", fmt::format("{} ({})", run.actor, run.trigger));
    line("message", fmt::format("{}", fmt::join(run.messages, ", ")));
    line("retry of", run.retry_of);
    line("created", run.created_at);
    line("started", run.started_at);
    line("finished", run.finished_at);
    line("next try", run.run_after);
    if (run.attempt > 1 || run.crashes > 0)
        line(
            "attempts",
            fmt::format("{}, of which {} lost their worker", std::max(run.attempt, 0) + run.crashes, run.crashes));
    line("cancelled by", run.cancelled_by);
    if (run.progress.is_object()) line("progress", progress_text(run.progress.get<progress>()));
    if (run.error.is_object()) {
        line("error", fmt::format("{}: {}", run.error.value("code", ""), run.error.value("message", "")));
        line("", run.error.value("hint", ""));
    }
    if (run.report && !run.report->approved.empty())
        line("approved", "what run " + run.report->approved + " was stopped at");
    if (run.alarm) line("alarm", "QStash gave up one of its messages; `tidesync runs` has the answer it got");
    if (run.report && !run.report->tables.empty())
        text += run.report->guard ? check_table(*run.report) : sync_table(*run.report);
    return text;
}

std::string audit_table(const std::vector<audit_view>& entries) {
    if (entries.empty()) return "  nothing yet\n";
    std::vector<cells> lines{{"at (UTC)", "who", "from", "did", "to", "detail"}};
    const auto or_dash = [](const std::string& text) { return text.empty() ? std::string{"-"} : text; };
    for (const auto& [id, at, what] : entries) {
        const auto& target = what.run_id.empty() ? what.job : what.run_id;
        lines.push_back(
            {at, printable(what.who.actor, 80), or_dash(printable(what.who.remote, 60)), what.action, or_dash(target),
             printable(what.detail.dump(), 120)});
    }
    return aligned(lines, false, false);
}

std::string pauses_text(const std::vector<job_view>& jobs) {
    std::string text;
    for (const auto& job : jobs)
        if (!job.paused_at.empty())
            text += fmt::format(
                "  {} is paused since {} by {}: {}\n", job.name, job.paused_at, printable(job.paused_by, 80),
                printable(job.paused_reason, 200));
    return text;
}

std::string alarms_table(const std::vector<delivery_alarm>& alarms) {
    if (alarms.empty()) return {};
    std::vector<cells> lines{{"received (UTC)", "message", "schedule", "status", "tries", "dead letter", "run"}};
    const auto or_dash = [](const std::string& text) { return text.empty() ? std::string{"-"} : text; };
    for (const auto& alarm : alarms)
        lines.push_back(
            {alarm.received_at, id_start(alarm.source_message_id), or_dash(alarm.schedule_id), status_of(alarm),
             alarm.retried ? std::to_string(std::int64_t{*alarm.retried} + 1) : "-", or_dash(alarm.dlq_id),
             or_dash(alarm.run_id)});
    std::string text =
        "\n  messages that QStash gave up, and what the last try was answered\n\n" + aligned(lines, false, false);
    for (const auto& alarm : alarms)
        if (!alarm.response.empty())
            text += fmt::format("  {}: {}\n", id_start(alarm.source_message_id), alarm.response);
    return text;
}

} // namespace tidesync::worker
