#include "tests/catch.hpp"
#include "tests/support/destination.hpp"
#include "tests/support/scheduler_process.hpp"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

TEST_CASE("kill -9 of the local scheduler at any moment loses no message that it had taken", "[faults][kill][qstash]") {
    constexpr int kills = 12;
    const auto seed = 20261121U;
    CAPTURE(seed);
    std::mt19937 random{seed};
    std::uniform_int_distribution<int> any_moment{1, 400};

    // Fails now and then, so that retries are under way as well when the process dies.
    destination there{[](const auto& request, int nth) {
        tidesync::worker::http_response answer;
        answer.status = nth % 5 == 0 && request.header("upstash-retried") == "0" ? 503 : 200;
        return answer;
    }};
    const database kept{database::on::production};
    std::set<std::string> taken;
    int asked = 0;
    int unanswered = 0;
    for (int i = 0; i < kills; ++i) {
        scheduler_process scheduler{kept};
        const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{any_moment(random)};
        std::atomic<bool> dead{false};
        std::jthread killer{[&] {
            std::this_thread::sleep_until(until);
            scheduler.process().signal(SIGKILL);
            dead = true;
        }};
        while (!dead) {
            ++asked;
            try {
                const auto answer = scheduler.call(
                    "POST", "/v2/publish/" + there.url(), {{"Upstash-Retry-Delay", "100"}, {"Upstash-Retries", "20"}});
                if (answer.status == 200)
                    taken.insert(nlohmann::json::parse(answer.body).at("messageId").get<std::string>());
            } catch (const std::exception&) {
                ++unanswered; // killed under the request: nobody was told that it was taken
            }
        }
        CHECK(scheduler.process().wait(10s) == 128 + SIGKILL);
    }
    CAPTURE(asked, unanswered);
    REQUIRE(taken.size() > 50); // a test that publishes nothing would prove nothing
    REQUIRE(asked > static_cast<int>(taken.size()));
    // What time does to a lease.
    kept.run("UPDATE tidesync_qstash.message SET due_at = now() WHERE state = 'active'");
    const scheduler_process scheduler{kept};
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (kept.value("SELECT count(*) FROM tidesync_qstash.message WHERE state <> 'delivered'") != "0" &&
           std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(50ms);
    CHECK(kept.value("SELECT count(*) FROM tidesync_qstash.message WHERE state <> 'delivered'") == "0");
    std::set<std::string> came;
    for (const auto& request : there.requests()) came.emplace(request.header("upstash-message-id"));
    std::vector<std::string> lost;
    std::ranges::set_difference(taken, came, std::back_inserter(lost));
    CHECK(lost.empty());
}
