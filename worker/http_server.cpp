// Beast and coroutines: kept to this file, because these headers cost a minute under sanitizers.
#include "worker/http_server.hpp"

#include "worker/answers.hpp"
#include "worker/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <optional>
#include <thread>

namespace tidesync::worker {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using error_code = boost::system::error_code;

/// The answer to a request that could not be read; nothing when the peer is gone or too slow to deserve one.
std::optional<http_response> answer_to(
    const error_code& error, const http_server::refusal& refuse, std::uint64_t body_bytes_max,
    std::uint32_t header_bytes_max) {
    if (error == http::error::body_limit)
        return refuse(
            413, "too_large", "the body is too large",
            fmt::format("at most {} KiB are accepted here", body_bytes_max / 1024));
    if (error == asio::error::no_buffer_space)
        return refuse(503, "too_busy", "too many large bodies arrive at once", "send the same request again later");
    if (error == http::error::header_limit || error == http::error::buffer_overflow)
        return refuse(
            431, "headers_too_large", "the headers are too large",
            fmt::format("at most {} KiB are accepted", header_bytes_max / 1024));
    if (error == http::error::end_of_stream || error == beast::error::timeout || error == http::error::partial_message)
        return std::nullopt;
    if (error.category() == make_error_code(http::error::bad_method).category())
        return refuse(400, "bad_request", "this is not an HTTP request", "send HTTP/1.1");
    return std::nullopt;
}

/// One of the large bodies that may be held at once; given back at the end of its request.
class large_body_turn {
public:
    large_body_turn() = default;
    ~large_body_turn() {
        if (held_ != nullptr) --*held_;
    }
    large_body_turn(const large_body_turn&) = delete;
    large_body_turn& operator=(const large_body_turn&) = delete;

    /// @returns false when all are taken
    bool take(std::atomic<int>& held, int most) {
        if (++held > most) {
            --held;
            return false;
        }
        held_ = &held;
        return true;
    }

private:
    std::atomic<int>* held_ = nullptr;
};

/// A request from the moment its header is there until its answer is sent, or its connection is given up.
class request_under_way {
public:
    explicit request_under_way(std::atomic<int>& count)
        : count_{count} {
        ++count_;
    }
    ~request_under_way() { --count_; }
    request_under_way(const request_under_way&) = delete;
    request_under_way& operator=(const request_under_way&) = delete;

private:
    std::atomic<int>& count_;
};

http_request to_plain(http::request<http::string_body>&& message, std::string remote) {
    http_request request;
    request.method = std::string{message.method_string()};
    request.target = std::string{message.target()};
    for (const auto& field : message) {
        std::string name{field.name_string()};
        std::ranges::transform(
            name, name.begin(), [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
        request.headers.emplace_back(std::move(name), std::string{field.value()});
    }
    request.body = std::move(message.body());
    request.remote = std::move(remote);
    return request;
}

http::response<http::string_body> to_message(http_response&& response, unsigned version, bool keep_alive) {
    http::response<http::string_body> message{static_cast<http::status>(response.status), version};
    // 489 is QStash's own; Beast knows no reason phrase for it and would send none.
    if (response.status == 489) message.reason("Non-Retryable Error");
    message.set(http::field::content_type, response.content_type);
    message.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.keep_alive(keep_alive);
    message.body() = std::move(response.body);
    message.prepare_payload();
    return message;
}

} // namespace

class http_server::implementation {
public:
    using clock = std::chrono::steady_clock;

    implementation(const listen_address& where, http_opening opening, limits limit, refusal refuse)
        : opening_{std::move(opening)}
        , refuse_{refuse ? std::move(refuse) : refusal{[](int status, auto code, auto message, auto hint) {
            return error_answer(status, code, message, hint);
        }}}
        , limits_{std::move(limit)}
        , workers_{static_cast<std::size_t>(limits_.handlers)}
        , acceptor_{asio::make_strand(loop_)} {
        listen(where);
        asio::co_spawn(acceptor_.get_executor(), accept_all(), asio::detached);
        for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { loop_.run(); });
    }

    ~implementation() {
        loop_.stop();
        threads_.clear(); // joins
        workers_.join();
    }

    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }

    void end_connections() { draining_ = true; }

