// Load for one HTTP server on this machine, from one thread: many connections that stay open, one request at a time on
// each. It either sends the next request as soon as the last one is answered (how many a second?) or sends at a fixed
// rate (how long does each take?). In the second case a request is timed from the moment it was due, whether or not a
// connection was free: a server that stalls is charged for everyone who waits. One JSON document goes to stdout.

#include "qstash/sign.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using steady = std::chrono::steady_clock;
using std::chrono::nanoseconds;
using real_seconds = std::chrono::duration<double>;

constexpr std::chrono::seconds answer_wait_max{10};
constexpr std::size_t answer_bytes_max = 256UL * 1024;
constexpr std::string_view target = "/api/background/sync/slave-to-prod";

struct options {
    std::string what; ///< refused or attached
    std::uint16_t port = 0;
    int connections = 32;
    int messages = 64; ///< attached: ids that take turns
    double seconds = 3;
    double warm_up_s = 0.5; ///< sent as well, but not counted
    double rate = 0;        ///< requests a second; 0 is as many as are answered
    int pid = 0;            ///< the server; its time on the processors is counted
};

[[noreturn]] void fail_with_errno(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

std::string required(const char* name) {
    const char* const value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): one thread
    if (value == nullptr || *value == '\0') throw std::runtime_error{fmt::format("{} is not set", name)};
    return value;
}

// -- what is sent -----------------------------------------------------------------------------------------------------

std::string request_text(std::string_view message_id, std::string_view token, std::string_view body) {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Upstash-QStash\r\nContent-Type: application/json\r\n"
        "Upstash-Message-Id: {}\r\nUpstash-Retried: 0\r\nUpstash-Signature: {}\r\nContent-Length: {}\r\n\r\n{}",
        target, message_id, token, body.size(), body);
}

/// The requests, one after the other.
class sender {
public:
    explicit sender(const options& chosen)
        : key_{required("QSTASH_CURRENT_SIGNING_KEY")}
        , url_{required("TIDESYNC_PUBLIC_URL") + std::string{target}}
        , attached_{chosen.what == "attached"}
        , messages_{chosen.messages} {
        // The body is 1 KiB, and the token is in order but for the key that made it.
        const auto body = fmt::format(R"({{"dry_run":true,"padding":"{:x<995}"}})", "");
        if (!attached_) refused_ = request_text("msg_load", signed_by("sig_" + std::string(28, 'x'), body), body);
    }

    [[nodiscard]] int expected_status() const { return attached_ ? 200 : 401; }

    std::string next() {
        const auto n = sent_++;
        return attached_ ? delivery_of(static_cast<int>(n % messages_)) : refused_;
    }

    /// A delivery of a message: its token is new each time, as QStash signs each attempt anew.
    std::string delivery_of(int message) {
        constexpr std::string_view body = R"({"dry_run":true})";
        return request_text(fmt::format("msg_load_{}", message), signed_by(key_, body), body);
    }

private:
    std::string signed_by(std::string_view key, std::string_view body) {
        const auto now = std::chrono::system_clock::now();
        // Unique in later rounds, too: the worker remembers them.
        const auto jti = fmt::format("jwt_load_{}_{}", now.time_since_epoch().count(), ++tokens_);
        return tidesync::qstash::sign(
            {.url = url_, .body = std::string{body}, .jti = jti, .iat = std::chrono::floor<std::chrono::seconds>(now)},
            key);
    }

    std::string key_, url_, refused_;
    bool attached_;
    int messages_;
    std::int64_t sent_ = 0, tokens_ = 0;
};

// -- one connection ---------------------------------------------------------------------------------------------------

/// The status of the answer that `bytes` begins with, once it is whole, and its length.
/// @throws std::runtime_error for what neither of the two servers sends
std::optional<std::pair<int, std::size_t>> read_answer(std::string_view bytes) {
    const auto head_end = bytes.find("\r\n\r\n");
    if (head_end == std::string_view::npos) {
        if (bytes.size() > answer_bytes_max) throw std::runtime_error{"an answer without an end of its header"};
        return std::nullopt;
    }
    std::string head{bytes.substr(0, head_end + 2)};
    std::ranges::transform(head, head.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::string_view name = "\r\ncontent-length: ";
    const auto at = head.find(name);
    int status = 0;
    std::size_t length = 0;
    const auto number = [&head](std::size_t from, auto& value) {
        return from < head.size() && std::from_chars(&head[from], head.data() + head.size(), value).ec == std::errc{};
    };
    if (!head.starts_with("http/1.1 ") || !number(9, status) || at == std::string::npos ||
        !number(at + name.size(), length) || length > answer_bytes_max)
        throw std::runtime_error{"an answer that is not HTTP/1.1 with a Content-Length"};
    const auto whole = head_end + 4 + length;
    if (bytes.size() < whole) return std::nullopt;
    return std::pair{status, whole};
}

class connection {
public:
    explicit connection(std::uint16_t port)
        : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        if (socket_ < 0) fail_with_errno("a socket");
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_port = htons(port);
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int on = 1;
        setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
            const auto why = errno;
            ::close(socket_);
            throw std::system_error{why, std::generic_category(), "connecting"};
        }
    }
    ~connection() {
        if (socket_ >= 0) ::close(socket_);
    }
    connection(connection&& other) noexcept
        : socket_{std::exchange(other.socket_, -1)}
        , unread_{std::move(other.unread_)}
        , due_{other.due_} {}
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    connection& operator=(connection&&) = delete;

    /// @param due  when it should have been sent
    void send(std::string_view request, steady::time_point due) {
        // Smaller than an empty socket buffer, so it goes at once and whole.
        if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
            fail_with_errno("sending a request");
        due_ = due;
    }

    /// Reads what has come. @returns the status of the answer when it is whole
    std::optional<int> receive() {
        std::array<char, 16384> bytes; // NOLINT(cppcoreguidelines-pro-type-member-init): recv fills it
        const auto count = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
        if (count < 0) fail_with_errno("reading an answer");
        if (count == 0) throw std::runtime_error{"the server closed a connection"};
        unread_.append(bytes.data(), static_cast<std::size_t>(count));
        const auto answer = read_answer(unread_);
        if (!answer) return std::nullopt;
        unread_.erase(0, answer->second);
        due_.reset();
        return answer->first;
    }

    [[nodiscard]] int socket() const { return socket_; }
    [[nodiscard]] std::optional<steady::time_point> due() const { return due_; } ///< of the request that is under way

