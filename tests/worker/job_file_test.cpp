#include "tests/catch.hpp"
#include "tests/worker/environment.hpp"
#include "worker/job_list.hpp"
#include "worker/settings.hpp"

#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>

using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

loading with_job_file(std::string_view text) {
    const temporary_file file{text};
    return load_settings(complete(), purpose::serve, file.path);
}

} // namespace

TEST_CASE("the job file sets rules and limits", "[worker][settings]") {
    const auto loaded = with_job_file(R"(
jobs:
  slave-to-prod:
    include: ["public.*", geo.country]
    exclude: ["public.audit_*"]
    on_drift: fail
    statement_timeout_s: 60
    readers: 5
    grace_s: 900
    tables:
      public.*: {skip_columns: [note], where: "tenant > 0"}
      public.orders: {key: [tenant, number], delete: soft, soft_column: gone, guards: {deleted_percent_max: 1}}
    guards: {changed_percent_max: 80, rows_min: 5, empty_source: allow, source_age_max_s: 60}
)");
    CHECK(loaded.problems.empty());
    CHECK(loaded.values.rules.include == std::vector<std::string>{"public.*", "geo.country"});
    CHECK(loaded.values.rules.exclude == std::vector<std::string>{"public.audit_*"});
    CHECK(loaded.values.rules.drift_stops);
    CHECK(loaded.values.rules.tables.at(1).key == std::vector<std::string>{"tenant", "number"});
    const auto settled = settings_of(loaded.values.rules, {"public", "orders"});
    CHECK(settled.skip_columns == std::vector<std::string>{"note"});
    CHECK(settled.where == "tenant > 0");
    CHECK(settled.deletes == tidesync::slave_to_prod::delete_policy::soft);
    CHECK(settled.soft_column == "gone");
    CHECK(settled.guards.deleted_percent_max == 1);
    CHECK(settled.guards.changed_percent_max == 80);
    CHECK(settled.guards.rows_min == 5);
    CHECK_FALSE(settled.guards.empty_source_stops);
    CHECK(loaded.values.rules.source_age_max == 60s);
    CHECK(loaded.values.limits.statement == 60s);
    CHECK(loaded.values.limits.readers == 5);
    CHECK(loaded.values.jobs.front().grace == 900s);
}

TEST_CASE("an empty job file means the defaults", "[worker][settings]") {
    CHECK(with_job_file("").problems.empty());
    CHECK(with_job_file("jobs:\n").problems.empty());
    CHECK(with_job_file("jobs:\n  slave-to-prod:\n").problems.empty());
}

TEST_CASE("a group has from the job what it does not say, wherever that stands", "[worker][settings]") {
    const auto loaded = with_job_file(R"(
jobs:
  slave-to-prod:
    groups:
      logs: {tables: ["public.log_*"], slot_every_s: 3600}
      items-2: {tables: [public.item], overlap: queue_one, grace_s: 60}
    grace_s: 900
    slot_every_s: 7200
)");
    REQUIRE(loaded.problems.empty());
    const auto& values = loaded.values;
    CHECK(
        job_names(values) == std::vector<std::string>{"slave-to-prod", "slave-to-prod-logs", "slave-to-prod-items-2"});
    const auto& logs = *find_job(values, "slave-to-prod-logs");
    CHECK(logs.slot_every == 3600s);
    CHECK(logs.grace == 900s);
    CHECK(logs.overlap == overlap::forbid);
    const auto& items = *find_job(values, "slave-to-prod-items-2");
    CHECK(items.slot_every == 7200s);
    CHECK(items.grace == 60s);
    CHECK(items.overlap == overlap::queue_one);
    CHECK(find_job(values, "slave-to-prod-item") == nullptr);
    CHECK(rules_of_job(values, "slave-to-prod-logs").group == "logs");
    CHECK(rules_of_job(values, "slave-to-prod").group.empty());
    CHECK(rules_of_job(values, "slave-to-prod").groups.size() == 2);
    CHECK(make_job(values, "slave-to-prod-items-2").name() == "slave-to-prod-items-2");
}

