#include "tests/catch.hpp"
#include "tests/support/http.hpp"
#include "worker/http_server.hpp"

#include <atomic>
#include <optional>
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
    http_server server{any_port, may_block(echo), {}};
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
        may_block([&](const http_request& request) {
            entered = true;
            std::this_thread::sleep_for(300ms);
            return echo(request);
        }),
        {}};
    int status = 0;
    std::jthread client{[&] { status = request(server.port(), "GET", "/").status; }};
    while (!entered) std::this_thread::sleep_for(1ms);
    server.drain(5s);
    client.join();
    CHECK(status == 200);
    CHECK_THROWS(raw_connection{server.port()});
}

TEST_CASE(
    "before it goes, a server ends its connections one by one and still takes new ones", "[worker][http][threads]") {
    http_server server{any_port, may_block(echo), {}};
    const std::string get = "GET /kept HTTP/1.1\r\nHost: a\r\n\r\n";
    raw_connection kept{server.port()};
    raw_connection idle{server.port()};
    for (auto* connection : {&kept, &idle}) {
        connection->send(get);
        CHECK_FALSE(connection->receive(5s).value_or(http_answer{}).headers.contains("connection"));
    }
    server.end_connections();
    kept.send(get);
    auto last = kept.receive(5s).value_or(http_answer{});
    CHECK(last.body == "GET /kept ");
    CHECK(last.headers["connection"] == "close");
    CHECK(request(server.port(), "GET", "/new").body == "GET /new ");

    std::atomic<bool> over = false;
    std::jthread draining{[&] {
        server.drain(10s);
        over = true;
    }};
    std::this_thread::sleep_for(300ms);
    CHECK_FALSE(over);
    idle.send(get); // in time
    CHECK(idle.receive(5s).value_or(http_answer{}).status == 200);
}

TEST_CASE("who sends the whole of a body that is too large can still read why it is refused", "[worker][http]") {
    http_server server{any_port, may_block(echo), {}};
    raw_connection eager{server.port()};
    CHECK(eager.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2200000\r\n\r\n" + std::string(2'200'000, 'x')));
    CHECK(eager.receive(5s).value_or(http_answer{}).status == 413);
}

TEST_CASE("a body that is still arriving is waited for", "[worker][http][threads]") {
    http_server server{any_port, may_block(echo), {}};
    raw_connection slow{server.port()};
    slow.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    std::this_thread::sleep_for(100ms);
    std::jthread draining{[&] { server.drain(10s); }};
    std::this_thread::sleep_for(1500ms); // longer than silence lasts
    slow.send("cd");
    CHECK(slow.receive(5s).value_or(http_answer{}).body == "POST /slow abcd");
}

TEST_CASE("a handler that throws is a 500 for its caller only", "[worker][http]") {
    http_server server{
        any_port,
        [](const http_request& request) -> http_step {
            if (request.target == "/bad") throw std::runtime_error{"a secret cause"};
            return http_work{[&request] {
                if (request.target == "/worse") throw std::runtime_error{"a secret cause"};
                return echo(request);
            }};
        },
        {}};
    for (const auto* target : {"/bad", "/worse"}) {
        const auto bad = request(server.port(), "GET", target);
        CHECK(bad.status == 500);
        CHECK(bad.body.find("a secret cause") == std::string::npos);
    }
    CHECK(request(server.port(), "GET", "/good").status == 200);
}

TEST_CASE("what needs no work is answered while every handler is busy", "[worker][http][threads]") {
    http_server::limits limits;
    limits.handlers = 1;
    std::atomic<bool> entered = false;
    std::atomic<bool> go_on = false;
    std::atomic<bool> left = false;
    http_server server{
        any_port,
        [&](const http_request& request) -> http_step {
            if (request.target == "/at-once") return echo(request);
            return http_work{[&] {
                entered = true;
                for (int i = 0; i < 1000 && !go_on; ++i) std::this_thread::sleep_for(10ms);
                left = true;
                return echo(request);
            }};
        },
        limits};
    std::jthread waiting{[&] { static_cast<void>(request(server.port(), "GET", "/work")); }};
    while (!entered) std::this_thread::sleep_for(1ms);
    CHECK(request(server.port(), "GET", "/at-once").body == "GET /at-once ");
    CHECK_FALSE(left);
    go_on = true;
}

TEST_CASE("an address in use is an error that names it", "[worker][http]") {
    const http_server first{any_port, may_block(echo), {}};
    const listen_address taken{"127.0.0.1", first.port()};
    CHECK_THROWS_WITH((http_server{taken, may_block(echo), {}}), containing(std::to_string(first.port())));
    const auto reason = [](const listen_address& where) -> std::optional<bool> {
        try {
            const http_server server{where, may_block(echo), {}};
        } catch (const cannot_listen& e) {
            return e.in_use;
        }
        return std::nullopt;
    };
    CHECK(reason(taken) == true);
    CHECK(reason({"192.0.2.1", 0}) == false); // for documentation: no machine has it
    CHECK_THROWS_WITH(
        (http_server{{"not an address", 0}, may_block(echo), {}}), containing("not an address is not an IP address"));
}

TEST_CASE("one path may be sent larger bodies, announced or in chunks, and only so many at once", "[worker][http]") {
    http_server::limits limits;
    limits.body_bytes_max = 1024;
    limits.larger = {.path = "/large", .bytes_max = 8192, .at_once_max = 2};
    http_server server{
        any_port, may_block([](const http_request& request) {
            http_response answer;
            answer.body = std::to_string(request.body.size());
            return answer;
        }),
        limits};
    const auto announced = [&](const std::string& target, std::size_t bytes) {
        return request(server.port(), "POST", target, {}, std::string(bytes, 'a'));
    };
    const auto chunked = [&](const std::string& target, std::size_t chunks) {
        raw_connection connection{server.port()};
        auto text = "POST " + target + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (std::size_t i = 0; i < chunks; ++i) text += "200\r\n" + std::string(0x200, 'a') + "\r\n";
        connection.send(text + "0\r\n\r\n");
        return connection.receive(10s).value_or(http_answer{});
    };
    CHECK(announced("/large", 8192).body == "8192");
    CHECK(announced("/large?a=b", 8192).body == "8192");
    CHECK(announced("/large", 8193).status == 413);
    CHECK(announced("/", 1024).body == "1024");
    CHECK(announced("/", 1025).status == 413);
    CHECK(announced("/largest", 1025).status == 413);
    CHECK(chunked("/large", 16).body == "8192");
    CHECK(chunked("/large", 17).status == 413);
    CHECK(chunked("/", 2).body == "1024");
    CHECK(chunked("/", 3).status == 413);

    {
        raw_connection first{server.port()};
        raw_connection second{server.port()};
        for (auto* slow : {&first, &second})
            slow->send("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 8192\r\n\r\nhalf");
        const auto until = std::chrono::steady_clock::now() + 5s;
        int status = 0;
        while (status != 503 && std::chrono::steady_clock::now() < until) status = announced("/large", 8192).status;
        CHECK(status == 503);
        CHECK(announced("/large", 8192).body.find("\"too_busy\"") != std::string::npos);
        CHECK(announced("/large", 1024).status == 200); // as small as any other
        CHECK(announced("/", 1024).status == 200);
    }
    const auto until = std::chrono::steady_clock::now() + 5s;
    int status = 0;
    while (status != 200 && std::chrono::steady_clock::now() < until) status = announced("/large", 8192).status;
    CHECK(status == 200);
}
