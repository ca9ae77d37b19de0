#include "tests/support/canned_server.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <chrono>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace tidesync::tests {
namespace {

constexpr int look_up_after_ms = 20; // how often a wait looks whether the test is over
constexpr std::chrono::seconds patience{30};
constexpr int drips_max = 30'000;
constexpr std::size_t repeated_bytes_max = std::size_t{64} * 1024 * 1024;

/// @returns a socket bound to a free port of 127.0.0.1
int bound_socket(std::uint16_t& port) {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address); // the sockets API wants it
    if (made < 0 || ::bind(made, generic, length) != 0 || ::getsockname(made, generic, &length) != 0)
        throw std::runtime_error{"no free port"};
    port = ntohs(address.sin_port);
    return made;
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// @returns how long the request is as a whole, as far as its headers tell; 0 while they are not complete
std::size_t whole_size(const std::string& request) {
    const auto end = request.find("\r\n\r\n");
    if (end == std::string::npos) return 0;
    const auto head = lower(request.substr(0, end));
    const auto at = head.find("\r\ncontent-length: ");
    return end + 4 + (at == std::string::npos ? 0 : std::stoul(head.substr(at + 18)));
}

} // namespace

canned_answer answer(int status, std::string_view body, std::string_view headers) {
    return {fmt::format("HTTP/1.1 {} Canned\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), headers, body)};
}

canned_answer json_answer(int status, std::string_view body) {
    return answer(status, body, "Content-Type: application/json\r\n");
}

canned_server::canned_server(std::vector<canned_answer> script)
    : script_{std::move(script)}
    , listener_{bound_socket(port_)} {
    if (::listen(listener_, 16) != 0) throw std::runtime_error{"cannot listen"};
    thread_ = std::thread{[this] { serve(); }};
}

canned_server::~canned_server() {
    stopping_ = true;
    thread_.join();
    ::close(listener_);
}

std::string canned_server::url() const { return fmt::format("http://127.0.0.1:{}", port_); }

std::vector<std::string> canned_server::requests() const {
    const std::scoped_lock guard{lock_};
    return requests_;
}

void canned_server::serve() {
    for (std::size_t next = 0; wait_for(listener_, POLLIN); ++next) {
        const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) return;
        serve_one(socket, next < script_.size() ? script_[next] : canned_answer{});
        ::close(socket);
    }
}

void canned_server::serve_one(int socket, const canned_answer& planned) {
    auto request = receive(socket);
    {
        const std::scoped_lock guard{lock_};
        requests_.push_back(std::move(request));
    }
    if (!send(socket, planned.bytes)) return;
    if (planned.afterwards == canned_answer::then::repeat)
        for (std::size_t sent = 0; sent < repeated_bytes_max; sent += planned.again.size())
            if (planned.again.empty() || !send(socket, planned.again)) return;
    if (planned.afterwards == canned_answer::then::drip)
        for (int i = 0; i < drips_max && !stopping_; ++i) {
            if (!send(socket, planned.again)) return;
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }

    // The client closes first where it can: bytes of a closed socket that were not read yet may be lost on their way.
    if (planned.afterwards == canned_answer::then::close) ::shutdown(socket, SHUT_WR);
    std::array<char, 4096> ignored{};
    const auto until = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < until && wait_for(socket, POLLIN))
        if (::recv(socket, ignored.data(), ignored.size(), 0) <= 0) return;
}

std::string canned_server::receive(int socket) const {
    std::string request;
    while (wait_for(socket, POLLIN)) {
        std::array<char, 8192> bytes{};
        const auto count = ::recv(socket, bytes.data(), bytes.size(), 0);
        if (count <= 0) return request;
        request.append(bytes.data(), static_cast<std::size_t>(count));
        const auto whole = whole_size(request);
        if (whole > 0 && request.size() >= whole) return request;
    }
    return request;
}

bool canned_server::send(int socket, std::string_view bytes) const {
    while (!bytes.empty()) {
        if (!wait_for(socket, POLLOUT)) return false;
        const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool canned_server::wait_for(int socket, short events) const {
    while (!stopping_) {
        pollfd ready{.fd = socket, .events = events, .revents = 0};
        if (::poll(&ready, 1, look_up_after_ms) != 0) return true;
    }
    return false;
}

std::uint16_t unused_port() {
    std::uint16_t port = 0;
    ::close(bound_socket(port));
    return port;
}

std::string request_line(const std::string& request) { return request.substr(0, request.find("\r\n")); }

std::vector<std::string> header_lines(const std::string& request) {
    std::vector<std::string> lines;
    const auto end = request.find("\r\n\r\n");
    for (auto at = request.find("\r\n"); at < end;) {
        at += 2;
        const auto line_end = request.find("\r\n", at);
        const auto line = request.substr(at, line_end - at);
        const auto colon = line.find(':');
        lines.push_back(lower(line.substr(0, colon)) + line.substr(colon));
        at = line_end;
    }
    std::ranges::sort(lines);
    return lines;
}

std::string body_of(const std::string& request) { return request.substr(request.find("\r\n\r\n") + 4); }

} // namespace tidesync::tests