TEST_CASE("what is wrong in the job file is named with its line", "[worker][settings]") {
    struct wrong {
        const char* text;
        const char* expected;
    };
    const wrong cases[] = {
        {"jobs:\n  slave-to-prod:\n    exclud: [a]\n", ":3: slave-to-prod has no key `exclud`"},
        {"job:\n", ":1: the file has no key `job`"},
        {"jobs:\n  slave-to-prod:\n    exclude: a\n", "expected a list"},
        {"jobs:\n  slave-to-prod:\n    on_drift: maybe\n", "warn or fail"},
        {"jobs:\n  slave-to-prod:\n    lock_timeout_s: soon\n", "1 to 600"},
        {"jobs:\n  slave-to-prod:\n    tables: {orders: {key: [a]}}\n", "schema.table"},
        {"jobs:\n  slave-to-prod:\n    tables: {public.orders: {key: []}}\n", "at least one column"},
        {"jobs:\n  slave-to-prod:\n    tables: {public.t: {delete: soft}}\n", "needs soft_column"},
        {"jobs:\n  slave-to-prod:\n    tables: {public.t: {delete: yes}}\n", "off or soft or hard"},
        {"jobs:\n  slave-to-prod:\n    tables: {public.t: {where: 'made > now()'}}\n", "with :now for the time"},
        {"jobs:\n  slave-to-prod:\n    tables: {public.t: {where: 'a; b'}}\n", "`;` cannot be in it"},
        {"jobs:\n  slave-to-prod:\n    guards: {changed_percent_max: 101}\n", "0 to 100"},
        {"jobs:\n  slave-to-prod:\n    tables: {public.t: {guards: {source_age_max_s: 1}}}\n", "guards has no key"},
        {"jobs:\n  slave-to-prod:\n    groups: [a]\n", "expected names, each with tables:"},
        {"jobs:\n  slave-to-prod:\n    groups: {Logs: {tables: [a.b]}}\n", "group `Logs`: expected a small letter"},
        {"jobs:\n  slave-to-prod:\n    groups: {a_b: {tables: [a.b]}}\n", "group `a_b`: expected a small letter"},
        {"jobs:\n  slave-to-prod:\n    groups: {a: {tables: [a.b]}, a: {tables: [a.c]}}\n", "group `a` is there twice"},
        {"jobs:\n  slave-to-prod:\n    groups: {a: {tables: []}}\n", "group a: tables: expected at least one"},
        {"jobs:\n  slave-to-prod:\n    groups: {a: {slot_every_s: 60}}\n", "group a: tables: expected at least one"},
        {"jobs:\n  slave-to-prod:\n    groups: {a: {tables: [a.b], slot_every_s: 1}}\n", "60 to 604800"},
        {"jobs: [a\n", "not YAML"}};
    for (const auto& wrong : cases) {
        const auto loaded = with_job_file(wrong.text);
        CAPTURE(wrong.text);
        REQUIRE_FALSE(loaded.problems.empty());
        CAPTURE(loaded.problems.front());
        CHECK(mention(loaded.problems, wrong.expected));
    }
    CHECK(mention(load_settings(complete(), purpose::serve, "/nowhere.yaml").problems, "/nowhere.yaml"));
}

