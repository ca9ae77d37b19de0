#include "tests/catch.hpp"
#include "tests/support/http.hpp"
#include "worker/http_server.hpp"

#include <atomic>
#include <thread>

using namespace tidesync::tests;
using namespace tidesync::worker;
using namespace std::chrono_literals;

namespace {

const listen_address any_port{"127.0.0.1", 0};

http_response echo(const http_request& request) {
    http_response answer;
    answer.body = request.method + ' ' + request.target + ' ' + request.body;
    return answer;
}

} // namespace

TEST_CASE("requests from many clients at once all get their own answer", "[worker][http][threads]") {
    http_server server{any_port, echo, {}};
    std::atomic<int> right = 0;
    {
        std::vector<std::jthread> clients;
        for (int client = 0; client < 8; ++client)
            clients.emplace_back([&, client] {
                for (int i = 0; i < 25; ++i) {
                    const auto body = std::to_string(client) + '/' + std::to_string(i);
                    right += request(server.port(), "POST", "/a?b=c", {}, body).body == "POST /a?b=c " + body ? 1 : 0;
                }
            });
    }
    CHECK(right == 200);
}

TEST_CASE("draining lets requests that are under way finish and takes no more", "[worker][http][threads]") {
    std::atomic<bool> entered = false;
    http_server server{
        any_port,
        [&](const http_request& request) {
            entered = true;
            std::this_thread::sleep_for(300ms);
            return echo(request);
        },
        {}};
    int status = 0;
    std::jthread client{[&] { status = request(server.port(), "GET", "/").status; }};
    while (!entered) std::this_thread::sleep_for(1ms);
    server.drain(5s);
    client.join();
    CHECK(status == 200);
    CHECK_THROWS(raw_connection{server.port()});
}

TEST_CASE("a handler that throws is a 500 for its caller only", "[worker][http]") {
    http_server server{
        any_port,
        [](const http_request& request) -> http_response {
            if (request.target == "/bad") throw std::runtime_error{"a secret cause"};
            return echo(request);
        },
        {}};
    const auto bad = request(server.port(), "GET", "/bad");
    CHECK(bad.status == 500);
    CHECK(bad.body.find("a secret cause") == std::string::npos);
    CHECK(request(server.port(), "GET", "/good").status == 200);
}

TEST_CASE("an address in use is an error that names it", "[worker][http]") {
    const http_server first{any_port, echo, {}};
    const listen_address taken{"127.0.0.1", first.port()};
    CHECK_THROWS_WITH((http_server{taken, echo, {}}), containing(std::to_string(first.port())));
    CHECK_THROWS_WITH((http_server{{"not an address", 0}, echo, {}}), containing("TIDESYNC_LISTEN"));
}