private:
    int socket_;
    std::string unread_;
    std::optional<steady::time_point> due_;
};

/// Sends one request and waits for its answer.
int ask(connection& with, std::string_view request) {
    with.send(request, steady::now());
    for (;;) {
        pollfd wanted{with.socket(), POLLIN, 0};
        if (::poll(&wanted, 1, std::chrono::milliseconds{answer_wait_max}.count()) <= 0)
            throw std::runtime_error{"no answer in time"};
        if (const auto status = with.receive()) return *status;
    }
}

/// Delivers each message once and again until its run has ended: from then on there is only something to attach to.
void make_known(const options& chosen, sender& requests) {
    connection to_server{chosen.port};
    for (int message = 0; message < chosen.messages; ++message) {
        for (int attempt = 0;; ++attempt) {
            const auto status = ask(to_server, requests.delivery_of(message));
            if (status == 200) break;
            if (status != 202 || attempt == 100)
                throw std::runtime_error{fmt::format("a delivery of message {} was answered {}", message, status)};
            std::this_thread::sleep_for(std::chrono::milliseconds{100});
        }
    }
}

// -- the load ---------------------------------------------------------------------------------------------------------

struct counted {
    std::vector<nanoseconds> took; ///< of each answer that was expected
    std::map<int, std::int64_t> unexpected;
    real_seconds lasted{};
};

class load {
public:
    load(const options& chosen, sender& requests)
        : requests_{requests}
        , began_{steady::now()}
        , counts_from_{began_ + std::chrono::duration_cast<nanoseconds>(real_seconds{chosen.warm_up_s})}
        , until_{counts_from_ + std::chrono::duration_cast<nanoseconds>(real_seconds{chosen.seconds})}
        , rate_{chosen.rate} {
        for (int i = 0; i < chosen.connections; ++i) connections_.emplace_back(chosen.port);
        for (const auto& each : connections_) wanted_.push_back({each.socket(), POLLIN, 0});
    }

    counted run() {
        const auto give_up = until_ + answer_wait_max;
        for (;;) {
            send_what_is_due();
            const auto now = steady::now();
            const bool busy =
                std::ranges::any_of(connections_, [](const auto& each) { return each.due().has_value(); });
            if (!busy && !next_due()) break;
            if (now > give_up) throw std::runtime_error{"requests were still unanswered ten seconds after the end"};
            wait(now);
            for (std::size_t i = 0; i < connections_.size(); ++i)
                if (wanted_[i].revents != 0) receive(connections_[i]);
        }
        result_.lasted = until_ - counts_from_;
        return std::move(result_);
    }

private:
    /// When the next request is to be sent; nothing when that was the last.
    [[nodiscard]] std::optional<steady::time_point> next_due() const {
        const auto due =
            rate_ > 0
                ? began_ + std::chrono::duration_cast<nanoseconds>(real_seconds{static_cast<double>(sent_) / rate_})
                : steady::now();
        return due < until_ ? std::optional{due} : std::nullopt;
    }

    void send_what_is_due() {
        for (auto& each : connections_) {
            if (each.due()) continue;
            const auto due = next_due();
            if (!due || *due > steady::now()) return;
            each.send(requests_.next(), *due);
            ++sent_;
        }
    }

    /// Until an answer comes or a request is due that a connection is free for.
    void wait(steady::time_point now) {
        nanoseconds most = std::chrono::milliseconds{100};
        const bool free = std::ranges::any_of(connections_, [](const auto& each) { return !each.due(); });
        if (const auto due = next_due(); due && free) most = std::clamp(nanoseconds{*due - now}, nanoseconds{0}, most);
        const timespec limit{0, static_cast<long>(most.count())};
        if (::ppoll(wanted_.data(), wanted_.size(), &limit, nullptr) < 0 && errno != EINTR) fail_with_errno("waiting");
    }