    void drain(std::chrono::milliseconds patience) {
        end_connections();
        asio::post(acceptor_.get_executor(), [this] {
            error_code ignored;
            static_cast<void>(acceptor_.close(ignored));
        });
        const auto start = clock::now();
        answered_ = start;
        while (!is_quiet() && clock::now() < start + patience)
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }

private:
    void listen(const listen_address& where) {
        const auto shown = fmt::format("{}:{}", where.host, where.port);
        error_code error;
        const auto address = asio::ip::make_address(where.host == "localhost" ? "127.0.0.1" : where.host, error);
        if (error) throw std::runtime_error{fmt::format("{} is not an IP address", where.host)};
        const tcp::endpoint endpoint{address, where.port};
        acceptor_.open(endpoint.protocol());
        acceptor_.set_option(asio::socket_base::reuse_address(true));
        static_cast<void>(acceptor_.bind(endpoint, error));
        if (!error) static_cast<void>(acceptor_.listen(asio::socket_base::max_listen_connections, error));
        if (error)
            throw cannot_listen{
                fmt::format("cannot listen on {}: {}", shown, error.message()), error == asio::error::address_in_use,
                where.setting};
        port_ = acceptor_.local_endpoint().port();
    }

    asio::awaitable<void> accept_all() {
        for (;;) {
            error_code error;
            auto socket = co_await acceptor_.async_accept(
                asio::make_strand(loop_), asio::redirect_error(asio::use_awaitable, error));
            if (error == asio::error::operation_aborted || !acceptor_.is_open()) co_return;
            if (error) { // out of file descriptors, for example: wait for some to be given back
                asio::steady_timer later{loop_, std::chrono::milliseconds{100}};
                co_await later.async_wait(asio::redirect_error(asio::use_awaitable, error));
                continue;
            }
            if (connections_ >= limits_.connections_max) continue; // closes it
            ++connections_;
            const auto executor = socket.get_executor();
            asio::co_spawn(
                executor, serve(beast::tcp_stream{tcp::socket{std::move(socket)}}),
                [this](const std::exception_ptr&) { --connections_; });
        }
    }

