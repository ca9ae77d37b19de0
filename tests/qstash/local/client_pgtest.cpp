// Our client against our scheduler: both sides are real, and only HTTP lies between them.
#include "tests/catch.hpp"
#include "tests/support/destination.hpp"
#include "tests/support/scheduler_process.hpp"

#include "qstash/client.hpp"

#include <algorithm>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

qstash::client_settings settings_for(const scheduler_process& scheduler, std::string token = scheduler_process::token) {
    qstash::client_settings settings;
    settings.url = scheduler.url();
    settings.token = std::move(token);
    settings.total_limit = 10s;
    return settings;
}

template <typename Condition>
bool comes_true(Condition&& condition) {
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(20ms);
    }
    return true;
}

} // namespace

TEST_CASE("a schedule comes back from the scheduler as the client made it", "[qstash][local][client]") {
    const database kept{database::on::production};
    const scheduler_process scheduler{kept};
    qstash::client client{settings_for(scheduler)};
    qstash::schedule_request wanted;
    wanted.schedule_id = "nightly.1-a_b";
    wanted.cron = "CRON_TZ=Europe/Berlin 0 4 * * *";
    wanted.message.destination = "http://localhost:1/job//a?x=1&y=%20b";
    wanted.message.method = "PUT";
    wanted.message.body = "{\"na\xC3\xAFve\":true}";
    wanted.message.forward = {{"X-Mine", "1"}};
    wanted.message.retries = 2;
    wanted.message.timeout = 90s;
    wanted.message.delay = 30s;
    wanted.message.retry_delay = "pow(2, retried) * 1000";
    wanted.message.callback = "http://localhost:1/told";
    wanted.message.failure_callback = "http://localhost:1/failed";
    wanted.message.labels = {"a", "b"};
    CHECK(client.create_schedule(wanted) == wanted.schedule_id);
    CHECK(client.create_schedule(wanted) == wanted.schedule_id);
    REQUIRE(client.list_schedules().size() == 1);
    auto made = client.get_schedule(wanted.schedule_id);
    CHECK(made.cron == wanted.cron);
    CHECK(made.destination == wanted.message.destination);
    CHECK(made.method == "PUT");
    CHECK(made.body == wanted.message.body);
    CHECK(made.headers.at("X-Mine") == std::vector<std::string>{"1"});
    CHECK(made.headers.at("Content-Type") == std::vector<std::string>{"application/json"});
    CHECK(made.retries == 2);
    CHECK(made.timeout == 90s);
    CHECK(made.delay == 30s);
    CHECK(made.retry_delay == wanted.message.retry_delay);
    CHECK(made.callback == wanted.message.callback);
    CHECK(made.failure_callback == wanted.message.failure_callback);
    CHECK(made.labels == wanted.message.labels);
    CHECK_FALSE(made.paused);
    CHECK(made.next_tick);
    CHECK(made.caller_ip == "127.0.0.1");
    client.pause_schedule(wanted.schedule_id);
    CHECK(client.get_schedule(wanted.schedule_id).paused);
    client.resume_schedule(wanted.schedule_id);
    CHECK_FALSE(client.get_schedule(wanted.schedule_id).paused);
    client.delete_schedule(wanted.schedule_id);
    CHECK(client.list_schedules().empty());
    CHECK_THROWS_AS(client.get_schedule(wanted.schedule_id), qstash::not_found);
    CHECK_THROWS_AS(client.pause_schedule(wanted.schedule_id), qstash::not_found);
}

TEST_CASE("the client follows a message from publish to the dead letter queue and back", "[qstash][local][client]") {
    std::atomic<bool> well{false};
    destination there{[&](const auto&, int) {
        worker::http_response answer;
        answer.status = well ? 200 : 500;
        answer.body = "what it said";
        return answer;
    }};
    const database kept{database::on::production};
    const scheduler_process scheduler{kept};
    qstash::client client{settings_for(scheduler)};
    qstash::message_request message;
    message.destination = there.url();
    message.retries = 0;
    message.body = "{}";
    const auto published = client.publish(message, "only-once");
    CHECK_FALSE(published.deduplicated);
    const auto again = client.publish(message, "only-once");
    CHECK(again.deduplicated);
    CHECK(again.message_id == published.message_id);
    REQUIRE(comes_true([&] { return !client.list_dlq().empty(); }));
    const auto letters = client.list_dlq();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].message_id == published.message_id);
    CHECK(letters[0].url == there.url());
    CHECK(letters[0].response_status == 500);
    CHECK(letters[0].response_body == "what it said");
    const auto log = client.list_logs(published.message_id);
    REQUIRE(log.size() == 4);
    CHECK(log.front().state == "FAILED"); // newest first
    CHECK(log.back().state == "CREATED");
    const auto error = std::ranges::find(log, std::string{"ERROR"}, &qstash::log_entry::state);
    REQUIRE(error != log.end());
    CHECK(error->response_status == 500);
    well = true;
    const auto anew = client.retry_dlq(letters[0].dlq_id);
    CHECK(anew != published.message_id);
    CHECK(comes_true([&] { return client.list_logs(anew).front().state == "DELIVERED"; }));
    CHECK(client.list_dlq().empty());
    CHECK_THROWS_AS(client.retry_dlq(letters[0].dlq_id), qstash::not_found);
}

TEST_CASE("keys, a wrong token and a refused call come to the client as what they are", "[qstash][local][client]") {
    const database kept{database::on::production};
    const scheduler_process scheduler{kept};
    qstash::client client{settings_for(scheduler)};
    const auto keys = client.get_keys();
    CHECK(keys.current == scheduler_environment(kept).at("QSTASH_CURRENT_SIGNING_KEY"));
    CHECK(keys.next == scheduler_environment(kept).at("QSTASH_NEXT_SIGNING_KEY"));
    qstash::client stranger{settings_for(scheduler, "a-token-that-nobody-gave-out")};
    CHECK_THROWS_AS(stranger.list_schedules(), qstash::unauthorized);
    qstash::message_request message;
    message.destination = "http://169.254.169.254/latest";
    CHECK_THROWS_WITH(client.publish(message), containing("169.254.169.254"));
}