TEST_CASE("the schema that editors read has the keys that are read, and no others", "[worker][settings]") {
    std::ifstream file{TIDESYNC_JOB_FILE_SCHEMA};
    const auto schema = nlohmann::json::parse(file);
    const auto& job = schema.at("properties").at("jobs").at("properties").at("slave-to-prod");
    const auto& table = schema.at("$defs").at("table");
    struct level {
        const char* unknown; ///< a file with a key that nothing knows, in that place
        const nlohmann::json& object;
    };
    const level levels[] = {
        {"zz: 1\n", schema},
        {"jobs: {zz: 1}\n", schema.at("properties").at("jobs")},
        {"jobs: {slave-to-prod: {zz: 1}}\n", job},
        {"jobs: {slave-to-prod: {guards: {zz: 1}}}\n", job.at("properties").at("guards")},
        {"jobs: {slave-to-prod: {groups: {a: {zz: 1}}}}\n", schema.at("$defs").at("group")},
        {"jobs: {slave-to-prod: {tables: {a.b: {zz: 1}}}}\n", table},
        {"jobs: {slave-to-prod: {tables: {a.b: {guards: {zz: 1}}}}}\n", table.at("properties").at("guards")}};
    for (const auto& [unknown, object] : levels) {
        CAPTURE(unknown);
        std::string names;
        for (const auto& [name, value] : object.at("properties").items()) names += (names.empty() ? "" : ", ") + name;
        CHECK(object.at("additionalProperties") == false);
        CHECK(mention(with_job_file(unknown).problems, "has no key `zz`: expected " + names));
    }
}

TEST_CASE("the schema that editors read has the bounds and defaults that hold", "[worker][settings]") {
    std::ifstream file{TIDESYNC_JOB_FILE_SCHEMA};
    const auto schema = nlohmann::json::parse(file);
    const auto& job = schema.at("properties").at("jobs").at("properties").at("slave-to-prod").at("properties");
    const auto& shares = schema.at("$defs");
    const auto& guards = job.at("guards").at("properties");
    const settings defaults;
    struct bounded {
        std::string where; ///< of the number, with {} for it
        const nlohmann::json& schema;
        std::int64_t standard;
    };
    const auto of_job = [](const char* name) { return fmt::format("jobs: {{slave-to-prod: {{{}: {{}}}}}}\n", name); };
    const auto of_guards = [](const char* name) {
        return fmt::format("jobs: {{slave-to-prod: {{guards: {{{}: {{}}}}}}}}\n", name);
    };
    const bounded numbers[] = {
        {of_job("readers"), job.at("readers"), defaults.limits.readers},
        {of_job("statement_timeout_s"), job.at("statement_timeout_s"), defaults.limits.statement.count()},
        {of_job("lock_timeout_s"), job.at("lock_timeout_s"), defaults.limits.lock.count()},
        {of_job("run_time_limit_s"), job.at("run_time_limit_s"), defaults.run_time_limit.count()},
        {of_job("deadline_s"), job.at("deadline_s"), defaults.run_deadline.count()},
        {of_job("slot_every_s"), job.at("slot_every_s"), defaults.jobs.front().slot_every.count()},
        {of_job("grace_s"), job.at("grace_s"), defaults.jobs.front().grace.count()},
        {of_guards("source_age_max_s"), guards.at("source_age_max_s"), defaults.rules.source_age_max.count()},
        {of_guards("changed_percent_max"), shares.at("changed_percent_max"), defaults.rules.guards.changed_percent_max},
        {of_guards("deleted_percent_max"), shares.at("deleted_percent_max"), defaults.rules.guards.deleted_percent_max},
        {of_guards("rows_min"), shares.at("rows_min"), defaults.rules.guards.rows_min}};
    for (const auto& [where, property, standard] : numbers) {
        CAPTURE(where);
        const auto least = property.at("minimum").get<std::int64_t>();
        const auto most = property.at("maximum").get<std::int64_t>();
        const auto problems = [&](std::int64_t number) {
            auto text = where;
            return with_job_file(text.replace(text.find("{}"), 2, std::to_string(number))).problems;
        };
        CHECK(problems(least).empty());
        CHECK(problems(most).empty());
        CHECK_FALSE(problems(least - 1).empty());
        CHECK_FALSE(problems(most + 1).empty());
        CHECK(property.at("default") == standard);
    }
}
