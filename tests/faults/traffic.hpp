#pragma once

#include "tests/faults/world.hpp"

#include <atomic>
#include <map>
#include <set>
#include <thread>

namespace tidesync::tests {

/// What came of one message.
struct message_record {
    std::set<int> acks;         ///< statuses after which QStash sends no more
    std::set<std::string> runs; ///< that the acks named: one
    int tries = 0;
    int unanswered = 0; ///< tries that got no answer in time, or a broken one
    int refused = 0;    ///< 503
};

/// Life as usual, from threads of its own: messages that are sent until a worker takes them and sometimes once more, an
/// application that writes on the slave, and somebody who reads production. Stands in for QStash, whose service cannot
/// be had here and whose local server is a scenario of its own.
class traffic {
public:
    struct pace {
        int senders = 2;
        std::chrono::milliseconds between_messages{150};
        std::chrono::milliseconds between_writes{120};
    };
    traffic(const world&, pace);
    explicit traffic(const world& where)
        : traffic{where, pace{}} {}

    /// No more messages and no more writes; what was published is sent on until it is taken, for a minute at most.
    void finish();

    /// The rest only after `finish`.
    [[nodiscard]] const std::map<std::string, message_record>& messages() const { return messages_; }
    /// What was seen that must never be: a mixed or older state, an answer that makes QStash do the wrong thing.
    [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
    [[nodiscard]] int snapshots() const { return snapshots_; }

private:
    void send_messages(int sender, const std::stop_token&);
    void send_one(const std::string& id, std::mt19937&);
    [[nodiscard]] bool try_one(const std::string& id, int nth, std::uint16_t port);
    void write(const std::stop_token&) const;
    void read(const std::stop_token&);
    void complain(std::string what);

    const world& world_;
    pace pace_;
    std::mutex mutex_;
    std::map<std::string, message_record> messages_;
    std::vector<std::string> violations_;
    std::atomic<int> snapshots_{0};
    std::vector<std::jthread> senders_;
    std::jthread writer_;
    std::jthread reader_;
};

} // namespace tidesync::tests
