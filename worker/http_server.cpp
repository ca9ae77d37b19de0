// Beast and coroutines: kept to this file, because these headers cost a minute under sanitizers.
#include "worker/http_server.hpp"

#include "worker/answers.hpp"
#include "worker/log.hpp"

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
std::optional<http_response> answer_to(const error_code& error) {
    if (error == http::error::body_limit)
        return error_answer(413, "too_large", "the body is too large", "at most 64 KiB are accepted");
    if (error == http::error::header_limit || error == http::error::buffer_overflow)
        return error_answer(431, "headers_too_large", "the headers are too large", "at most 8 KiB are accepted");
    if (error == http::error::end_of_stream || error == beast::error::timeout || error == http::error::partial_message)
        return std::nullopt;
    if (error.category() == make_error_code(http::error::bad_method).category())
        return error_answer(400, "bad_request", "this is not an HTTP request", "send HTTP/1.1");
    return std::nullopt;
}

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
    implementation(const listen_address& where, http_handler handler, limits limit)
        : handler_{std::move(handler)}
        , limits_{limit}
        , workers_{static_cast<std::size_t>(limit.handlers)}
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

    void drain(std::chrono::milliseconds patience) {
        draining_ = true;
        asio::post(acceptor_.get_executor(), [this] {
            error_code ignored;
            static_cast<void>(acceptor_.close(ignored));
        });
        const auto until = std::chrono::steady_clock::now() + patience;
        while (requests_ > 0 && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }

private:
    void listen(const listen_address& where) {
        const auto shown = fmt::format("{}:{}", where.host, where.port);
        error_code error;
        const auto address = asio::ip::make_address(where.host == "localhost" ? "127.0.0.1" : where.host, error);
        if (error) throw std::runtime_error{fmt::format("TIDESYNC_LISTEN: {} is not an IP address", where.host)};
        const tcp::endpoint endpoint{address, where.port};
        acceptor_.open(endpoint.protocol());
        acceptor_.set_option(asio::socket_base::reuse_address(true));
        static_cast<void>(acceptor_.bind(endpoint, error));
        if (!error) static_cast<void>(acceptor_.listen(asio::socket_base::max_listen_connections, error));
        if (error)
            throw std::runtime_error{
                fmt::format("cannot listen on {}: {}; set TIDESYNC_LISTEN to a free address", shown, error.message())};
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
            parser.body_limit(limits_.body_bytes_max);
            stream.expires_after(first ? limits_.header_time : limits_.idle_time);
            // The parser, not parser.get(): only the parser knows the limits.
            co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
            stream.expires_after(limits_.body_time);
            if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
                http::response<http::empty_body> go_on{http::status::continue_, 11};
                co_await http::async_write(stream, go_on, asio::redirect_error(asio::use_awaitable, error));
            }
            if (!error && !parser.is_done())
                co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
            if (error) {
                if (auto answer = answer_to(error)) co_await write(stream, std::move(*answer), 11, false);
                break;
            }
            auto message = parser.release();
            const auto version = message.version();
            const bool keep_alive = message.keep_alive() && !draining_;
            ++requests_;
            auto answer = co_await work(std::move(message), remote);
            const bool written = co_await write(stream, std::move(answer), version, keep_alive && !draining_);
            --requests_;
            if (!written || !keep_alive) break;
        }
        static_cast<void>(stream.socket().shutdown(tcp::socket::shutdown_send, error));
        co_await linger(stream);
    }

    /// Hands the request to a thread that may block.
    asio::awaitable<http_response> work(http::request<http::string_body> message, std::string remote) {
        if (message.target().empty() || message.target().front() != '/')
            co_return error_answer(400, "bad_request", "the request target is not a path", "send the path only");
        if (std::distance(message.begin(), message.end()) > static_cast<std::ptrdiff_t>(limits_.header_fields_max))
            co_return error_answer(431, "headers_too_large", "too many header fields", "at most 64 are accepted");
        const auto request = std::make_shared<http_request>(to_plain(std::move(message), std::move(remote)));
        // Not written inside the co_await: GCC 12 would copy it byte by byte, and free what it captured twice.
        auto answer = [this, request]() -> asio::awaitable<http_response> {
            try {
                co_return handler_(*request);
            } catch (const std::exception& e) {
                log::event(
                    log::level::error, "request failed",
                    {{"method", request->method}, {"path", std::string{request->path()}}, {"error", e.what()}});
                co_return error_answer(
                    500, "internal", "something went wrong here", "the worker's log has the details");
            }
        };
        co_return co_await asio::co_spawn(workers_, std::move(answer), asio::use_awaitable);
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
        std::size_t total = 0;
        stream.expires_after(std::chrono::seconds{1});
        while (!error && total < 256UL * 1024)
            total += co_await stream.async_read_some(
                asio::buffer(ignored), asio::redirect_error(asio::use_awaitable, error));
    }

    http_handler handler_;
    limits limits_;
    std::atomic<bool> draining_{false};
    std::atomic<int> connections_{0};
    std::atomic<int> requests_{0};
    std::uint16_t port_ = 0;
    asio::thread_pool workers_;
    asio::io_context loop_;
    tcp::acceptor acceptor_;
    std::vector<std::jthread> threads_;
};

http_server::http_server(const listen_address& where, http_handler handler, limits limit)
    : implementation_{std::make_unique<implementation>(where, std::move(handler), limit)} {}

http_server::~http_server() = default;

std::uint16_t http_server::port() const { return implementation_->port(); }

void http_server::drain(std::chrono::milliseconds patience) { implementation_->drain(patience); }

} // namespace tidesync::worker
