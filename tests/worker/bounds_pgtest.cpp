#include "tests/catch.hpp"
#include "tests/support/serving.hpp"

#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;

namespace {

struct fixture {
    pair_of_databases databases;
    serving worker{worker_environment(databases)};
};

/// Sends bytes as they are and returns the answer; status 0 when the peer closed without one.
http_answer raw(const serving& worker, std::string_view bytes, std::chrono::milliseconds patience = 20s) {
    raw_connection connection{worker.port()};
    connection.send(bytes);
    const auto answer = connection.receive(patience);
    REQUIRE(answer);
    return *answer;
}

std::string error_code(const http_answer& answer) {
    return nlohmann::json::parse(answer.body).at("error").at("code").get<std::string>();
}

} // namespace

TEST_CASE("unknown routes and wrong methods are JSON errors", "[worker][bounds]") {
    const fixture f;
    const auto unknown = request(f.worker.port(), "GET", "/api/unknown");
    CHECK(unknown.status == 404);
    CHECK(error_code(unknown) == "not_found");
    const auto wrong = request(f.worker.port(), "DELETE", sync_route);
    CHECK(wrong.status == 405);
    CHECK(wrong.headers.at("allow") == "POST, GET");
    CHECK(error_code(wrong) == "method_not_allowed");
    CHECK(request(f.worker.port(), "POST", "/livez").headers.at("allow") == "GET");
    CHECK(request(f.worker.port(), "GET", "/livez").status == 200);
    CHECK(request(f.worker.port(), "GET", "/readyz").status == 200);
    CHECK(unknown.headers.at("content-type") == "application/json");
}

TEST_CASE("a body over 64 KiB is refused, announced or in chunks", "[worker][bounds]") {
    const fixture f;
    const auto announced =
        raw(f.worker, fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", sync_route));
    CHECK(announced.status == 413);
    CHECK(error_code(announced) == "too_large");
    auto chunked = fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", sync_route);
    for (int i = 0; i < 5; ++i) chunked += "4000\r\n" + std::string(0x4000, 'a') + "\r\n";
    CHECK(raw(f.worker, chunked + "0\r\n\r\n").status == 413);
    const auto largest = f.worker.as_person("POST", sync_route, std::string(64UL * 1024, ' '));
    CHECK(largest.status == 500); // accepted and run; there is no table to sync
    CHECK(error_code(largest) == "plan_refused");
}

TEST_CASE("headers over 8 KiB or 64 fields are refused", "[worker][bounds]") {
    const fixture f;
    CHECK(
        raw(f.worker, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(9000, 'a') + "\r\n\r\n").status ==
        431);
    std::string many = "GET /livez HTTP/1.1\r\n";
    for (int i = 0; i < 65; ++i) many += fmt::format("X-{}: a\r\n", i);
    CHECK(raw(f.worker, many + "\r\n").status == 431);
    CHECK(raw(f.worker, "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n").status == 431);
}

TEST_CASE("what is not clean HTTP is refused and the connection closed", "[worker][bounds]") {
    const fixture f;
    const std::string cases[] = {
        "rubbish\r\n\r\n",
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + "\r\n\r\n",
        "GET http://example.com/livez HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
        std::string("GET /livez HTTP/1.1\r\nHost: a\0b\r\n\r\n", 34)};
    for (const auto& bytes : cases) {
        CAPTURE(bytes);
        const auto answer = raw(f.worker, bytes);
        CHECK((answer.status == 400 || answer.status == 0));
    }
    CHECK(request(f.worker.port(), "GET", "/livez").status == 200);
}

TEST_CASE("slow clients are cut off and keep nobody waiting", "[worker][bounds]") {
    const fixture f;
    const auto start = std::chrono::steady_clock::now();
    raw_connection slow_header{f.worker.port()};
    slow_header.send("GET /livez HTTP/1.1\r\nHo");
    raw_connection slow_body{f.worker.port()};
    slow_body.send(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", sync_route));
    raw_connection idle{f.worker.port()};
    idle.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(idle.receive(5s)->status == 200);

    CHECK(request(f.worker.port(), "GET", "/livez").status == 200);
    const auto after = [&] { return std::chrono::steady_clock::now() - start; };
    CHECK(slow_header.receive(20s)->status == 0);
    CHECK(after() < 8s);
    CHECK(slow_body.receive(20s)->status == 0);
    CHECK(after() < 14s);
    CHECK(idle.receive(20s)->status == 0);
    CHECK(after() < 20s);
}

TEST_CASE(
    "while the run store hangs, the worker is seen to live and turns the uninvited away at once", "[worker][bounds]") {
    const fixture f;
    pqxx::connection holder{f.databases.production.url()};
    pqxx::work holding{holder};
    holding.exec("LOCK TABLE tidesync.run IN ACCESS EXCLUSIVE MODE");
    std::vector<std::unique_ptr<raw_connection>> waiting; // each takes a thread that may block, for the lock's 2 s
    for (int i = 0; i < 40; ++i) {
        waiting.push_back(std::make_unique<raw_connection>(f.worker.port()));
        waiting.back()->send(
            fmt::format("GET /api/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", admin_token));
    }
    std::this_thread::sleep_for(300ms);
    const auto start = std::chrono::steady_clock::now();
    CHECK(request(f.worker.port(), "GET", "/livez").status == 200);
    CHECK(request(f.worker.port(), "POST", sync_route).status == 401);
    CHECK(request(f.worker.port(), "GET", "/nothing").status == 404);
    CHECK(std::chrono::steady_clock::now() - start < 1s);
    CHECK_FALSE(waiting.front()->receive(1ms)); // it was really held up
    CHECK(waiting.front()->receive(10s)->status == 503);
    holding.abort();
    CHECK(waiting.back()->receive(20s)->status != 0);
}

TEST_CASE("more connections than the limit are closed, and room comes back", "[worker][bounds]") {
    const fixture f;
    std::vector<std::unique_ptr<raw_connection>> crowd;
    for (int i = 0; i < 600; ++i) crowd.push_back(std::make_unique<raw_connection>(f.worker.port()));
    const auto turned_away = crowd.back()->receive(10s);
    REQUIRE(turned_away);
    CHECK(turned_away->status == 0);
    crowd.clear();
    const auto until = std::chrono::steady_clock::now() + 10s;
    int status = 0;
    while (status != 200 && std::chrono::steady_clock::now() < until)
        status = request(f.worker.port(), "GET", "/livez").status;
    CHECK(status == 200);
}

TEST_CASE("a connection serves several requests, and pipelined ones in order", "[worker][bounds]") {
    const fixture f;
    raw_connection connection{f.worker.port()};
    for (int i = 0; i < 3; ++i) {
        connection.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(connection.receive(5s)->status == 200);
    }
    connection.send("POST /livez HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    CHECK(connection.receive(1s) == std::nullopt); // 100 Continue has no length: not an answer yet
    connection.send("{}");
}
