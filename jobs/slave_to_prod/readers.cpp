#include "jobs/slave_to_prod/readers.hpp"

#include "jobs/slave_to_prod/strategy.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <fmt/format.h>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

namespace tidesync::slave_to_prod {

namespace {

using namespace std::chrono_literals;

constexpr auto ask_owner_every = 10s;

/// The places of the plan's tables, those with most to read first: whoever comes last then has little left to do.
std::vector<std::size_t> largest_first(const plan& plan) {
    std::vector<std::size_t> order(plan.tables.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::sort(order, std::greater{}, [&](std::size_t i) { return std::pair{plan.tables[i].bytes, i}; });
    return order;
}

} // namespace

readers::readers(
    const postgres::address& slave, const postgres::address& production, const server_limits& limits, purpose what_for,
    const jobs::run_context& run, jobs::report& report)
    : slave_{slave}
    , production_{production}
    , limits_{limits}
    , purpose_{what_for}
    , follow_{run.stop, [this] { halt_.request_stop(); }}
    , run_{run} {
    run_.stop = halt_.get_token();
    auto theirs = open_production(production_, limits_, run_, purpose_ == purpose::deleting);
    production_snapshot_ = std::move(theirs.snapshot);
    auto ours = open_slave(slave_, limits_, run_, purpose_ != purpose::comparing, report);
    slave_snapshot_ = std::move(ours.snapshot);
    slave_tables_ = std::move(ours.tables);
    readers_.push_back({0, std::move(ours.sessions), std::move(theirs.sessions)});
}

void readers::open_more(const plan& plan, std::vector<std::string>& warnings) {
    const auto long_ones =
        std::ranges::count_if(plan.tables, [](const auto& table) { return table.bytes > small_bytes_max; });
    const auto wanted = std::min<std::ptrdiff_t>(limits_.readers, long_ones);
    while (std::ssize(readers_) < wanted) {
        try {
            readers_.push_back(
                {readers_.size(), borrow_slave(slave_, limits_, run_, slave_snapshot_, purpose_ != purpose::comparing),
                 borrow_production(production_, limits_, run_, production_snapshot_, purpose_ == purpose::deleting)});
        } catch (const postgres::error& e) {
            if (run_.stop.stop_requested()) throw;
            ask_owner(); // nothing can be borrowed from an owner who has lost it: then that is the error
            warnings.push_back(fmt::format(
                "{} of {} readers could be opened, and tables wait for each other: {}; allow more connections, or set "
                "readers: in tidesync.yaml",
                readers_.size(), wanted, e.what()));
            return;
        }
    }
}

void readers::for_each_table(const plan& plan, const std::function<void(reader&, std::size_t)>& read) {
    if (readers_.size() == 1) {
        for (std::size_t i = 0; i < plan.tables.size(); ++i) read(first(), i);
        return;
    }
    const auto order = largest_first(plan);
    std::atomic<std::size_t> taken{0};
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t at_work = 1;
    std::exception_ptr failure;
    const auto guarded = [&](const auto& work) {
        try {
            work();
        } catch (...) {
            {
                const std::scoped_lock lock{mutex};
                if (!failure) failure = std::current_exception();
            }
            taken = order.size();
            halt_.request_stop();
        }
    };
    const auto take_turns = [&](reader& reader) {
        guarded([&] {
            for (auto turn = taken++; turn < order.size(); turn = taken++) read(reader, order[turn]);
        });
        const std::scoped_lock lock{mutex};
        --at_work;
        changed.notify_all();
    };
    {
        std::vector<std::jthread> threads;
        guarded([&] {
            for (std::size_t i = 1; i < readers_.size(); ++i) {
                threads.emplace_back([&, i] { take_turns(readers_[i]); });
                const std::scoped_lock lock{mutex};
                ++at_work;
            }
        });
        take_turns(first());
        // Whoever owns the snapshots must not stand idle for longer than its servers let it.
        std::unique_lock lock{mutex};
        while (!changed.wait_for(lock, ask_owner_every, [&] { return at_work == 0; })) {
            lock.unlock();
            guarded([&] { ask_owner(); });
            lock.lock();
        }
    }
    if (failure) std::rethrow_exception(failure);
}

slave_sessions readers::leave() {
    first().production.words.execute("COMMIT", "closing the snapshot");
    for (auto& [number, slave, production] : readers_) {
        if (production.keys) let_go(*production.keys);
        if (number == 0) continue;
        let_go(production.words);
        let_go(slave.words);
        if (slave.rows) let_go(*slave.rows);
    }
    auto owner = std::move(first().slave);
    readers_.clear();
    return owner;
}

void readers::ask_owner() {
    first().slave.words.execute("SELECT", "holding the snapshot");
    first().production.words.execute("SELECT", "holding the snapshot");
}

} // namespace tidesync::slave_to_prod
