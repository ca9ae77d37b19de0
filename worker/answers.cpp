#include "worker/answers.hpp"

#include "worker/utc.hpp"

#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

nlohmann::ordered_json text_or_null(const std::string& text) {
    return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
}

nlohmann::ordered_json number_or_null(const std::optional<int>& number) {
    return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
}

std::string message_of(const run_view& run, const jobs::table_report& totals) {
    const auto deleted = totals.deleted > 0 ? fmt::format(", {} deleted", totals.deleted) : std::string{};
    if (run.dry_run)
        return fmt::format(
            "{}: dry run, {} rows would be inserted, {} updated{}", run.job, totals.inserted, totals.updated, deleted);
    if (totals.inserted == 0 && totals.updated == 0 && totals.deleted == 0)
        return fmt::format("{}: already in step", run.job);
    return fmt::format("{}: {} rows inserted, {} updated{}", run.job, totals.inserted, totals.updated, deleted);
}

http_response dead_answer(const run_view& run, bool from_qstash) {
    const auto error = run.error.is_object() ? run.error : nlohmann::json::object();
    auto answer = error_answer(
        from_qstash                            ? 489
        : error.value("code", "") == "guarded" ? 409
                                               : 500,
        error.value("code", "internal"), error.value("message", "the run did not succeed"),
        error.value("hint", "see the run's history"), run.run_id);
    // The run has had its retries. Without this header QStash would try the same message again.
    if (from_qstash) answer.headers.emplace_back("Upstash-NonRetryable-Error", "true");
    return answer;
}

/// The job is paused. QStash has nothing to repair by sending the message again; a person has to know.
http_response skipped_answer(const run_view& run, decision what, bool from_qstash) {
    const auto error = run.error.is_object() ? run.error : nlohmann::json::object();
    const auto message = error.value("message", "the job is paused");
    if (!from_qstash && what == decision::attached) // an Idempotency-Key that was sent before
        return error_answer(
            409, error.value("code", "paused"), fmt::format("the run of this key was skipped then: {}", message),
            fmt::format("POST /api/runs/{}/retry makes up for it, or take a new key", run.run_id), run.run_id);
    if (!from_qstash)
        return error_answer(409, error.value("code", "paused"), message, error.value("hint", "resume it"), run.run_id);
    return json_answer(
        200, {{"success", true},
              {"status", "skipped"},
              {"message", message},
              {"decision", to_string(what)},
              {"run", run.run_id}});
}

} // namespace

nlohmann::ordered_json
error_document(std::string_view code, std::string_view message, std::string_view hint, std::string_view run_id) {
    nlohmann::ordered_json document{
        {"success", false}, {"error", {{"code", code}, {"message", message}, {"hint", hint}}}};
    if (!run_id.empty()) document["run"] = run_id;
    return document;
}

http_response json_answer(int status, const nlohmann::ordered_json& document) {
    http_response answer;
    answer.status = status;
    answer.body = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
    answer.headers.emplace_back("Cache-Control", "no-store");
    return answer;
}

http_response error_answer(
    int status, std::string_view code, std::string_view message, std::string_view hint, std::string_view run_id) {
    return json_answer(status, error_document(code, message, hint, run_id));
}

nlohmann::ordered_json success_document(const run_view& run, std::string_view type, bool with_tables) {
    const auto report = run.report.value_or(jobs::report{});
    const auto totals = report.totals();
    nlohmann::ordered_json document{
        {"success", true},
        {"message", message_of(run, totals)},
        {"timestamp", utc_text(std::chrono::system_clock::now())},
        {"type", type},
        {"run", run.run_id},
        {"statistics",
         {{"total_records", totals.total},
          {"inserted", totals.inserted},
          {"updated", totals.updated},
          {"unchanged", totals.unchanged},
          {"deleted", totals.deleted},
          {"sync_completed_at", text_or_null(run.finished_at)}}}};
    if (run.dry_run) document["dry_run"] = true;
    if (!report.warnings.empty()) document["warnings"] = report.warnings;
    if (with_tables) document["tables"] = report.tables;
    return document;
}

