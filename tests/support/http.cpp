#include "tests/support/http.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace tidesync::tests {

namespace {

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// @returns nothing while the answer is not whole yet
std::optional<http_answer> parse(const std::string& bytes, bool closed) {
    const auto end = bytes.find("\r\n\r\n");
    if (end == std::string::npos) return std::nullopt;
    http_answer answer;
    std::from_chars(bytes.data() + 9, bytes.data() + 12, answer.status);
    for (auto at = bytes.find("\r\n") + 2; at < end + 2;) {
        const auto line = bytes.substr(at, bytes.find("\r\n", at) - at);
        const auto colon = line.find(": ");
        if (colon != std::string::npos) answer.headers[lower(line.substr(0, colon))] = line.substr(colon + 2);
        at += line.size() + 2;
    }
    answer.body = bytes.substr(end + 4);
    const auto length = answer.headers.find("content-length");
    const bool whole = length != answer.headers.end() && answer.body.size() >= std::stoul(length->second);
    if (!whole && !closed) return std::nullopt;
    return answer;
}

} // namespace

raw_connection::raw_connection(std::uint16_t port)
    : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API wants it
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(socket_);
        throw std::runtime_error{fmt::format("nobody listens on port {}", port)};
    }
}

raw_connection::~raw_connection() { ::close(socket_); }

bool raw_connection::send(std::string_view bytes) const {
    while (!bytes.empty()) {
        const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

std::optional<http_answer> raw_connection::receive(std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
        if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0) return std::nullopt;
        std::array<char, 8192> bytes{};
        const auto count = ::recv(socket_, bytes.data(), bytes.size(), 0);
        if (count > 0) unread_.append(bytes.data(), static_cast<std::size_t>(count));
        auto answer = parse(unread_, count <= 0);
        if (answer) {
            unread_.clear();
            return answer;
        }
        if (count <= 0) return http_answer{};
    }
}

std::optional<http_answer>
ask(std::uint16_t port, const std::string& method, const std::string& target, const headers& with,
    const std::string& body, std::chrono::milliseconds patience) {
    raw_connection connection{port};
    auto text = fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n", method, target, port);
    for (const auto& [name, value] : with) text += fmt::format("{}: {}\r\n", name, value);
    if (!body.empty() || method == "POST") text += fmt::format("Content-Length: {}\r\n", body.size());
    connection.send(text + "\r\n" + body);
    return connection.receive(patience);
}

http_answer request(
    std::uint16_t port, const std::string& method, const std::string& target, const headers& with,
    const std::string& body) {
    auto answer = ask(port, method, target, with, body, std::chrono::minutes{1});
    if (!answer) throw std::runtime_error{fmt::format("{} {} was not answered within a minute", method, target)};
    return *answer;
}

} // namespace tidesync::tests
