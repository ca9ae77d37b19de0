#include "tests/catch.hpp"
#include "worker/doctor_findings.hpp"
#include "worker/schedule_actions.hpp"
#include "worker/schedule_order.hpp"

#include <fmt/format.h>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

settings configured() {
    settings values;
    values.public_url = "https://sync.example.com/tides";
    values.jobs.push_back({.name = "slave-to-prod-logs"});
    return values;
}

qstash::schedule_request request_of(const schedule_order& order, const settings& config = configured()) {
    const auto built = request_for(order, config);
    const auto* wrong = std::get_if<bad_order>(&built);
    INFO((wrong != nullptr ? wrong->message : std::string{}));
    REQUIRE(wrong == nullptr);
    return std::get<qstash::schedule_request>(built);
}

/// What is wrong and what to do, as one text; empty when nothing is wrong.
std::string refusal_of(const schedule_order& order, const settings& config = configured()) {
    const auto built = request_for(order, config);
    const auto* wrong = std::get_if<bad_order>(&built);
    return wrong == nullptr ? std::string{} : wrong->message + " | " + wrong->hint;
}

schedule_action action_of(const std::string& body) {
    const auto parsed = parse_action(body);
    REQUIRE(std::holds_alternative<schedule_action>(parsed));
    return std::get<schedule_action>(parsed);
}

/// A schedule as it stands at QStash after `create` without options.
qstash::schedule placed() {
    const auto request = request_of({});
    qstash::schedule schedule;
    schedule.schedule_id = request.schedule_id;
    schedule.cron = request.cron;
    schedule.destination = request.message.destination;
    schedule.method = "POST";
    schedule.headers = {{"Content-Type", {"application/json"}}};
    schedule.body = request.message.body;
    schedule.retries = request.message.retries;
    schedule.timeout = request.message.timeout;
    schedule.failure_callback = request.message.failure_callback;
    return schedule;
}

} // namespace

TEST_CASE("a schedule without options calls the main job every six hours", "[worker][schedule]") {
    const auto request = request_of({});
    CHECK(request.schedule_id == "tidesync-slave-to-prod");
    CHECK(request.cron == "0 */6 * * *");
    CHECK(request.message.destination == "https://sync.example.com/tides/api/background/sync/slave-to-prod");
    CHECK(request.message.method == "POST");
    CHECK(request.message.content_type == "application/json");
    CHECK(request.message.body == "{}");
    CHECK(request.message.retries == 2);
    CHECK(request.message.timeout == 30s);
    CHECK(request.message.failure_callback == "https://sync.example.com/tides/api/qstash/failure");
    CHECK(request.message.failure_callback_retries == 5);
}

TEST_CASE("every choice about a schedule reaches QStash", "[worker][schedule]") {
    schedule_order order;
    order.job = "slave-to-prod-logs";
    order.schedule_id = "night.images_1";
    order.cron = "  15 4 * * 1 ";
    order.timezone = "Europe/Berlin";
    order.retries = 0;
    order.timeout = 28s;
    order.parameters = R"({"dry_run":true})";
    const auto request = request_of(order);
    CHECK(request.schedule_id == "night.images_1");
    CHECK(request.cron == "CRON_TZ=Europe/Berlin 15 4 * * 1");
    CHECK(request.message.destination == "https://sync.example.com/tides/api/jobs/slave-to-prod-logs/runs");
    CHECK(request.message.retries == 0);
    CHECK(request.message.timeout == 28s);
    CHECK(request.message.body == R"({"dry_run":true})");
    order.schedule_id.reset();
    CHECK(request_of(order).schedule_id == "tidesync-slave-to-prod-logs");
    order.timezone.clear();
    order.cron = "CRON_TZ=Asia/Tokyo 0 4 * * *";
    CHECK(request_of(order).cron == "CRON_TZ=Asia/Tokyo 0 4 * * *");
}

