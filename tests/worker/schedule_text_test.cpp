#include "tests/catch.hpp"
#include "worker/schedule_text.hpp"
#include "worker/schedules.hpp"

#include <nlohmann/json.hpp>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::sys_seconds now{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21} + 5h + 59min + 1s};

qstash::schedule schedule_named(const std::string& id) {
    qstash::schedule schedule;
    schedule.schedule_id = id;
    schedule.cron = "0 */6 * * *";
    schedule.destination = "https://sync.example.com/api";
    schedule.method = "POST";
    return schedule;
}

} // namespace

TEST_CASE("schedules read as a table with their next tick", "[worker][schedule]") {
    auto told = schedule_named("told");
    told.next_tick = now + 1h;
    auto paused = schedule_named("paused-one");
    paused.paused = true;
    paused.next_tick = now + 1h;
    auto failing = schedule_named("failing");
    failing.last_states = {{"msg_1", "SUCCESS"}, {"msg_2", "FAIL"}};
    CHECK(
        schedules_table({told, paused, failing}, now) ==
        "  schedule     cron          destination                    next tick UTC      state\n"
        "  -----------------------------------------------------------------------------------------------------\n"
        "  told         0 */6 * * *   https://sync.example.com/api   2026-11-21 06:59   active\n"
        "  paused-one   0 */6 * * *   https://sync.example.com/api   -                  paused\n"
        "  failing      0 */6 * * *   https://sync.example.com/api   2026-11-21 06:00   active, last tick failed\n");
    CHECK_THAT(schedules_table({}, now), containing("no schedules yet"));
}

TEST_CASE("what others wrote into a schedule does not steer the terminal", "[worker][schedule]") {
    auto schedule = schedule_named("a\x1b[2Jb");
    schedule.error = "line\nline";
    schedule.body = "\x1b]0;title\x07";
    CHECK(schedules_table({schedule}, now).find('\x1b') == std::string::npos);
    CHECK_THAT(schedules_table({schedule}, now), containing("line?line"));
    CHECK(schedule_details(schedule, now).find('\x1b') == std::string::npos);
}

TEST_CASE("a cron expression that only QStash can read has no next tick here", "[worker][schedule]") {
    auto schedule = schedule_named("odd");
    schedule.cron = "from another age";
    CHECK_FALSE(next_tick(schedule, now));
    CHECK_THAT(schedules_table({schedule}, now), containing("from another age"));
}

TEST_CASE("a schedule's document holds what it does and none of its headers", "[worker][schedule]") {
    auto schedule = schedule_named("tidesync-slave-to-prod");
    schedule.headers = {{"Authorization", {"Bearer hunter2secret"}}};
    schedule.body = "{}";
    schedule.retries = 2;
    schedule.timeout = 30s;
    schedule.created_at = now - 24h;
    schedule.last_tick = qstash::milliseconds_since_epoch{std::chrono::milliseconds::max()};
    const auto document = schedule_document(schedule, now);
    CHECK(document.at("scheduleId") == "tidesync-slave-to-prod");
    CHECK(document.at("retries") == 2);
    CHECK(document.at("timeout") == 30);
    CHECK(document.at("paused") == false);
    CHECK(document.at("createdAt") == "2026-11-20T05:59:01.000Z");
    CHECK(document.at("nextTick") == "2026-11-21T06:00:00.000Z");
    CHECK(document.at("lastTick").is_null()); // beyond what a clock can say
    CHECK(document.dump().find("hunter2secret") == std::string::npos);
    CHECK_THAT(schedule_details(schedule, now), containing("30s"));
}

TEST_CASE("a line of QStash's log is bounded and does not steer the terminal", "[worker][schedule]") {
    qstash::log_entry entry;
    entry.state = "ERROR";
    entry.response_status = 401;
    entry.error = "no\x1b[2J";
    CHECK(log_line(entry) == "ERROR HTTP 401 no?[2J");
    entry.error = "a\xc2\x9b"
                  "2Jb\xff"
                  "ö";
    CHECK(log_line(entry) == "ERROR HTTP 401 a?2Jb?ö");
    entry.response_status = 0;
    for (const auto* before : {"", "x"}) { // 300 bytes end within a letter in one of the two
        entry.error = before;
        for (int i = 0; i < 1000; ++i) entry.error += "ö";
        const auto line = log_line(entry);
        CHECK(line.size() <= 300);
        CHECK(line.size() >= 299);
        CHECK(line.ends_with("ö"));
    }
}
