#include "tests/faults/scenarios.hpp"
#include "tests/support/canned_server.hpp"
#include "tests/support/scheduler_process.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <latch>
#include <nlohmann/json.hpp>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// What fifty callers at once were told about one message.
struct crowd {
    std::mutex mutex;
    std::set<std::string> runs;
    std::vector<std::chrono::microseconds> attached; ///< how long an answer took that made no run
    std::vector<std::string> wrong;

    void call(const world& in, const serving::message& message, std::size_t which) {
        const auto patience = clock::now() + 30s;
        auto start = clock::now();
        const auto send = [&] {
            start = clock::now();
            return ask(in.port(which), "POST", sync_route, delivery_headers(message), message.body, 30s);
        };
        auto answer = send();
        // Three dry runs are under way: nothing is stored, and QStash would come again.
        while (answer && answer->status == 429 && clock::now() < patience) {
            std::this_thread::sleep_for(100ms);
            answer = send();
        }
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - start);
        const std::scoped_lock lock{mutex};
        if (!answer || (answer->status != 202 && answer->status != 200)) {
            wrong.push_back(fmt::format("message {} got {}", message.id, answer ? answer->body : "no answer"));
            return;
        }
        const auto document = nlohmann::json::parse(answer->body);
        runs.insert(document.value("run", ""));
        if (document.value("decision", "") != "created") attached.push_back(took);
    }
};

/// @param body  of every message
/// @returns how many runs the messages made
std::size_t send_crowds(
    const world& in, int ids, const std::string& prefix, const std::string& body, verdict& result,
    std::vector<std::chrono::microseconds>& attached) {
    constexpr int callers = 50;
    std::set<std::string> runs;
    for (int i = 0; i < ids; ++i) {
        crowd all;
        std::latch start{callers};
        std::vector<std::jthread> threads;
        for (int c = 0; c < callers; ++c)
            threads.emplace_back([&, c] {
                const serving::message message{
                    .id = fmt::format("{}_{}", prefix, i), .jti = fmt::format("{}_{}_{}", prefix, i, c), .body = body};
                start.arrive_and_wait();
                all.call(in, message, static_cast<std::size_t>(c));
            });
        threads.clear();
        result.tries += callers;
        ++result.messages;
        if (all.runs.size() != 1)
            result.violations.push_back(fmt::format("{}_{} belongs to {} runs", prefix, i, all.runs.size()));
        result.violations.insert(result.violations.end(), all.wrong.begin(), all.wrong.end());
        attached.insert(attached.end(), all.attached.begin(), all.attached.end());
        runs.insert(all.runs.begin(), all.runs.end());
        ++result.hits;
    }
    return runs.size();
}

} // namespace

verdict many_at_once(const dose& given) {
    const int ids = given.full ? 100 : 10;
    verdict result{.name = "many-at-once", .hits_wanted = 2 * ids};
    world in{{.seed = given.seed, .pooled = given.pooled, .settings = {{"TIDESYNC_DELIVERY_WAIT", "0"}}}};
    std::vector<std::chrono::microseconds> attached;
    // Of one job and `forbid`: what comes during a run belongs to it.
    const auto coalesced = send_crowds(in, ids, "msg", "{}", result, attached);
    // Dry runs wait for nobody, so that each message makes one.
    const auto separate = send_crowds(in, ids, "dry", R"({"dry_run": true})", result, attached);
    if (separate != static_cast<std::size_t>(ids))
        result.violations.push_back(fmt::format("{} messages made {} dry runs", ids, separate));
    std::ranges::sort(attached);
    const auto p99 = attached.empty() ? 0us : attached[attached.size() * 99 / 100];
    result.remark = fmt::format(
        "{} + {} runs, p99 of {} attached answers {:.0f} ms", coalesced, separate, attached.size(),
        static_cast<double>(p99.count()) / 1000);
    judge(in, result);
    return result;
}

verdict longer_than_the_delivery(const dose& given) {
    const auto job = given.full ? 60s : 8s;
    const auto timeout = given.full ? 30s : 4s;
    verdict result{.name = "longer-than-delivery", .hits_wanted = 1};
    const auto port = unused_port();
    const auto url = fmt::format("http://127.0.0.1:{}", port);
    world in{
        {.seed = given.seed,
         .pooled = given.pooled,
         .workers = 0,
         .settings = {
             {"TIDESYNC_LISTEN", fmt::format("127.0.0.1:{}", port)},
             {"TIDESYNC_PUBLIC_URL", url},
             {"TIDESYNC_DELIVERY_WAIT", std::to_string((timeout - 3s).count())}}}};
    in.databases.production.run(fmt::format(
        "CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN PERFORM pg_sleep({}); RETURN NULL; END $$; "
        "CREATE TRIGGER take_time AFTER INSERT ON detail FOR EACH STATEMENT EXECUTE FUNCTION take_time()",
        job.count()));
    in.start_worker();
    const database kept{database::on::production};
    const scheduler_process scheduler{kept};
    const auto published = scheduler.call(
        "POST", fmt::format("/v2/publish/{}{}", url, sync_route),
        {{"Content-Type", "application/json"}, {"Upstash-Timeout", fmt::format("{}s", timeout.count())}}, "{}");
    const auto message = nlohmann::json::parse(published.body).value("messageId", "");
    const auto until = clock::now() + job + 30s;
    const auto delivered = [&] {
        return kept.value(fmt::format("SELECT state FROM tidesync_qstash.message WHERE message_id = '{}'", message)) ==
               "delivered";
    };
    while (!delivered() && clock::now() < until) std::this_thread::sleep_for(50ms);
    if (!delivered()) result.violations.emplace_back("the message was not delivered");
    if (!in.await("SELECT string_agg(state, ',') FROM tidesync.run", "succeeded", job + 30s))
        result.violations.emplace_back("there is not one run that succeeded");
    const auto dead = nlohmann::json::parse(scheduler.call("GET", "/v2/dlq").body);
    if (!dead.at("messages").empty()) result.violations.push_back(fmt::format("the DLQ is not empty: {}", dead.dump()));
    if (in.databases.production.value(fmt::format(
            "SELECT bool_and(finished_at - started_at > interval '{} s') FROM tidesync.run", job.count() - 1)) == "t")
        ++result.hits;
    result.messages = 1;
    result.tries = std::stoi(in.databases.production.value("SELECT sum(deliveries) FROM tidesync.message"));
    result.remark = fmt::format("job {} s, timeout {} s, {} deliveries", job.count(), timeout.count(), result.tries);
    in.databases.production.run("DROP TRIGGER take_time ON detail");
    judge(in, result);
    return result;
}

} // namespace tidesync::tests