    void receive(connection& from) {
        const auto due = from.due();
        const auto status = from.receive();
        if (!status) return;
        if (!due) throw std::runtime_error{"an answer that nobody asked for"};
        const auto now = steady::now();
        if (*status != requests_.expected_status()) ++result_.unexpected[*status];
        // As fast as it goes: what is answered in time counts. At a rate: what was due in time, however late it came.
        const bool counts = *due >= counts_from_ && (rate_ > 0 || now <= until_);
        if (counts && *status == requests_.expected_status()) result_.took.push_back(now - *due);
    }

    sender& requests_;
    steady::time_point began_, counts_from_, until_;
    double rate_;
    std::int64_t sent_ = 0;
    std::vector<connection> connections_;
    std::vector<pollfd> wanted_;
    counted result_;
};

// -- what comes out ---------------------------------------------------------------------------------------------------

double own_cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// Fields 14 and 15 of /proc/PID/stat, in seconds; counted from behind the name, which may hold anything.
double cpu_seconds_of(int pid) {
    std::ifstream file{fmt::format("/proc/{}/stat", pid)};
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    std::istringstream fields{text.substr(std::min(text.rfind(')') + 1, text.size()))};
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    double user = 0, system = 0;
    fields >> user >> system;
    if (!fields) throw std::runtime_error{fmt::format("there is no process {}", pid)};
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

/// The smallest time that this share of all requests did not exceed.
double quantile_ms(const std::vector<nanoseconds>& sorted, double share) {
    if (sorted.empty()) return 0;
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
    return std::chrono::duration<double, std::milli>{sorted[std::max<std::size_t>(rank, 1) - 1]}.count();
}

nlohmann::ordered_json document(const options& chosen, counted& result) {
    std::ranges::sort(result.took);
    std::int64_t errors = 0;
    auto statuses = nlohmann::ordered_json::object();
    for (const auto& [status, count] : result.unexpected) {
        errors += count;
        statuses[std::to_string(status)] = count;
    }
    return {
        {"what", chosen.what},
        {"connections", chosen.connections},
        {"messages", chosen.what == "attached" ? nlohmann::ordered_json(chosen.messages) : nullptr},
        {"rate", chosen.rate > 0 ? nlohmann::ordered_json(chosen.rate) : nullptr},
        {"seconds", result.lasted.count()},
        {"requests", result.took.size()},
        {"per_second", static_cast<double>(result.took.size()) / result.lasted.count()},
        {"p50_ms", quantile_ms(result.took, 0.5)},
        {"p99_ms", quantile_ms(result.took, 0.99)},
        {"max_ms", quantile_ms(result.took, 1)},
        {"errors", errors},
        {"unexpected_statuses", std::move(statuses)}};
}

int measure(const options& chosen) {
    sender requests{chosen};
    if (chosen.what == "attached") make_known(chosen, requests);
    load running{chosen, requests};
    const auto began = steady::now();
    const auto own_before = own_cpu_seconds();
    const auto server_before = chosen.pid > 0 ? cpu_seconds_of(chosen.pid) : 0;
    auto result = running.run();
    const real_seconds lasted = steady::now() - began;
    auto out = document(chosen, result);
    // Of all requests, those that warmed up as well: shares of the whole time.
    out["generator_cores"] = (own_cpu_seconds() - own_before) / lasted.count();
    if (chosen.pid > 0) out["server_cores"] = (cpu_seconds_of(chosen.pid) - server_before) / lasted.count();
    std::cout << out.dump() << '\n';
    return out.at("errors") == 0 && !result.took.empty() ? 0 : 1;
}

} // namespace

int main(int count, char** words) try {
    options chosen;
    CLI::App app{"Load for a server that QStash's messages reach. Keys and address: QSTASH_CURRENT_SIGNING_KEY, "
                 "TIDESYNC_PUBLIC_URL."};
    app.add_option("what", chosen.what, "refused: signed with a wrong key; attached: known messages")
        ->required()
        ->check(CLI::IsMember({"refused", "attached"}));
    app.add_option("--port", chosen.port, "on 127.0.0.1")->required();
    app.add_option("--connections", chosen.connections, "open at once")->check(CLI::Range(1, 500));
    app.add_option("--messages", chosen.messages, "attached: ids that take turns")->check(CLI::Range(1, 10000));
    app.add_option("--seconds", chosen.seconds, "how long to count")->check(CLI::Range(0.1, 600.0));
    app.add_option("--warm-up", chosen.warm_up_s, "seconds before")->check(CLI::Range(0.0, 60.0));
    app.add_option("--rate", chosen.rate, "requests a second; 0: as many as are answered")->check(CLI::Range(0.0, 1e6));
    app.add_option("--pid", chosen.pid, "of the server")->check(CLI::PositiveNumber);
    CLI11_PARSE(app, count, words);
    return measure(chosen);
} catch (const std::exception& e) {
    std::cerr << "tidesync_load: " << e.what() << '\n';
    return 1;
}
