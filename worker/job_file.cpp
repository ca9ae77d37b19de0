#include "worker/job_file.hpp"

#include "worker/job_list.hpp"
#include "worker/settings.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <yaml-cpp/yaml.h>

namespace tidesync::worker {

namespace {

constexpr std::uintmax_t file_bytes_max = 1024UL * 1024;
constexpr std::size_t filter_bytes_max = 4000;
constexpr std::size_t groups_max = 32;

/// Walks the document; every handler gets the value of its key.
class job_file_reader {
public:
    job_file_reader(std::string path, settings& values, std::vector<std::string>& problems)
        : path_{std::move(path)}
        , values_{values}
        , problems_{problems} {}

    void read_document(const YAML::Node& document) {
        read_map(document, "the file", {{"jobs", [this](const auto& node) { read_jobs(node); }}});
    }

private:
    using handler = std::function<void(const YAML::Node&)>;

    void problem(const YAML::Node& node, std::string_view text) {
        problems_.push_back(fmt::format("{}:{}: {}", path_, node.Mark().line + 1, text));
    }

    void read_map(const YAML::Node& node, std::string_view what, const std::map<std::string, handler>& handlers) {
        if (node.IsNull()) return;
        if (!node.IsMap()) return problem(node, fmt::format("{}: expected keys and values", what));
        std::vector<std::string> names;
        names.reserve(handlers.size());
        for (const auto& entry : handlers) names.push_back(entry.first);
        for (const auto& entry : node) {
            const auto name = entry.first.as<std::string>("");
            const auto found = handlers.find(name);
            if (found == handlers.end())
                problem(
                    entry.first, fmt::format("{} has no key `{}`: expected {}", what, name, fmt::join(names, ", ")));
            else
                found->second(entry.second);
        }
    }

    void read_jobs(const YAML::Node& node) {
        read_map(node, "jobs", {{"slave-to-prod", [this](const auto& job) { read_slave_to_prod(job); }}});
    }

    void read_slave_to_prod(const YAML::Node& node) {
        auto& rules = values_.rules;
        auto& limits = values_.limits;
        YAML::Node groups;
        auto handlers = schedule_rules(values_.jobs.front());
        handlers.merge(std::map<std::string, handler>{
            {"include", [&](const auto& n) { rules.include = read_names(n, "include"); }},
            {"exclude", [&](const auto& n) { rules.exclude = read_names(n, "exclude"); }},
            {"on_drift",
             [&](const auto& n) { rules.drift_stops = read_word(n, "on_drift", {"warn", "fail"}) == "fail"; }},
            {"guards", [&](const auto& n) { read_job_guards(n); }},
            {"statement_timeout_s", [&](const auto& n) { limits.statement = read_seconds(n, 1, 86400); }},
            {"lock_timeout_s", [&](const auto& n) { limits.lock = read_seconds(n, 1, 600); }},
            {"readers", [&](const auto& n) { limits.readers = read_number(n, 1, 32); }},
            {"run_time_limit_s", [&](const auto& n) { values_.run_time_limit = read_seconds(n, 1, 86400); }},
            {"deadline_s", [&](const auto& n) { values_.run_deadline = read_seconds(n, 60, 7 * 86400); }},
            {"groups", [&](const auto& n) { groups.reset(n); }},
            {"tables", [&](const auto& n) { read_tables(n); }}});
        read_map(node, "slave-to-prod", handlers);
        read_groups(groups); // what they do not say they have from the job, wherever it stands
    }

    void read_groups(const YAML::Node& node) {
        if (!node.IsDefined() || node.IsNull()) return;
        if (!node.IsMap()) return problem(node, "groups: expected names, each with tables:");
        for (const auto& entry : node) {
            const auto name = entry.first.as<std::string>("");
            if (!slave_to_prod::is_group_name(name)) {
                problem(
                    entry.first,
                    fmt::format(
                        "group `{}`: expected a small letter, then small letters, digits and hyphens, 32 at most",
                        name));
                continue;
            }
            if (find_job(values_, slave_to_prod::job_of_group(name)) != nullptr) {
                problem(entry.first, fmt::format("group `{}` is there twice: expected one of a name", name));
                continue;
            }
            if (values_.rules.groups.size() == groups_max)
                return problem(entry.first, fmt::format("groups: expected {} at most", groups_max));
            read_group(entry.second, name);
        }
    }

    void read_group(const YAML::Node& node, const std::string& name) {
        auto job = values_.jobs.front();
        job.name = slave_to_prod::job_of_group(name);
        slave_to_prod::table_group group{.name = name, .tables = {}};
        auto handlers = schedule_rules(job);
        handlers.emplace("tables", [&](const auto& n) { group.tables = read_names(n, "tables"); });
        read_map(node, fmt::format("group {}", name), handlers);
        if (group.tables.empty())
            problem(node, fmt::format("group {}: tables: expected at least one, such as [public.audit]", name));
        values_.jobs.push_back(std::move(job));
        values_.rules.groups.push_back(std::move(group));
    }

    /// What both the job and a group of its tables may say about their runs.
    std::map<std::string, handler> schedule_rules(job_rules& job) {
        return {
            {"overlap",
             [&](const auto& n) {
                 const bool queue = read_word(n, "overlap", {"forbid", "queue_one"}) == "queue_one";
                 job.overlap = queue ? overlap::queue_one : overlap::forbid;
             }},
            {"slot_every_s", [&](const auto& n) { job.slot_every = read_seconds(n, 60, 7 * 86400); }},
            {"grace_s", [&](const auto& n) { job.grace = read_seconds(n, 0, 7 * 86400); }}};
    }

