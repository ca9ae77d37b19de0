#include "tests/catch.hpp"
#include "tests/worker/environment.hpp"
#include "worker/settings.hpp"

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
    grace_s: 900
    tables:
      public.orders: {key: [tenant, number]}
)");
    CHECK(loaded.problems.empty());
    CHECK(loaded.values.rules.include == std::vector<std::string>{"public.*", "geo.country"});
    CHECK(loaded.values.rules.exclude == std::vector<std::string>{"public.audit_*"});
    CHECK(loaded.values.rules.fail_on_drift);
    CHECK(loaded.values.rules.keys.at("public.orders") == std::vector<std::string>{"tenant", "number"});
    CHECK(loaded.values.limits.statement == 60s);
    CHECK(loaded.values.job.grace == 900s);
}

TEST_CASE("an empty job file means the defaults", "[worker][settings]") {
    CHECK(with_job_file("").problems.empty());
    CHECK(with_job_file("jobs:\n").problems.empty());
    CHECK(with_job_file("jobs:\n  slave-to-prod:\n").problems.empty());
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
