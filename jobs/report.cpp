#include "jobs/report.hpp"

#include "jobs/outcome.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tidesync::jobs {

std::string_view to_string(failure_code code) noexcept {
    switch (code) {
    case failure_code::unreachable:
        return "unreachable";
    case failure_code::access_denied:
        return "access_denied";
    case failure_code::busy:
        return "busy";
    case failure_code::not_set_up:
        return "not_set_up";
    case failure_code::plan_refused:
        return "plan_refused";
    case failure_code::data_refused:
        return "data_refused";
    case failure_code::superseded:
        return "superseded";
    case failure_code::store_behind:
        return "store_behind";
    case failure_code::stopped:
        return "stopped";
    case failure_code::time_limit:
        return "time_limit";
    case failure_code::internal:
        return "internal";
    }
    return "internal";
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
    json = {{"name", table.name},       {"total", table.total},         {"inserted", table.inserted},
            {"updated", table.updated}, {"unchanged", table.unchanged}, {"deleted", table.deleted},
            {"missing", table.missing}, {"different", table.different}, {"extra", table.extra},
            {"bytes", table.bytes},     {"took_ms", table.took.count()}};
}

void from_json(const nlohmann::json& json, table_report& table) {
    json.at("name").get_to(table.name);
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

void to_json(nlohmann::ordered_json& json, const report& report) {
    auto phases = nlohmann::ordered_json::array();
    for (const auto& phase : report.phases) phases.push_back({{"name", phase.name}, {"took_ms", phase.took.count()}});
    json = {{"tables", report.tables}, {"phases", std::move(phases)}, {"warnings", report.warnings}};
}

void from_json(const nlohmann::json& json, report& report) {
    json.at("tables").get_to(report.tables);
    json.at("warnings").get_to(report.warnings);
    report.phases.clear();
    for (const auto& phase : json.at("phases"))
        report.phases.push_back(
            {phase.at("name").get<std::string>(), std::chrono::milliseconds{phase.at("took_ms").get<std::int64_t>()}});
}

} // namespace tidesync::jobs
