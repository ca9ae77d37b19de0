#include "tests/faults/traffic.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto delivery_timeout = 4s; // QStash's 30 s, as everything here is shorter

} // namespace

traffic::traffic(const world& where, pace with)
    : world_{where}
    , pace_{with} {
    for (int i = 0; i < pace_.senders; ++i)
        senders_.emplace_back([this, i](const std::stop_token& stop) { send_messages(i, stop); });
    writer_ = std::jthread{[this](const std::stop_token& stop) { write(stop); }};
    reader_ = std::jthread{[this](const std::stop_token& stop) { read(stop); }};
}

void traffic::finish() {
    for (auto& sender : senders_) sender.request_stop();
    for (auto& sender : senders_) sender.join();
    senders_.clear();
    for (auto* each : {&writer_, &reader_}) {
        each->request_stop();
        each->join();
        *each = {};
    }
}

void traffic::complain(std::string what) {
    const std::scoped_lock lock{mutex_};
    violations_.push_back(std::move(what));
}

void traffic::send_messages(int sender, const std::stop_token& stop) {
    std::mt19937 random{world_.how.seed * 31U + static_cast<std::uint32_t>(sender)};
    for (int nth = 0; !stop.stop_requested(); ++nth) {
        send_one(fmt::format("msg_{}_{}", sender, nth), random);
        std::this_thread::sleep_for(pace_.between_messages);
    }
}

void traffic::send_one(const std::string& id, std::mt19937& random) {
    const auto until = clock::now() + 60s;
    const auto any_port = [&] { return world_.port(random()); };
    int tries = 0;
    while (!try_one(id, ++tries, any_port())) {
        if (clock::now() > until) return complain(fmt::format("message {} was not taken within a minute", id));
        std::this_thread::sleep_for(std::chrono::milliseconds{100 + random() % 300});
    }
    if (random() % 3 == 0) (void)try_one(id, ++tries, any_port()); // at least once, says QStash
}

bool traffic::try_one(const std::string& id, int nth, std::uint16_t port) {
    const serving::message message{.id = id, .jti = fmt::format("{}_try_{}", id, nth)};
    std::optional<http_answer> answer;
    try {
        answer = ask(port, "POST", sync_route, delivery_headers(message), message.body, delivery_timeout);
    } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): nobody listens there any more
    }
    const std::scoped_lock lock{mutex_};
    auto& record = messages_[id];
    ++record.tries;
    if (!answer || answer->status == 0) {
        ++record.unanswered;
        return false;
    }
    const auto document = nlohmann::json::parse(answer->body, nullptr, false);
    if (answer->status == 503) {
        ++record.refused;
        if (answer->headers.contains("retry-after")) violations_.push_back("a 503 carries Retry-After");
        return false;
    }
    if (answer->status != 200 && answer->status != 202 && answer->status != 489) {
        violations_.push_back(fmt::format("message {} was answered {}: {}", id, answer->status, answer->body));
        return false;
    }
    record.acks.insert(answer->status);
    record.runs.insert(document.is_object() ? document.value("run", "") : "");
    return true;
}

void traffic::write(const std::stop_token& stop) const {
    while (!stop.stop_requested()) {
        try {
            world_.databases.slave.run(
                "UPDATE item SET generation = generation + 1; UPDATE detail SET generation = generation + 1; "
                "INSERT INTO item SELECT max(id) + 1, max(generation), 'new' FROM item");
        } catch (const pqxx::failure&) { // NOLINT(bugprone-empty-catch): the server is being restarted
        }
        std::this_thread::sleep_for(pace_.between_writes);
    }
}

void traffic::read(const std::stop_token& stop) {
    std::int64_t newest = 0;
    std::unique_ptr<pqxx::connection> connection;
    while (!stop.stop_requested()) {
        std::this_thread::sleep_for(15ms);
        try {
            if (!connection) connection = std::make_unique<pqxx::connection>(world_.databases.production.url());
            // One statement sees one state.
            const auto seen = pqxx::nontransaction{*connection}.exec(
                "SELECT coalesce((SELECT min(generation) FROM item), 0), coalesce((SELECT max(generation) FROM item), "
                "0), "
                "coalesce((SELECT min(generation) FROM detail), 0), coalesce((SELECT max(generation) FROM detail), 0)")
                                  [0];
            ++snapshots_;
            const auto generation = seen[0].as<std::int64_t>();
            for (int i = 1; i < 4; ++i)
                if (seen[i].as<std::int64_t>() != generation)
                    complain(
                        fmt::format("production was seen between {} and {}", generation, seen[i].as<std::int64_t>()));
            if (generation < newest) complain(fmt::format("production went back from {} to {}", newest, generation));
            newest = std::max(newest, generation);
        } catch (const pqxx::failure&) {
            connection.reset(); // the server is being restarted
        }
    }
}

} // namespace tidesync::tests
