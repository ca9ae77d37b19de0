#include "worker/checks.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"
#include "worker/migrate.hpp"
#include "worker/settings_reader.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <unistd.h>
#include <utility>

namespace tidesync::worker {

namespace {

constexpr std::string_view indent = "           "; // as wide as a label
constexpr std::size_t arrow_columns = 3;           // before a remedy
constexpr std::size_t terminal_columns = 90;

probe probe_database(const std::string& name, const postgres::address& where, std::optional<schema_part> part) {
    probe result{name, where.describe(), {}};
    try {
        postgres::named(name, "asking for an answer", [&] {
            auto connection = postgres::connect(where, name);
            pqxx::work transaction{connection};
            transaction.exec("SELECT 1");
        });
        if (part) {
            const auto missing = missing_schema(where, *part);
            if (!missing.problem.empty()) result.problem = fmt::format("{}: {}", missing.problem, missing.hint);
        }
    } catch (const postgres::error& e) {
        result.problem = e.what();
    }
    return result;
}

} // namespace

std::string_view to_string(check::state how) {
    switch (how) {
    case check::state::ok:
        return "ok";
    case check::state::warning:
        return "warning";
    case check::state::problem:
        return "problem";
    case check::state::note:
        break;
    }
    return "note";
}

nlohmann::ordered_json document_of(const check& line) {
    nlohmann::ordered_json document{{"state", to_string(line.how)}, {"text", line.text}};
    if (!line.remedy.empty()) document["remedy"] = line.remedy;
    return document;
}

void print(const check& line) {
    const auto columns = isatty(STDOUT_FILENO) != 0 ? terminal_columns - indent.size() : std::string::npos;
    std::string_view label = to_string(line.how);
    for (const auto& part : wrapped(line.text, columns)) fmt::print("  {:<8} {}\n", std::exchange(label, ""), part);
    std::string_view arrow = "-> ";
    for (const auto& part : wrapped(line.remedy, columns - arrow_columns))
        fmt::print("{}{:<{}}{}\n", indent, std::exchange(arrow, ""), arrow_columns, part);
    std::fflush(stdout);
}

std::vector<std::string> wrapped(std::string_view text, std::size_t columns) {
    std::vector<std::string> lines;
    while (text.size() > columns) {
        auto end = text.rfind(' ', columns);
        if (end == std::string_view::npos) end = text.find(' ', columns);
        if (end == std::string_view::npos) break;
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    if (!text.empty()) lines.emplace_back(text);
    return lines;
}

std::vector<check> wrong_settings(const loading& loaded) {
    std::vector<check> lines;
    lines.reserve(loaded.problems.size());
    for (const auto& problem : loaded.problems) lines.push_back({check::state::problem, problem, {}});
    return lines;
}

std::vector<check> good_settings(const loading& loaded) {
    std::vector<check> lines;
    const auto ok = [&](std::string text) { lines.push_back({check::state::ok, std::move(text), {}}); };
    const auto& values = loaded.values;
    for (const auto& key : values.signing_keys) ok(fmt::format("signing key {} is set", key.label));
    if (!values.public_url.empty()) ok(fmt::format("QStash calls {}", values.public_url));
    if (!values.qstash_token.empty()) ok(fmt::format("token for QStash at {} is set", values.qstash_url));
    if (const auto to = split_url(std::string{values.alarms.url.reveal()}))
        ok(fmt::format("alarms go to {}", to->host));
    if (const auto to = split_url(std::string{values.ping_url.reveal()})) ok(fmt::format("pings go to {}", to->host));
    const auto& here = values.listen;
    if (const auto& admin = values.admin_listen)
        ok(fmt::format(
            "listens on {}:{} for deliveries and triggers, on {}:{} for all else", here.host, here.port, admin->host,
            admin->port));
    else
        ok(fmt::format("listens on {}:{}", here.host, here.port));
    ok(fmt::format("job file: {}", values.job_file.empty() ? "none, defaults apply" : values.job_file));
    ok(fmt::format(
        "tables: include {}; exclude {}", fmt::join(values.rules.include, ", "),
        values.rules.exclude.empty() ? "nothing" : fmt::format("{}", fmt::join(values.rules.exclude, ", "))));
    for (const auto& note : loaded.notes) lines.push_back({check::state::note, note, {}});
    return lines;
}

std::vector<probe> probe_databases(const settings& values) {
    std::vector<probe> probes;
    if (values.slave.given()) probes.push_back(probe_database("slave", values.slave, std::nullopt));
    if (values.production.given())
        probes.push_back(probe_database("production", values.production, schema_part::production));
    if (values.run_store.given())
        probes.push_back(probe_database("run store", values.run_store, schema_part::run_store));
    return probes;
}

check check_of(const probe& probe) {
    if (probe.problem.empty()) return {check::state::ok, fmt::format("{} {}", probe.name, probe.where), {}};
    return {check::state::problem, fmt::format("{} {}: {}", probe.name, probe.where, probe.problem), {}};
}

} // namespace tidesync::worker
