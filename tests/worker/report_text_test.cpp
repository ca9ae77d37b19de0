#include "tests/catch.hpp"
#include "worker/report_text.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync;
using namespace tidesync::worker;

TEST_CASE("a report reads as an aligned table, in any alphabet", "[worker][report]") {
    jobs::report report;
    report.tables.push_back(
        {.name = "public.orders",
         .total = 1234567,
         .inserted = 12,
         .updated = 3,
         .unchanged = 1234552,
         .took = std::chrono::milliseconds{1500}});
    report.tables.push_back({.name = "public.größe", .total = 2, .unchanged = 2});
    CHECK(
        sync_table(report) == "  table                rows   inserted   updated   unchanged     time\n"
                              "  -------------------------------------------------------------------\n"
                              "  public.orders   1,234,567         12         3   1,234,552   1.50 s\n"
                              "  public.größe            2          0         0           2   0.00 s\n"
                              "  -------------------------------------------------------------------\n"
                              "  all             1,234,569         12         3   1,234,554   1.50 s\n");
}

TEST_CASE("a report tells how each table was brought, where it knows", "[worker][report]") {
    jobs::report report;
    report.tables.push_back({.name = "a", .strategy = "rows", .total = 2, .inserted = 1, .unchanged = 1});
    report.tables.push_back({.name = "b", .strategy = "equal", .total = 2, .unchanged = 2});
    CHECK(
        sync_table(report) == "  table   rows   inserted   updated   unchanged     time   strategy\n"
                              "  -----------------------------------------------------------------\n"
                              "  a          2          1         0           1   0.00 s       rows\n"
                              "  b          2          0         0           2   0.00 s      equal\n"
                              "  -----------------------------------------------------------------\n"
                              "  all        4          1         0           3   0.00 s\n");
}

TEST_CASE("deleted rows have a column of their own where there are any", "[worker][report][deletes]") {
    jobs::report report;
    report.tables.push_back({.name = "a", .total = 8, .inserted = 1, .updated = 2, .unchanged = 5, .deleted = 1234});
    report.tables.push_back({.name = "b", .total = 2, .unchanged = 2});
    CHECK(
        sync_table(report) == "  table   rows   inserted   updated   deleted   unchanged     time\n"
                              "  ----------------------------------------------------------------\n"
                              "  a          8          1         2     1,234           5   0.00 s\n"
                              "  b          2          0         0         0           2   0.00 s\n"
                              "  ----------------------------------------------------------------\n"
                              "  all       10          1         2     1,234           7   0.00 s\n");
    report.tables = {{.name = "a", .total = 8, .deleted = 3, .missing = 1, .different = 2, .extra = 4}};
    CHECK(
        check_table(report) == "  table   rows on slave   missing   different   only in production   to delete\n"
                               "  ----------------------------------------------------------------------------\n"
                               "  a                   8         1           2                    4           3\n"
                               "  ----------------------------------------------------------------------------\n"
                               "  all                 8         1           2                    4           3\n");
}

TEST_CASE("a report names its source where that is a standby", "[worker][report]") {
    jobs::report report;
    report.source = {.standby = true, .replay_age = std::chrono::seconds{3}};
    CHECK(sync_table(report).starts_with("  source: a standby, 3 s behind\n  table "));
    CHECK(check_table(report).starts_with("  source: a standby, 3 s behind\n  table "));
    report.source->replay_age = std::chrono::seconds{12345};
    CHECK(sync_table(report).starts_with("  source: a standby, 12,345 s behind\n"));
    report.source->replay_age.reset();
    CHECK(sync_table(report).starts_with("  source: a standby, how far behind it cannot tell\n"));
    report.source->standby = false;
    CHECK(sync_table(report).starts_with("  table "));
    report.source.reset();
    CHECK(check_table(report).starts_with("  table "));
}

TEST_CASE("an empty history says so", "[worker][report]") { CHECK(runs_table({}) == "  no runs yet\n"); }

TEST_CASE("a run whose worker fell silent is shown as lost", "[worker][report]") {
    run_view run;
    run.run_id = "5f1e9927-a798-46ae-9ff7-c72350e28889";
    run.state = "running";
    run.alive = false;
    CHECK(runs_table({run}).find("lost") != std::string::npos);
    run.alive = true;
    CHECK(runs_table({run}).find("lost") == std::string::npos);
}

TEST_CASE("the history marks dry runs and names the messages that asked for a run", "[worker][report]") {
    run_view run;
    run.run_id = "5f1e9927-a798-46ae-9ff7-c72350e28889";
    run.job = "slave-to-prod";
    run.state = "succeeded";
    CHECK(runs_table({run}).find("dry run") == std::string::npos);
    run.dry_run = true;
    run.messages = {"msg_26hZCxZCuWyyTWPmSVBrNC1RADwpgWxP"};
    CHECK(runs_table({run}).find("slave-to-prod (dry run)") != std::string::npos);
    CHECK(runs_table({run}).find(" msg_26hZCxZCuWyy ") != std::string::npos);
    run.messages.emplace_back("msg_2");
    CHECK(runs_table({run}).find(" msg_26hZCxZCuWyy +1 ") != std::string::npos);
}

TEST_CASE("an alarm without an answer says so, and a long id of a message is cut", "[worker][report]") {
    delivery_alarm alarm;
    alarm.source_message_id = "msg_26hZCxZCuWyyTWPmSVBrNC1RADwpgWxP";
    alarm.status = 0;
    CHECK(alarms_table({alarm}).find("no answer") != std::string::npos);
    CHECK(alarms_table({alarm}).find(" msg_26hZCxZCuWyy ") != std::string::npos);
}

TEST_CASE("messages that QStash gave up stand below the history, with what they were answered", "[worker][report]") {
    CHECK(alarms_table({}).empty());
    const delivery_alarm known{
        .source_message_id = "msg_1",
        .received_at = "2026-11-21T06:00:02.000Z",
        .schedule_id = "scd_1",
        .url = "https://sync.example.com",
        .method = "POST",
        .status = 503,
        .retried = 3,
        .max_retries = 3,
        .dlq_id = "1-0",
        .response = "no",
        .run_id = "5f1e9927"};
    delivery_alarm bare;
    bare.source_message_id = "msg_2";
    bare.received_at = "2026-11-21T05:00:02.000Z";
    CHECK(
        alarms_table({known, bare}) ==
        "\n  messages that QStash gave up, and what the last try was answered\n\n"
        "  received (UTC)             message   schedule   status   tries   dead letter   run\n"
        "  ---------------------------------------------------------------------------------------\n"
        "  2026-11-21T06:00:02.000Z   msg_1     scd_1      503      4       1-0           5f1e9927\n"
        "  2026-11-21T05:00:02.000Z   msg_2     -          -        -       -             -\n"
        "  msg_1: no\n");
}
