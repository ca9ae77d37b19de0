// Two replicas are replaced, one after the other, while deliveries come in all the time and a run takes longer than all
// of it. The worker, pre-stop and SIGTERM are real; what a cluster does around them is played here, in its order: a new
// pod is ready, is let in, the old one is taken out with a delay, while its preStop hook waits, and then gets SIGTERM.
#include "tests/catch.hpp"
#include "tests/support/serving.hpp"

#include <atomic>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

/// The pods behind an address. Whoever opens a connection gets one of them and keeps it, as with kube-proxy.
class service {
public:
    void let_in(std::uint16_t port) {
        const std::scoped_lock lock{mutex_};
        ports_.push_back(port);
    }
    void take_out(std::uint16_t port) {
        const std::scoped_lock lock{mutex_};
        std::erase(ports_, port);
    }
    [[nodiscard]] std::uint16_t next() {
        const std::scoped_lock lock{mutex_};
        return ports_.at(turn_++ % ports_.size());
    }

private:
    std::mutex mutex_;
    std::vector<std::uint16_t> ports_;
    std::size_t turn_ = 0;
};

/// Sends one delivery after the other, each with an id of its own and none of them twice.
class sender {
public:
    /// @param keeps  its connection, for as long as the peer lets it, as proxies in front of a Service do
    sender(service& to, int number, bool keeps)
        : to_{to}
        , number_{number}
        , keeps_{keeps} {}

    void send(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            const auto answer = send_one();
            ++sent_;
            if (answer.status / 100 != 2)
                failed_.push_back(
                    fmt::format("delivery {} of sender {}: {} {}", sent_, number_, answer.status, answer.body));
            std::this_thread::sleep_for(5ms);
        }
    }

    [[nodiscard]] int sent() const { return sent_; }
    [[nodiscard]] const std::vector<std::string>& failed() const { return failed_; }

private:
    http_answer send_one() {
        const auto id = fmt::format("{}_{}", number_, sent_);
        const serving::message message{.id = "msg_" + id, .jti = "jwt_" + id};
        try {
            if (!connection_) connection_.emplace(to_.next());
            auto text = fmt::format("POST {} HTTP/1.1\r\nHost: sync.example.com\r\n", sync_route);
            if (!keeps_) text += "Connection: close\r\n";
            for (const auto& [name, value] : delivery_headers(message)) text += fmt::format("{}: {}\r\n", name, value);
            connection_->send(fmt::format("{}Content-Length: {}\r\n\r\n{}", text, message.body.size(), message.body));
            auto answer = connection_->receive(40s).value_or(http_answer{});
            const auto said = answer.headers.find("connection");
            if (!keeps_ || answer.status == 0 || (said != answer.headers.end() && said->second == "close"))
                connection_.reset();
            return answer;
        } catch (const std::runtime_error& e) {
            connection_.reset();
            return {.status = 0, .headers = {}, .body = e.what()};
        }
    }

    service& to_;
    int number_;
    bool keeps_;
    std::optional<raw_connection> connection_;
    int sent_ = 0;
    std::vector<std::string> failed_;
};

struct rollout {
    std::chrono::milliseconds taken_out_after = 800ms; ///< how long a cluster goes on sending to a pod that has to go
    std::string pre_stop_s = "2";
};

/// Replaces a pod: maxSurge 1, maxUnavailable 0. @returns how the old one ended
int replace(std::unique_ptr<serving>& pod, service& in, const variables& environment, const rollout& how) {
    auto fresh = std::make_unique<serving>(environment);
    const auto until = clock_type::now() + 20s;
    while (request(fresh->port(), "GET", "/readyz").status != 200) REQUIRE(clock_type::now() < until);
    in.let_in(fresh->port());
    const auto old = pod->port();
    std::jthread endpoints{[&] {
        std::this_thread::sleep_for(how.taken_out_after);
        in.take_out(old);
    }};
    if (!how.pre_stop_s.empty())
        REQUIRE(run_tidesync({"pre-stop", "--sleep", how.pre_stop_s}, environment).status == 0);
    pod->worker().signal(SIGTERM);
    const auto ended = pod->worker().wait(30s);
    endpoints.join();
    pod = std::move(fresh);
    return ended.value_or(-1);
}

} // namespace

TEST_CASE("a rolling update of two replicas loses no delivery and makes no second run", "[worker][drain][rolling]") {
    pair_of_databases databases;
    databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
    databases.slave.run("INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 10) i");
    databases.production.run("INSERT INTO item VALUES (1, 'old')");
    auto environment = worker_environment(databases);
    environment["TIDESYNC_DRAIN_LIMIT"] = "1"; // the run takes longer than a worker may: it goes from hand to hand
    const auto value = [&](std::string_view sql) { return databases.production.value(sql); };

    pqxx::connection application{databases.production.url()};
    pqxx::work row{application};
    row.exec("UPDATE item SET name = 'held' WHERE id = 1"); // the run ends when this does

    service address;
    std::vector<std::unique_ptr<serving>> pods;
    for (int i = 0; i < 2; ++i) {
        pods.push_back(std::make_unique<serving>(environment));
        address.let_in(pods.back()->port());
    }
    std::vector<std::unique_ptr<sender>> senders;
    for (int i = 0; i < 4; ++i) senders.push_back(std::make_unique<sender>(address, i, i % 2 == 0));
    {
        std::vector<std::jthread> threads;
        for (const auto& one : senders) threads.emplace_back([&](const std::stop_token& stop) { one->send(stop); });
        std::this_thread::sleep_for(500ms);
        for (auto& pod : pods) CHECK(replace(pod, address, environment, {}) == 0);
        std::this_thread::sleep_for(500ms);
    }
    int sent = 0;
    for (const auto& one : senders) {
        CHECK(one->failed() == std::vector<std::string>{});
        CHECK(one->sent() > 0); // whoever made the run waits for it until that worker goes
        sent += one->sent();
    }
    CHECK(sent > 200);
    CHECK(value("SELECT count(*) FROM tidesync.run WHERE finished_at IS NULL") == "1"); // still the first one
    row.abort();
    const auto until = clock_type::now() + 20s;
    while (value("SELECT string_agg(state, ',') FROM tidesync.run") != "succeeded") REQUIRE(clock_type::now() < until);
    CHECK(value("SELECT count(*) FROM tidesync.message") == std::to_string(sent));
    CHECK(value("SELECT count(*) FROM tidesync.applied") == "1");
    CHECK(value("SELECT count(*) FROM item WHERE name = 'n' || id") == "10");
    CHECK(value("SELECT count(*) > 0 FROM tidesync.attempt WHERE outcome = 'released'") == "t"); // it did change hands
    CHECK(value("SELECT count(*) FROM tidesync.attempt WHERE outcome NOT IN ('released', 'succeeded')") == "0");
}

TEST_CASE("without pre-stop the same update does lose deliveries", "[worker][drain][rolling]") {
    pair_of_databases databases;
    databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, name text)");
    const auto environment = worker_environment(databases);
    service address;
    std::vector<std::unique_ptr<serving>> pods;
    pods.push_back(std::make_unique<serving>(environment));
    address.let_in(pods.back()->port());
    sender one{address, 1, false};
    {
        std::jthread thread{[&](const std::stop_token& stop) { one.send(stop); }};
        std::this_thread::sleep_for(200ms);
        CHECK(replace(pods.front(), address, environment, {.taken_out_after = 3s, .pre_stop_s = ""}) == 0);
    }
    CHECK_FALSE(one.failed().empty());
}