    asio::awaitable<void> serve(beast::tcp_stream stream) {
        error_code error;
        const auto peer = stream.socket().remote_endpoint(error);
        const auto remote = error ? std::string{} : peer.address().to_string();
        beast::flat_buffer buffer{limits_.header_bytes_max + 4096};
        for (bool first = true;; first = false) {
            http::request_parser<http::string_body> parser;
            parser.header_limit(limits_.header_bytes_max);
            parser.body_limit(std::max(limits_.body_bytes_max, limits_.larger.bytes_max));
            large_body_turn turn;
            stream.expires_after(first ? limits_.header_time : limits_.idle_time);
            // The parser, not parser.get(): only the parser knows the limits.
            co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
            const request_under_way counted{requests_};
            stream.expires_after(limits_.body_time);
            const auto body_bytes_max = body_limit(parser.get().target()); // no target yet: that of any other
            if (!error) error = limit_body(parser, body_bytes_max, turn);
            if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
                http::response<http::empty_body> go_on{http::status::continue_, 11};
                co_await http::async_write(stream, go_on, asio::redirect_error(asio::use_awaitable, error));
            }
            if (!error && !parser.is_done())
                co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
            if (error) {
                if (auto answer = answer_to(error, refuse_, body_bytes_max, limits_.header_bytes_max))
                    co_await write(stream, std::move(*answer), 11, false);
                break;
            }
            auto message = parser.release();
            const auto version = message.version();
            const bool keep_alive = message.keep_alive() && !draining_;
            auto answer = co_await work(std::move(message), remote);
            const bool written = co_await write(stream, std::move(answer), version, keep_alive && !draining_);
            answered_ = clock::now();
            if (!written || !keep_alive) break;
        }
        static_cast<void>(stream.socket().shutdown(tcp::socket::shutdown_send, error));
        co_await linger(stream);
    }

    /// A client that was idle for a while may send again at any moment: the longer it is given, the rarer it meets a
    /// connection that is being closed.
    [[nodiscard]] bool is_quiet() const {
        constexpr std::chrono::seconds silence{1};
        return requests_ == 0 && (connections_ == 0 || clock::now() > answered_.load() + silence);
    }

    [[nodiscard]] std::uint64_t body_limit(std::string_view target) const {
        const bool larger = target.substr(0, target.find('?')) == limits_.larger.path;
        return larger ? limits_.larger.bytes_max : limits_.body_bytes_max;
    }

    /// Holds a request whose header is there to the limit of its path, before anything of its body is kept.
    error_code limit_body(http::request_parser<http::string_body>& parser, std::uint64_t most, large_body_turn& turn) {
        const auto announced = parser.content_length();
        if (announced && *announced > most) return http::error::body_limit;
        parser.body_limit(most); // for what comes in chunks
        const bool may_be_large = most > limits_.body_bytes_max && announced.value_or(most) > limits_.body_bytes_max;
        if (may_be_large && !turn.take(large_bodies_, limits_.larger.at_once_max)) return asio::error::no_buffer_space;
        return {};
    }

    /// Answers the request here, or hands it to a thread that may block.
    asio::awaitable<http_response> work(http::request<http::string_body> message, std::string remote) {
        if (message.target().empty() || message.target().front() != '/')
            co_return refuse_(400, "bad_request", "the request target is not a path", "send the path only");
        if (std::distance(message.begin(), message.end()) > static_cast<std::ptrdiff_t>(limits_.header_fields_max))
            co_return refuse_(
                431, "headers_too_large", "too many header fields",
                fmt::format("at most {} are accepted", limits_.header_fields_max));
        const auto request = std::make_shared<http_request>(to_plain(std::move(message), std::move(remote)));
        auto step = open(*request);
        if (auto* answer = std::get_if<http_response>(&step)) co_return std::move(*answer);
        // Not written inside the co_await: GCC 12 would copy the lambda byte by byte, and free what it captured twice.
        auto rest = [this, request, work = std::get<http_work>(std::move(step))]() -> asio::awaitable<http_response> {
            try {
                co_return work();
            } catch (const std::exception& e) {
                co_return failed(*request, e);
            }
        };
        co_return co_await asio::co_spawn(workers_, std::move(rest), asio::use_awaitable);
    }

    http_step open(const http_request& request) {
        try {
            return opening_(request);
        } catch (const std::exception& e) {
            return failed(request, e);
        }
    }

    [[nodiscard]] http_response failed(const http_request& request, const std::exception& why) const {
        log::event(
            log::level::error, "request failed",
            {{"method", request.method}, {"path", std::string{request.path()}}, {"error", why.what()}});
        return refuse_(500, "internal", "something went wrong here", "the worker's log has the details");
    }

    asio::awaitable<bool> write(beast::tcp_stream& stream, http_response answer, unsigned version, bool keep_alive) {
        auto message = to_message(std::move(answer), version, keep_alive);
        error_code error;
        stream.expires_after(limits_.write_time);
        co_await http::async_write(stream, message, asio::redirect_error(asio::use_awaitable, error));
        co_return !error;
    }

    /// Reads on for a moment after an answer that was sent early: closing with unread bytes would make the kernel
    /// reset the connection, and the peer might never see the answer.
    static asio::awaitable<void> linger(beast::tcp_stream& stream) {
        std::array<char, 4096> ignored{};
        error_code error;
        constexpr std::size_t bytes_max = 4UL * 1024 * 1024; // more than any body that is merely too large here
        std::size_t total = 0;
        stream.expires_after(std::chrono::seconds{1});
        while (!error && total < bytes_max)
            total += co_await stream.async_read_some(
                asio::buffer(ignored), asio::redirect_error(asio::use_awaitable, error));
    }

    http_opening opening_;
    refusal refuse_;
    limits limits_;
    std::atomic<bool> draining_{false};
    std::atomic<int> connections_{0};
    std::atomic<int> requests_{0};
    std::atomic<clock::time_point> answered_{}; ///< when an answer was last sent
    std::atomic<int> large_bodies_{0};
    std::uint16_t port_ = 0;
    asio::thread_pool workers_;
    asio::io_context loop_;
    tcp::acceptor acceptor_;
    std::vector<std::jthread> threads_;
};

http_server::http_server(const listen_address& where, http_opening opening, limits limit, refusal refuse)
    : implementation_{
          std::make_unique<implementation>(where, std::move(opening), std::move(limit), std::move(refuse))} {}

http_server::~http_server() = default;

std::uint16_t http_server::port() const { return implementation_->port(); }

void http_server::end_connections() { implementation_->end_connections(); }

void http_server::drain(std::chrono::milliseconds patience) { implementation_->drain(patience); }

} // namespace tidesync::worker