nlohmann::ordered_json run_document(const run_view& run) {
    nlohmann::ordered_json document{
        {"run", run.run_id},
        {"job", run.job},
        {"state", run.state},
        {"trigger", run.trigger},
        {"actor", run.actor},
        {"messages", run.messages},
        {"dry_run", run.dry_run},
        {"retry_of", text_or_null(run.retry_of)},
        {"attempt", run.attempt},
        {"crashes", run.crashes},
        {"created_at", run.created_at},
        {"started_at", text_or_null(run.started_at)},
        {"finished_at", text_or_null(run.finished_at)}};
    if (run.state == "running") document["alive"] = run.alive;
    if (run.state == "retry_wait") document["next_attempt_at"] = text_or_null(run.run_after);
    if (!run.cancelled_by.empty()) document["cancelled_by"] = run.cancelled_by;
    if (!run.progress.is_null()) document["progress"] = run.progress;
    if (!run.error.is_null()) document["error"] = run.error;
    if (run.report) document["report"] = *run.report;
    if (run.alarm) document["delivery_alarm"] = alarm_document(*run.alarm);
    return document;
}

nlohmann::ordered_json alarm_document(const delivery_alarm& alarm) {
    return {
        {"message", alarm.source_message_id},
        {"received_at", alarm.received_at},
        {"schedule", text_or_null(alarm.schedule_id)},
        {"url", text_or_null(alarm.url)},
        {"method", text_or_null(alarm.method)},
        {"status", number_or_null(alarm.status)},
        {"retried", number_or_null(alarm.retried)},
        {"max_retries", number_or_null(alarm.max_retries)},
        {"dlq_id", text_or_null(alarm.dlq_id)},
        {"response", text_or_null(alarm.response)},
        {"run", text_or_null(alarm.run_id)}};
}

nlohmann::ordered_json history_document(const std::vector<run_view>& runs, const std::vector<delivery_alarm>& alarms) {
    nlohmann::ordered_json document{
        {"runs", nlohmann::ordered_json::array()}, {"alarms", nlohmann::ordered_json::array()}};
    for (const auto& run : runs) document["runs"].push_back(run_document(run));
    for (const auto& alarm : alarms) document["alarms"].push_back(alarm_document(alarm));
    return document;
}

nlohmann::ordered_json job_document(const job_view& job) {
    nlohmann::ordered_json document{
        {"job", job.name},
        {"overlap", job.overlap},
        {"paused", !job.paused_at.empty()},
        {"late", job.late},
        {"last_success", text_or_null(job.last_success)},
        {"expected_by", text_or_null(job.expected_by)},
        {"active_run", text_or_null(job.at_work)},
        {"queued_run", text_or_null(job.in_line)}};
    if (!job.paused_at.empty())
        document["pause"] = {{"since", job.paused_at}, {"by", job.paused_by}, {"reason", job.paused_reason}};
    return document;
}

nlohmann::ordered_json audit_document(const std::vector<audit_view>& entries) {
    auto documents = nlohmann::ordered_json::array();
    for (const auto& [id, at, what] : entries)
        documents.push_back(
            {{"id", id},
             {"at", at},
             {"actor", what.who.actor},
             {"action", what.action},
             {"job", text_or_null(what.job)},
             {"run", text_or_null(what.run_id)},
             {"request_id", text_or_null(what.who.request_id)},
             {"remote", text_or_null(what.who.remote)},
             {"detail", what.detail}});
    return {{"entries", std::move(documents)}};
}

nlohmann::ordered_json token_document(const token_view& token) {
    return {
        {"id", token.id},
        {"name", token.name},
        {"scope", token.scope},
        {"state", token.state},
        {"created_at", token.created_at},
        {"created_by", token.created_by},
        {"expires_at", text_or_null(token.expires_at)},
        {"last_used_at", text_or_null(token.last_used_at)},
        {"revoked_at", text_or_null(token.revoked_at)},
        {"revoked_by", text_or_null(token.revoked_by)}};
}

http_response run_answer(const run_view& run, decision what, std::string_view type, bool from_qstash) {
    if (run.state == "succeeded") return json_answer(200, success_document(run, type, false));
    if (run.state == "dead") return dead_answer(run, from_qstash);
    if (run.state == "cancelled")
        return json_answer(
            200, {{"success", true}, {"status", "cancelled"}, {"decision", to_string(what)}, {"run", run.run_id}});
    if (run.state == "skipped") return skipped_answer(run, what, from_qstash);
    auto answer = json_answer(
        202, {{"success", true}, {"status", run.state}, {"decision", to_string(what)}, {"run", run.run_id}});
    answer.headers.emplace_back("Location", fmt::format("/api/runs/{}", run.run_id));
    return answer;
}

} // namespace tidesync::worker
