#include "tests/catch.hpp"
#include "worker/pings.hpp"

#include "tests/support/canned_server.hpp"

#include <atomic>
#include <map>
#include <thread>

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

constexpr pings::rhythm quick{.answer_limit = 400ms, .pause = 10ms};
const jobs::report empty_report;
const std::optional<jobs::failure> no_failure;
const std::optional<jobs::failure> a_failure{{jobs::failure_code::data_refused, "refused\nby a check", "look"}};

struct counter final : run_observer {
    std::map<std::string, int, std::less<>> outcomes;
    std::mutex mutex;
    void pinged(std::string_view outcome) override {
        const std::scoped_lock lock{mutex};
        ++outcomes[std::string{outcome}];
    }
};

void end(
    pings& to, const claimed_run& run, const char* state, const std::optional<jobs::failure>& failure = no_failure) {
    to.attempt_ended(
        {.claim = run,
         .how = run_end::kind::succeeded,
         .state = state == nullptr ? std::nullopt : std::optional<std::string>{state},
         .report = empty_report,
         .failure = failure,
         .took = 1s});
}

std::vector<std::string> lines_of(const canned_server& server) {
    std::vector<std::string> lines;
    for (const auto& request : server.requests()) lines.push_back(request_line(request));
    return lines;
}

} // namespace

TEST_CASE("a run pings when it starts, and when it has ended well or dead", "[worker][ping][threads]") {
    const canned_server hook{std::vector<canned_answer>(5, answer(200, "OK"))};
    counter counts;
    pings to{secret{hook.url() + "/abc"}, "j", {&counts}, quick};
    const claimed_run good{.run_id = "run-1", .job = "j"};
    to.run_started(good);
    end(to, good, "succeeded");
    const claimed_run bad{.run_id = "run-2", .job = "j"};
    to.run_started(bad);
    end(to, bad, "retry_wait", a_failure); // it goes on
    const claimed_run again{.run_id = "run-2", .job = "j", .attempt = 2, .since_start = 5s};
    to.run_started(again);              // it has started already
    end(to, again, nullptr, a_failure); // somebody else's now
    end(to, again, "dead", a_failure);
    const claimed_run dry{.run_id = "run-3", .job = "j", .dry_run = true};
    to.run_started(dry);
    end(to, dry, "succeeded");
    end(to, dry, "dead", a_failure);
    end(to, good, "cancelled", a_failure);
    const claimed_run other{.run_id = "run-7", .job = "another"};
    to.run_started(other);
    end(to, other, "succeeded");
    end(to, other, "dead", a_failure);
    to.run_expired({.run_id = "run-8", .job = "another", .state = "dead"});
    to.run_rescued({.run_id = "run-4", .job = "j", .state = "retry_wait"});
    to.run_rescued({.run_id = "run-5", .job = "j", .state = "dead", .dry_run = true});
    to.run_expired(
        {.run_id = "run-6", .job = "j", .state = "dead", .error_code = "deadline", .error_message = "too late"});
    to.finish(10s);
    CHECK(
        lines_of(hook) == std::vector<std::string>{
                              "GET /abc/start?rid=run-1 HTTP/1.1", "GET /abc?rid=run-1 HTTP/1.1",
                              "GET /abc/start?rid=run-2 HTTP/1.1", "POST /abc/fail?rid=run-2 HTTP/1.1",
                              "POST /abc/fail?rid=run-6 HTTP/1.1"});
    CHECK(body_of(hook.requests().at(3)) == "data_refused: refused?by a check");
    CHECK(body_of(hook.requests().at(4)) == "deadline: too late");
    CHECK(counts.outcomes == decltype(counts.outcomes){{"sent", 5}});
}

TEST_CASE("a ping is tried three times, and then it is the next one's turn", "[worker][ping][threads]") {
    const canned_server hook{
        {answer(500), {}, answer(200), answer(404), answer(301, "", "Location: /x\r\n"), answer(503), answer(200)}};
    counter counts;
    pings to{secret{hook.url()}, "j", {&counts}, quick};
    for (const auto* id : {"one", "two", "three"}) to.run_started({.run_id = id, .job = "j"});
    to.finish(10s);
    const auto lines = lines_of(hook);
    REQUIRE(lines.size() == 7);
    for (int i = 0; i < 3; ++i) CHECK(lines.at(static_cast<std::size_t>(i)) == "GET /start?rid=one HTTP/1.1");
    for (int i = 3; i < 6; ++i) CHECK(lines.at(static_cast<std::size_t>(i)) == "GET /start?rid=two HTTP/1.1");
    CHECK(lines.at(6) == "GET /start?rid=three HTTP/1.1");
    CHECK(counts.outcomes == decltype(counts.outcomes){{"failed", 1}, {"sent", 2}});
}

TEST_CASE("runs do not wait for a receiver that hangs, and only so many pings wait", "[worker][ping][threads]") {
    const canned_server hook{{{{}, canned_answer::then::stall}}};
    counter counts;
    const auto before = std::chrono::steady_clock::now();
    {
        pings to{secret{hook.url()}, "j", {&counts}, quick};
        for (int i = 0; i < 150; ++i) to.run_started({.run_id = std::to_string(i), .job = "j"});
        CHECK(std::chrono::steady_clock::now() - before < 300ms);
        to.finish(50ms);
    } // drops what waits
    CHECK(std::chrono::steady_clock::now() - before < 3s);
    CHECK(counts.outcomes.at("dropped") == 50);
    CHECK(counts.outcomes.at("failed") == 1);
}