TEST_CASE("a schedule ticks at the slots of its job unless somebody says otherwise", "[worker][schedule]") {
    struct row {
        std::chrono::seconds every;
        std::optional<std::string> expected;
    };
    const row rows[] = {{60s, "* * * * *"}, {300s, "*/5 * * * *"},
                        {1h, "0 * * * *"},  {6h, "0 */6 * * *"},
                        {24h, "0 0 * * *"}, {168h, "0 0 * * 4"},
                        {90s, {}},          {45min, {}},
                        {5h, {}},           {48h, {}},
                        {90min, {}}};
    const std::chrono::sys_seconds now{1'790'000'000s};
    for (const auto& row : rows) {
        CAPTURE(row.every.count());
        const auto cron = default_cron(row.every);
        CHECK(cron == row.expected);
        if (cron) CHECK(judge_ticks(*cron, row.every, now).how == check::state::ok);
    }
    auto config = configured();
    config.jobs.back().slot_every = 1h;
    CHECK(request_of({.job = "slave-to-prod-logs"}, config).cron == "0 * * * *");
    config.jobs.back().slot_every = 7h;
    CHECK_THAT(refusal_of({.job = "slave-to-prod-logs"}, config), containing("slots of slave-to-prod-logs, 25200 s"));
}

TEST_CASE("an order that cannot work is refused before QStash hears of it", "[worker][schedule]") {
    struct wrong {
        schedule_order order;
        const char* expected;
    };
    const wrong cases[] = {
        {{.job = "unknown"}, "no job unknown | the jobs are: slave-to-prod, slave-to-prod-logs"},
        {{.schedule_id = "a/b"}, "`a/b`"},
        {{.schedule_id = ".."}, "`..`"},
        {{.schedule_id = ""}, "leave it out for tidesync-slave-to-prod"},
        {{.schedule_id = std::string(129, 'a')}, "128"},
        {{.cron = "0 */6 * *"}, "five fields"},
        {{.cron = ""}, "five fields"},
        {{.cron = "0 */6 * * *\r\nUpstash-Forward-X: 1"}, "printable"},
        {{.cron = std::string(300, '*')}, "too long"},
        {{.cron = "CRON_TZ=Asia/Tokyo 0 4 * * *", .timezone = "Europe/Berlin"}, "time zone"},
        {{.timezone = "Nowhere/Atall"}, "there is no time zone Nowhere/Atall | "},
        {{.timezone = "UTC 0 0"}, "blank"},
        {{.retries = -1}, "-1 retries are too few: 0 to 100"},
        {{.retries = 101}, "101 retries are too many: 0 to 100"},
        {{.timeout = 13h}, "at most 43200 (12 h)"},
        {{.timeout = -1s}, "28 s or more"},
        {{.parameters = "[]"}, "JSON object"},
        {{.parameters = R"({"dryrun":true})"}, "`dryrun` is not known; the job takes dry_run (true or false)"},
        {{.parameters = R"({"dry_run":"yes"})"}, "`dry_run` is neither true nor false"},
        {{.parameters = std::string(20'000, ' ')}, "too long"}};
    for (const auto& wrong : cases) {
        CAPTURE(wrong.expected, wrong.order.cron.value_or("none"), wrong.order.schedule_id);
        CHECK_THAT(refusal_of(wrong.order), containing(wrong.expected));
    }
}

TEST_CASE("a delivery is never given less time than the worker waits and 3 s", "[worker][schedule]") {
    auto config = configured();
    CHECK(refusal_of({.timeout = 28s}).empty());
    const auto refused = refusal_of({.timeout = 27s});
    CHECK_THAT(refused, containing("28 s or more"));
    CHECK_THAT(refused, containing("TIDESYNC_DELIVERY_WAIT to 24 or less"));
    config.delivery_wait = 60s;
    CHECK_FALSE(refusal_of({.timeout = 62s}, config).empty());
    CHECK(refusal_of({.timeout = 63s}, config).empty());
    CHECK(request_of({}, config).message.timeout == 63s); // what nobody chose follows the wait
    config.delivery_wait = 0s;
    CHECK(request_of({}, config).message.timeout == 30s);
    CHECK(refusal_of({.timeout = 2s}, config).find("TIDESYNC_DELIVERY_WAIT to") == std::string::npos);
}

TEST_CASE("a schedule that is right needs no correction", "[worker][schedule]") {
    CHECK_FALSE(correction_of(placed(), configured(), "slave-to-prod"));
    auto chosen = placed();
    chosen.cron = "CRON_TZ=Asia/Tokyo 0 4 * * *";
    chosen.retries = 7;
    chosen.timeout = 120s;
    chosen.body = R"({"dry_run": true})";
    chosen.paused = true;
    CHECK_FALSE(correction_of(chosen, configured(), "slave-to-prod"));
}

TEST_CASE("a correction changes what is wrong and keeps what a person chose", "[worker][schedule]") {
    auto moved = placed();
    moved.cron = "0 3 * * *";
    moved.retries = 7;
    moved.destination = "https://old.example.com/api/background/sync/slave-to-prod";
    moved.method = "GET";
    moved.failure_callback.clear();
    moved.body = "not json";
    moved.timeout = 10s;
    const auto corrected = correction_of(moved, configured(), "slave-to-prod");
    REQUIRE(corrected);
    CHECK(corrected->request.schedule_id == "tidesync-slave-to-prod");
    CHECK(corrected->request.cron == "0 3 * * *");
    const auto& message = corrected->request.message;
    CHECK(message.retries == 7);
    CHECK(message.destination == request_of({}).message.destination);
    CHECK(message.method == "POST");
    CHECK(message.failure_callback == request_of({}).message.failure_callback);
    CHECK(message.failure_callback_retries == 5); // QStash does not tell them
    CHECK(message.body == "{}");
    CHECK(message.timeout == 30s);
    const std::string destination = "destination https://sync.example.com/tides/api/background/sync/slave-to-prod, was "
                                    "https://old.example.com/api/background/sync/slave-to-prod";
    CHECK(
        corrected->changes == std::vector<std::string>{
                                  destination, "method POST, was GET",
                                  "failure callback https://sync.example.com/tides/api/qstash/failure, was not set",
                                  "body {}, was not json", "timeout 30s, was 10s"});
}

TEST_CASE("a timeout that QStash does not tell is no reason to replace a schedule", "[worker][schedule]") {
    auto silent = placed();
    silent.timeout.reset();
    silent.retries.reset();
    CHECK_FALSE(correction_of(silent, configured(), "slave-to-prod"));
    silent.method = "GET";
    const auto corrected = correction_of(silent, configured(), "slave-to-prod");
    REQUIRE(corrected);
    CHECK(corrected->request.message.timeout == 30s);
    CHECK(corrected->request.message.retries == 2);
    CHECK(corrected->changes == std::vector<std::string>{"method POST, was GET"});
}

TEST_CASE("a schedule that calls another server is told from one of ours", "[worker][schedule]") {
    auto schedule = placed();
    for (const auto* ours :
         {"https://sync.example.com/old", "https://SYNC.example.com:443/api?a=1", "HTTPS://sync.example.com"}) {
        CAPTURE(ours);
        schedule.destination = ours;
        CHECK_FALSE(calls_elsewhere(schedule, configured()));
    }
    for (const auto* other :
         {"https://old.example.com/tides", "http://sync.example.com/tides", "https://sync.example.com:8443/tides",
          "https://sync.example.com.evil.example/", "a-url-group", ""}) {
        CAPTURE(other);
        schedule.destination = other;
        CHECK(calls_elsewhere(schedule, configured()));
    }
}

TEST_CASE("the route's body names an action and only what belongs to it", "[worker][schedule]") {
    using verb = schedule_action::verb;
    const auto create = action_of(
        R"({"action":"create","scheduleId":"s","cron":"0 1 * * *","timezone":"Asia/Tokyo","retries":5,"timeout":45,)"
        R"("job":"slave-to-prod-logs","parameters":{"dry_run":true}})");
    CHECK(create.what == verb::create);
    CHECK(create.order.schedule_id == "s");
    CHECK(create.order.cron == "0 1 * * *");
    CHECK(create.order.timezone == "Asia/Tokyo");
    CHECK(create.order.retries == 5);
    CHECK(create.order.timeout == 45s);
    CHECK(create.order.job == "slave-to-prod-logs");
    CHECK(create.order.parameters == R"({"dry_run":true})");
    for (const auto& [word, what] :
         {std::pair{"delete", verb::remove}, std::pair{"pause", verb::pause}, std::pair{"resume", verb::resume},
          std::pair{"trigger-manual", verb::trigger}}) {
        const auto action = action_of(fmt::format(R"({{"action":"{}","scheduleId":"scd_1"}})", word));
        CHECK(action.what == what);
        CHECK(to_string(action.what) == word);
        CHECK(action.order.schedule_id == "scd_1");
    }
    CHECK_FALSE(action_of(R"({"action":"pause"})").order.schedule_id);
}

TEST_CASE("a body that is no known action is refused with a hint", "[worker][schedule]") {
    for (const auto* body :
         {"", "{}", "[]", "{", R"({"action":1})", R"({"action":"remove"})", R"({"action":"pause","cron":"0 0 * * *"})",
          R"({"action":"create","chron":"0 0 * * *"})", R"({"action":"create","retries":"3"})",
          R"({"action":"create","retries":1.5})", R"({"action":"create","timeout":"30s"})",
          R"({"action":"create","parameters":"{}"})", R"({"action":"create","cron":null})",
          R"({"action":"delete","scheduleId":""})", R"({"action":"delete","scheduleId":7})"}) {
        CAPTURE(body);
        const auto parsed = parse_action(body);
        REQUIRE(std::holds_alternative<bad_order>(parsed));
        CHECK_FALSE(std::get<bad_order>(parsed).message.empty());
        CHECK_THAT(std::get<bad_order>(parsed).hint, containing("create"));
    }
}

TEST_CASE("a refusal names what is wrong, and its example is JSON", "[worker][schedule]") {
    const auto refusal = [](const char* body) { return std::get<bad_order>(parse_action(body)); };
    CHECK(refusal(R"({"action":"explode"})").message == "there is no action `explode`");
    CHECK(refusal(R"({"action":"create","chron":"x"})").message == "create does not know `chron`");
    CHECK(refusal(R"({"action":"pause","cron":"x"})").message == "pause does not know `cron`");
    CHECK(refusal(R"({"action":"create","retries":"3"})").message == "`retries` has to be a whole number");
    CHECK(refusal(R"({"action":"create","parameters":"{}"})").message == "`parameters` has to be a JSON object");
    for (const auto* body : {R"({"action":"delete","scheduleId":""})", R"({"action":"create","scheduleId":7})"})
        CHECK(refusal(body).message == "scheduleId is empty or not text: leave it out for tidesync-slave-to-prod");
    const auto hint = refusal("{}").hint;
    const auto example = hint.substr(hint.find('{'), hint.find('}') + 1 - hint.find('{'));
    CHECK(action_of(example).what == schedule_action::verb::pause);
}

TEST_CASE("a number that fits nowhere is out of range, not another number", "[worker][schedule]") {
    // 2^32 + 2 would be 2 after a careless cast.
    for (const auto* number : {"4294967298", "-4294967294", "18446744073709551615"}) {
        const auto action = action_of(fmt::format(R"({{"action":"create","retries":{}}})", number));
        CAPTURE(number, action.order.retries);
        CHECK_FALSE(refusal_of(action.order).empty());
    }
}
