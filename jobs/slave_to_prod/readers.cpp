#include "jobs/slave_to_prod/readers.hpp"

#include "jobs/slave_to_prod/strategy.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

namespace tidesync::slave_to_prod {

namespace {

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

void readers::open_more(const plan& plan) {
    const auto long_ones =
        std::ranges::count_if(plan.tables, [](const auto& table) { return table.bytes > small_bytes_max; });
    const auto wanted = std::min<std::ptrdiff_t>(limits_.readers, long_ones);
    while (std::ssize(readers_) < wanted)
        readers_.push_back(
            {readers_.size(), borrow_slave(slave_, limits_, run_, slave_snapshot_, purpose_ != purpose::comparing),
             borrow_production(production_, limits_, run_, production_snapshot_, purpose_ == purpose::deleting)});
}

void readers::for_each_table(const plan& plan, const std::function<void(reader&, std::size_t)>& read) {
    if (readers_.size() == 1) {
        for (std::size_t i = 0; i < plan.tables.size(); ++i) read(first(), i);
        return;
    }
    const auto order = largest_first(plan);
    std::atomic<std::size_t> taken{0};
    std::mutex mutex;
    std::exception_ptr failure;
    const auto take_turns = [&](reader& reader) {
        try {
            for (auto turn = taken++; turn < order.size(); turn = taken++) read(reader, order[turn]);
        } catch (...) {
            {
                const std::scoped_lock lock{mutex};
                if (!failure) failure = std::current_exception();
            }
            taken = order.size();
            halt_.request_stop();
        }
    };
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < readers_.size(); ++i) threads.emplace_back([&, i] { take_turns(readers_[i]); });
        take_turns(first());
    }
    if (failure) std::rethrow_exception(failure);
}

slave_sessions readers::leave() {
    for (auto& [number, slave, production] : readers_) {
        let_go(production.words);
        if (production.keys) let_go(*production.keys);
        if (number == 0) continue;
        let_go(slave.words);
        if (slave.rows) let_go(*slave.rows);
    }
    auto owner = std::move(first().slave);
    readers_.clear();
    return owner;
}

} // namespace tidesync::slave_to_prod
