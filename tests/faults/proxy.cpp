#include "tests/faults/proxy.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace tidesync::tests {

namespace {

using clock = std::chrono::steady_clock;

/// A simple query with nothing but COMMIT, as the protocol writes it.
constexpr std::string_view commit_message{
    "Q\0\0\0\x0b"
    "COMMIT\0",
    12};
constexpr std::size_t waiting_max = 64; // pieces; beyond, the sender waits
constexpr std::size_t tail_bytes_max = 256;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// The peer gets a reset instead of a polite end.
void close_hard(int& socket) {
    if (socket < 0) return;
    const linger none{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    ::close(socket);
    socket = -1;
}

void make_quick(int socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK); // NOLINT(hicpp-signed-bitwise): POSIX
}

} // namespace

proxy::proxy(std::vector<std::uint16_t> upstreams)
    : upstreams_{std::move(upstreams)}
    , listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    auto address = loopback(0);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address); // NOLINT(*-reinterpret-cast): POSIX
    if (listener_ < 0 || ::bind(listener_, raw, size) != 0 || ::listen(listener_, 128) != 0 ||
        ::getsockname(listener_, raw, &size) != 0)
        throw std::runtime_error{"the proxy cannot listen on 127.0.0.1"};
    make_quick(listener_);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread{[this](const std::stop_token& stop) { work(stop); }};
}

proxy::~proxy() {
    thread_.request_stop();
    thread_.join();
    for (auto& each : pairs_) reset(each);
    ::close(listener_);
}

void proxy::cut() {
    const std::scoped_lock lock{mutex_};
    for (auto& each : pairs_) each.broken = true;
}

void proxy::refuse() {
    cut();
    const std::scoped_lock lock{mutex_};
    refusing_ = true;
}

void proxy::black_hole() {
    const std::scoped_lock lock{mutex_};
    black_ = true;
}

void proxy::delay(std::chrono::milliseconds time) {
    const std::scoped_lock lock{mutex_};
    delay_ = time;
}

void proxy::heal() {
    const std::scoped_lock lock{mutex_};
    if (black_) // what was swallowed is lost to these for ever
        for (auto& each : pairs_) each.broken = true;
    refusing_ = black_ = false;
    delay_ = {};
    marker_.clear();
}

void proxy::lose_commit(std::string marker, lost how) {
    const std::scoped_lock lock{mutex_};
    marker_ = std::move(marker);
    how_ = how;
    for (auto& each : pairs_) each.marked = false;
}

void proxy::work(const std::stop_token& stop) {
    constexpr int look_every_ms = 5;
    while (!stop.stop_requested()) {
        std::vector<pollfd> watched{{.fd = listener_, .events = POLLIN, .revents = 0}};
        {
            const std::scoped_lock lock{mutex_};
            for (const auto& each : pairs_)
                for (const auto* one : {&each.request, &each.reply})
                    if (!one->ended && one->waiting.size() < waiting_max)
                        watched.push_back({.fd = one->from, .events = POLLIN, .revents = 0});
        }
        ::poll(watched.data(), watched.size(), look_every_ms);
        const std::scoped_lock lock{mutex_};
        if ((watched[0].revents & POLLIN) != 0) accept_one(); // NOLINT(hicpp-signed-bitwise): POSIX
        for (auto& each : pairs_) {
            if (!black_ && !each.broken) {
                take(each, each.request, true);
                take(each, each.reply, false);
                pass(each, each.request);
                pass(each, each.reply);
                for (const auto* one : {&each.request, &each.reply})
                    if (one->ended && one->waiting.empty()) each.broken = true;
            }
            if (each.broken) reset(each);
        }
        pairs_.remove_if([](const pair& each) { return each.broken; });
    }
}

void proxy::accept_one() {
    int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(upstreams_.at(turn_++ % upstreams_.size()));
    // NOLINTNEXTLINE(*-reinterpret-cast): POSIX
    const bool up = ::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    if (refusing_ || !up) {
        close_hard(client);
        close_hard(server);
        return;
    }
    make_quick(client);
    make_quick(server);
    pair made;
    made.request = {.from = client, .to = server, .waiting = {}, .ended = false};
    made.reply = {.from = server, .to = client, .waiting = {}, .ended = false};
    pairs_.push_back(std::move(made));
}

void proxy::take(pair& both, stream& one, bool from_client) {
    std::array<char, 64UL * 1024> buffer{};
    while (!both.broken && !one.ended && one.waiting.size() < waiting_max) {
        // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): the socket does not block
        const auto got = ::recv(one.from, buffer.data(), buffer.size(), 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) { // one end has gone: so will the other, once it has everything
            one.ended = true;
            return;
        }
        const std::string_view bytes{buffer.data(), static_cast<std::size_t>(got)};
        if (from_client) look_for_commit(both, bytes);
        if (!from_client && both.swallowing) {
            ++commits_lost_;
            both.broken = true;
        }
        if (both.broken) return;
        one.waiting.push_back({clock::now() + delay_, std::string{bytes}});
    }
}

void proxy::look_for_commit(pair& both, std::string_view bytes) {
    const auto text = both.tail + std::string{bytes};
    const bool commits = text.find(commit_message) != std::string::npos;
    if (!marker_.empty() && text.find(marker_) != std::string::npos) both.marked = true;
    both.tail = commits ? std::string{} : text.substr(text.size() - std::min(text.size(), tail_bytes_max));
    if (!commits || !std::exchange(both.marked, false) || marker_.empty()) return;
    marker_.clear();
    if (how_ == lost::reply) {
        both.swallowing = true;
        return;
    }
    ++commits_lost_;
    both.broken = true;
}

void proxy::pass(pair& both, stream& one) {
    while (!both.broken && !one.waiting.empty() && one.waiting.front().due <= clock::now()) {
        auto& bytes = one.waiting.front().bytes;
        const auto sent = ::send(one.to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (sent < 0) {
            both.broken = true;
            return;
        }
        bytes.erase(0, static_cast<std::size_t>(sent));
        if (bytes.empty()) one.waiting.pop_front();
    }
}

void proxy::reset(pair& both) {
    close_hard(both.request.from);
    close_hard(both.request.to);
    both.reply.from = both.reply.to = -1;
}

} // namespace tidesync::tests
