#include "tests/catch.hpp"
#include "tests/support/canned_server.hpp"
#include "tests/support/destination.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/serving.hpp"

#include <csignal>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

constexpr const char* secret_text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A run of the job dies: production has no table for what the slave has.
struct fixture {
    pair_of_databases databases;
    variables environment = worker_environment(databases);

    fixture() {
        databases.run_on_both("CREATE TABLE item (id int)"); // no key
    }

    [[nodiscard]] variables telling(const std::string& url) const {
        auto with = environment;
        with["TIDESYNC_ALARM_URL"] = url;
        with["TIDESYNC_ALARM_SECRET"] = secret_text;
        return with;
    }
    [[nodiscard]] std::string sent() const {
        return databases.production.value("SELECT count(*) FROM tidesync.alarm WHERE sent_at IS NOT NULL");
    }
};

template <typename Condition>
bool eventually(Condition condition, std::chrono::seconds patience = 20s) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(50ms);
    }
    return true;
}

/// As OpenSSL alone makes it.
std::string signature_of(const std::string& content) {
    std::string key(32, '\0');
    const std::string text = std::string{secret_text}.substr(6);
    const auto size = EVP_DecodeBlock(
        reinterpret_cast<unsigned char*>(key.data()), reinterpret_cast<const unsigned char*>(text.data()),
        static_cast<int>(text.size()));
    REQUIRE(size == 24);
    std::array<unsigned char, 32> code{};
    unsigned length = 0;
    HMAC(
        EVP_sha256(), key.data(), size, reinterpret_cast<const unsigned char*>(content.data()), content.size(),
        code.data(), &length);
    std::string encoded(64, '\0');
    encoded.resize(static_cast<std::size_t>(
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()), code.data(), static_cast<int>(length))));
    return "v1," + encoded;
}

} // namespace

TEST_CASE("of a run that died in a process which tells nobody a worker tells", "[worker][commands][alarm]") {
    const fixture f;
    CHECK(run_tidesync({"run", "slave-to-prod"}, f.environment).status == 3);
    const destination hook;
    const auto before = std::time(nullptr);
    serving worker{f.telling(hook.url("/hook/canary-in-the-path"))};
    REQUIRE(hook.await(1));
    const auto request = hook.requests().front();
    const std::string id{request.header("webhook-id")};
    const std::string timestamp{request.header("webhook-timestamp")};
    CHECK(request.header("webhook-signature") == signature_of(id + '.' + timestamp + '.' + request.body));
    CHECK(std::abs(std::stol(timestamp) - before) < 60);
    const auto body = nlohmann::json::parse(request.body);
    CHECK(body.at("type") == "run.dead");
    CHECK(body.at("data").at("job") == "slave-to-prod");
    CHECK(body.at("data").at("actor").get<std::string>().starts_with("cli "));
    CHECK(body.at("data").at("error").at("code") == "plan_refused");
    CHECK(body.at("data").at("error").at("hint").get<std::string>().find("tidesync check") != std::string::npos);
    REQUIRE(eventually([&] { return f.sent() == "1"; }));
    REQUIRE(eventually([&] {
        const auto found = read_metrics(tidesync::tests::request(worker.port(), "GET", "/metrics").body);
        return found.at("worker_alarm_tries_total{outcome=\"sent\"}") == 1 && found.at("worker_alarms_waiting") == 0 &&
               found.contains("worker_loop_last_tick_timestamp_seconds{loop=\"alarm\"}");
    }));
    CHECK(worker.logs("alarm sent"));
    CHECK(worker.worker().err().find("canary") == std::string::npos);
    CHECK(worker.worker().err().find("whsec") == std::string::npos);
    std::this_thread::sleep_for(3s); // a look and a half
    CHECK(hook.requests().size() == 1);
}

TEST_CASE("a worker that is killed while the receiver hangs leaves the alarm to another", "[worker][delivery][alarm]") {
    const fixture f;
    const canned_server hook{{{{}, canned_answer::then::stall}, answer(200)}};
    {
        serving worker{f.telling(hook.url())};
        CHECK(worker.as_person("POST", sync_route).status == 500);
        REQUIRE(eventually([&] { return hook.requests().size() == 1; }));
        worker.worker().signal(SIGKILL);
        worker.worker().wait(10s);
    }
    serving another{f.telling(hook.url())};
    REQUIRE(eventually([&] { return f.sent() == "1"; }, 40s)); // the claim of the first has to run out
    const auto requests = hook.requests();
    REQUIRE(requests.size() == 2);
    CHECK(body_of(requests[0]) == body_of(requests[1]));
}

TEST_CASE(
    "a command that is all there is tells of its run itself, and does not wait for long", "[worker][commands][alarm]") {
    const fixture f;
    const destination hook;
    CHECK(run_tidesync({"run", "slave-to-prod"}, f.telling(hook.url())).status == 3);
    CHECK(hook.requests().size() == 1);
    CHECK(f.sent() == "1");

    const auto ended = run_tidesync({"run", "slave-to-prod", "--json"}, f.telling("http://127.0.0.1:1/canary"));
    CHECK(ended.status == 3);
    CHECK(nlohmann::json::parse(ended.out).at("error").at("code") == "plan_refused");
    CHECK(ended.err.find("alarm not sent") != std::string::npos);
    CHECK(ended.err.find("canary") == std::string::npos);
    CHECK(f.sent() == "1");
}
