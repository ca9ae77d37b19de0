#include "jobs/report.hpp"

#include "jobs/outcome.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace tidesync::jobs {

namespace {

constexpr std::array<std::pair<failure_code, std::string_view>, 14> failure_codes{{
    {failure_code::unreachable, "unreachable"},
    {failure_code::access_denied, "access_denied"},
    {failure_code::busy, "busy"},
    {failure_code::not_set_up, "not_set_up"},
    {failure_code::plan_refused, "plan_refused"},
    {failure_code::guarded, "guarded"},
    {failure_code::data_refused, "data_refused"},
    {failure_code::superseded, "superseded"},
    {failure_code::store_behind, "store_behind"},
    {failure_code::stopped, "stopped"},
    {failure_code::time_limit, "time_limit"},
    {failure_code::lost, "lost"},
    {failure_code::deadline, "deadline"},
    {failure_code::internal, "internal"},
}};

} // namespace

std::string_view to_string(failure_code code) noexcept {
    for (const auto& [each, name] : failure_codes)
        if (each == code) return name;
    return "internal";
}

failure_code failure_code_of(std::string_view name) noexcept {
    for (const auto& [code, each] : failure_codes)
        if (each == name) return code;
    return failure_code::internal;
}

const failure* why(const outcome& how) noexcept {
    if (const auto* again = std::get_if<retry>(&how)) return &again->why;
    if (const auto* over = std::get_if<give_up>(&how)) return &over->why;
    return nullptr;
}

table_report report::totals() const {
    table_report sum;
    for (const auto& table : tables) {
        sum.total += table.total;
        sum.inserted += table.inserted;
        sum.updated += table.updated;
        sum.unchanged += table.unchanged;
        sum.deleted += table.deleted;
        sum.missing += table.missing;
        sum.different += table.different;
        sum.extra += table.extra;
        sum.bytes += table.bytes;
        sum.took += table.took;
    }
    return sum;
}

bool report::in_step() const {
    return std::ranges::all_of(
        tables, [](const table_report& table) { return table.missing == 0 && table.different == 0; });
}

void to_json(nlohmann::ordered_json& json, const table_report& table) {
    json = {{"name", table.name},         {"strategy", table.strategy}, {"total", table.total},
            {"inserted", table.inserted}, {"updated", table.updated},   {"unchanged", table.unchanged},
            {"deleted", table.deleted},   {"missing", table.missing},   {"different", table.different},
            {"extra", table.extra},       {"bytes", table.bytes},       {"took_ms", table.took.count()}};
}

void from_json(const nlohmann::json& json, table_report& table) {
    json.at("name").get_to(table.name);
    table.strategy = json.value("strategy", std::string{});
    json.at("total").get_to(table.total);
    json.at("inserted").get_to(table.inserted);
    json.at("updated").get_to(table.updated);
    json.at("unchanged").get_to(table.unchanged);
    json.at("deleted").get_to(table.deleted);
    json.at("missing").get_to(table.missing);
    json.at("different").get_to(table.different);
    json.at("extra").get_to(table.extra);
    json.at("bytes").get_to(table.bytes);
    table.took = std::chrono::milliseconds{json.at("took_ms").get<std::int64_t>()};
}

void to_json(nlohmann::ordered_json& json, const source_report& source) {
    json = {{"standby", source.standby}, {"replay_age_s", nullptr}};
    if (source.replay_age) json["replay_age_s"] = source.replay_age->count();
}

void from_json(const nlohmann::json& json, source_report& source) {
    json.at("standby").get_to(source.standby);
    source.replay_age.reset();
    if (const auto& age = json.at("replay_age_s"); !age.is_null())
        source.replay_age = std::chrono::seconds{age.get<std::int64_t>()};
}

void to_json(nlohmann::ordered_json& json, const report& report) {
    auto phases = nlohmann::ordered_json::array();
    for (const auto& phase : report.phases) phases.push_back({{"name", phase.name}, {"took_ms", phase.took.count()}});
    json = {{"tables", report.tables}, {"phases", std::move(phases)}, {"warnings", report.warnings}};
    if (report.guard) json["guard"] = {{"difference", report.guard->difference}, {"trips", report.guard->trips}};
    if (!report.approved.empty()) json["approved"] = report.approved;
    if (report.source) json["source"] = *report.source;
}

void from_json(const nlohmann::json& json, report& report) {
    json.at("tables").get_to(report.tables);
    json.at("warnings").get_to(report.warnings);
    report.guard.reset();
    if (const auto guard = json.find("guard"); guard != json.end())
        report.guard = {guard->at("difference").get<std::string>(), guard->at("trips").get<std::vector<std::string>>()};
    report.approved = json.value("approved", std::string{});
    report.source.reset();
    if (const auto source = json.find("source"); source != json.end()) report.source = source->get<source_report>();
    report.phases.clear();
    for (const auto& phase : json.at("phases"))
        report.phases.push_back(
            {phase.at("name").get<std::string>(), std::chrono::milliseconds{phase.at("took_ms").get<std::int64_t>()}});
}

} // namespace tidesync::jobs
