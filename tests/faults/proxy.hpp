#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace tidesync::tests {

/// Stands between clients and a server on 127.0.0.1 and does to their bytes what networks do; or in front of several,
/// as the one address that they share. Everything may be called from any thread; faults that last are taken back with
/// `heal`.
class proxy {
public:
    /// @param upstream  port of the server; it need not be up
    explicit proxy(std::uint16_t upstream)
        : proxy{std::vector{upstream}} {}
    /// @param upstreams  each new connection is led to the next
    explicit proxy(std::vector<std::uint16_t> upstreams);
    ~proxy();
    proxy(const proxy&) = delete;
    proxy& operator=(const proxy&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }

    void cut();                            ///< resets every connection, once
    void refuse();                         ///< the same, and every new one
    void black_hole();                     ///< nothing passes any more; connections stay open
    void delay(std::chrono::milliseconds); ///< of every piece, each way
    void heal();

    enum class lost {
        request, ///< COMMIT never arrives, and the connection is reset: the server rolls back
        reply,   ///< COMMIT is done, and the connection is reset before the server can say so
    };
    /// Once: for the next COMMIT of a transaction in which the client sent `marker`.
    void lose_commit(std::string marker, lost);

    /// How many COMMITs were lost so far.
    [[nodiscard]] int commits_lost() const { return commits_lost_; }

private:
    struct piece {
        std::chrono::steady_clock::time_point due;
        std::string bytes;
    };
    struct stream {
        int from = -1;
        int to = -1;
        std::deque<piece> waiting;
        bool ended = false; ///< nothing more will come
    };
    struct pair {
        stream request;
        stream reply;
        std::string tail;        ///< the end of what the client sent, for a marker in two pieces
        bool marked = false;     ///< the transaction holds the marker
        bool swallowing = false; ///< the reply to COMMIT is not passed on
        bool broken = false;
    };

    void work(const std::stop_token&);
    void accept_one();
    void take(pair&, stream&, bool from_client);
    void look_for_commit(pair&, std::string_view bytes);
    static void pass(pair&, stream&);
    static void reset(pair&);

    std::vector<std::uint16_t> upstreams_;
    std::size_t turn_ = 0;
    std::uint16_t port_ = 0;
    int listener_ = -1;
    std::mutex mutex_;
    std::list<pair> pairs_;
    bool refusing_ = false;
    bool black_ = false;
    std::chrono::milliseconds delay_{};
    std::string marker_;
    lost how_ = lost::request;
    std::atomic<int> commits_lost_{0};
    std::jthread thread_; // last: it uses the others
};

} // namespace tidesync::tests