    void read_tables(const YAML::Node& node) {
        if (!node.IsMap()) return problem(node, "tables: expected `schema.table:` entries");
        for (const auto& entry : node) {
            const auto name = entry.first.as<std::string>("");
            if (name.find('.') == std::string::npos) {
                problem(entry.first, fmt::format("table `{}`: expected schema.table, such as public.orders", name));
                continue;
            }
            slave_to_prod::table_rule rule{.pattern = name};
            read_table(entry.second, rule);
            values_.rules.tables.push_back(std::move(rule));
        }
    }

    void read_table(const YAML::Node& node, slave_to_prod::table_rule& rule) {
        using slave_to_prod::delete_policy;
        const auto columns = [this](const YAML::Node& n, const char* what) {
            auto names = read_names(n, what);
            if (names.empty()) problem(n, fmt::format("{}: expected at least one column", what));
            return names;
        };
        read_map(
            node, fmt::format("table {}", rule.pattern),
            {{"key", [&](const auto& n) { rule.key = columns(n, "key"); }},
             {"skip_columns", [&](const auto& n) { rule.skip_columns = columns(n, "skip_columns"); }},
             {"where", [&](const auto& n) { rule.where = read_filter(n); }},
             {"delete",
              [&](const auto& n) {
                  const auto word = read_word(n, "delete", {"off", "soft", "hard"});
                  rule.deletes = word == "hard"   ? delete_policy::hard
                                 : word == "soft" ? delete_policy::soft
                                                  : delete_policy::off;
              }},
             {"soft_column",
              [&](const auto& n) {
                  rule.soft_column = n.IsScalar() ? n.Scalar() : std::string{};
                  if (rule.soft_column.empty()) problem(n, "soft_column: expected the name of a column");
              }},
             {"guards", [&](const auto& n) { read_map(n, "guards", table_guards(rule)); }}});
        if (rule.deletes == delete_policy::soft && rule.soft_column.empty())
            problem(node, fmt::format("table {}: delete: soft needs soft_column", rule.pattern));
    }

    /// The guards that both the job and a table may set.
    template <typename Limits>
    std::map<std::string, handler> table_guards(Limits& limits) {
        return {
            {"changed_percent_max", [&](const auto& n) { limits.changed_percent_max = read_number(n, 0, 100); }},
            {"deleted_percent_max", [&](const auto& n) { limits.deleted_percent_max = read_number(n, 0, 100); }},
            {"rows_min", [&](const auto& n) { limits.rows_min = read_number(n, 0, 1'000'000'000); }},
            {"empty_source", [&](const auto& n) {
                 limits.empty_source_stops = read_word(n, "empty_source", {"refuse", "allow"}) == "refuse";
             }}};
    }

    void read_job_guards(const YAML::Node& node) {
        auto handlers = table_guards(values_.rules.guards);
        handlers.emplace(
            "source_age_max_s", [&](const auto& n) { values_.rules.source_age_max = read_seconds(n, 0, 7 * 86400); });
        read_map(node, "guards", handlers);
    }

    std::string read_filter(const YAML::Node& node) {
        auto condition = node.IsScalar() ? node.Scalar() : std::string{};
        const auto why = condition.size() > filter_bytes_max
                             ? fmt::format("it is longer than {} bytes", filter_bytes_max)
                             : slave_to_prod::problem_with_filter(condition);
        if (!why.empty())
            problem(node, fmt::format("where: expected one condition in SQL, such as \"tenant = 7\": {}", why));
        return condition;
    }

    std::vector<std::string> read_names(const YAML::Node& node, std::string_view what) {
        std::vector<std::string> names;
        if (!node.IsSequence()) {
            problem(node, fmt::format("{}: expected a list, such as [a, b]", what));
            return names;
        }
        for (const auto& item : node) {
            if (item.IsScalar() && !item.Scalar().empty())
                names.push_back(item.Scalar());
            else
                problem(item, fmt::format("{}: expected a name", what));
        }
        return names;
    }

    std::string read_word(const YAML::Node& node, std::string_view what, const std::vector<std::string>& words) {
        const auto given = node.IsScalar() ? node.Scalar() : std::string{};
        if (std::ranges::find(words, given) == words.end())
            problem(node, fmt::format("{}: expected {}", what, fmt::join(words, " or ")));
        return given;
    }

    std::chrono::seconds read_seconds(const YAML::Node& node, int least, int most) {
        return std::chrono::seconds{read_number(node, least, most, "whole seconds")};
    }

    int read_number(const YAML::Node& node, int least, int most, std::string_view what = "a whole number") {
        const int number = node.IsScalar() ? node.as<int>(-1) : -1;
        if (number < least || number > most) problem(node, fmt::format("expected {} from {} to {}", what, least, most));
        return std::clamp(number, least, most);
    }

    std::string path_;
    settings& values_;
    std::vector<std::string>& problems_;
};

} // namespace

void read_job_file(const std::string& path, settings& values, std::vector<std::string>& problems) {
    std::error_code none;
    const auto size = std::filesystem::file_size(path, none);
    if (none) {
        problems.push_back(
            fmt::format("{}: cannot be read: expected the YAML file that --config or TIDESYNC_CONFIG names", path));
        return;
    }
    if (size > file_bytes_max) {
        problems.push_back(fmt::format("{}: larger than {} bytes", path, file_bytes_max));
        return;
    }
    try {
        job_file_reader{path, values, problems}.read_document(YAML::LoadFile(path));
    } catch (const YAML::Exception& e) {
        problems.push_back(fmt::format("{}:{}: is not YAML: {}", path, e.mark.line + 1, e.msg));
    }
}

} // namespace tidesync::worker
