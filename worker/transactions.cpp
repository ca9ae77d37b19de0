#include "worker/transactions.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace tidesync::worker {

namespace {

constexpr std::chrono::seconds connection_wait_max{5};

/// Its place in transactions::error_classes.
std::size_t class_of(const postgres::error& e) {
    const std::string_view state = e.sqlstate();
    if (state.empty() || state.starts_with("08") || state.starts_with("57P")) return 0;
    if (state.starts_with("40")) return 1;
    if (state == "55P03" || state == "57014") return 2; // a lock or a statement took longer than it may
    if (state.starts_with("53")) return 3;
    return 4;
}

} // namespace

class transactions::pool {
public:
    pool(std::string side, postgres::address where, std::size_t connections_max)
        : side_{std::move(side)}
        , where_{std::move(where)}
        , connections_max_{connections_max} {}

    struct lease {
        std::unique_ptr<pqxx::connection> connection;
        bool fresh = false;
    };

    lease take() {
        std::unique_lock lock{mutex_};
        const bool in_time =
            returned_.wait_for(lock, connection_wait_max, [&] { return !idle_.empty() || open_ < connections_max_; });
        if (!in_time) throw postgres::error{side_, "waiting for a free connection", "53300", "all are in use"};
        if (!idle_.empty()) {
            auto connection = std::move(idle_.back());
            idle_.pop_back();
            return {std::move(connection), false};
        }
        ++open_;
        lock.unlock();
        try {
            // libpqxx 6 cannot move a connection, but it can be made in place.
            return {std::unique_ptr<pqxx::connection>{new pqxx::connection(postgres::connect(where_, side_))}, true};
        } catch (...) {
            drop();
            throw;
        }
    }

    void give_back(std::unique_ptr<pqxx::connection> connection) {
        const std::scoped_lock lock{mutex_};
        idle_.push_back(std::move(connection));
        returned_.notify_one();
    }

    void drop() {
        const std::scoped_lock lock{mutex_};
        --open_;
        returned_.notify_one();
    }

    /// One kept connection broke: the others were made before whatever broke it, and each would cost its own wait.
    void drop_kept() {
        const std::scoped_lock lock{mutex_};
        open_ -= idle_.size();
        idle_.clear();
        returned_.notify_all();
    }

    usage used() {
        const std::scoped_lock lock{mutex_};
        return {.in_use = open_ - idle_.size(), .idle = idle_.size(), .errors = errors_};
    }

    void count(const postgres::error& e) {
        const std::scoped_lock lock{mutex_};
        ++errors_.at(class_of(e));
    }

private:
    std::string side_;
    postgres::address where_;
    std::size_t connections_max_;
    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<std::unique_ptr<pqxx::connection>> idle_;
    std::size_t open_ = 0;
    decltype(usage::errors) errors_{};
};

transactions::transactions(std::string side, postgres::address where, std::size_t connections_max)
    : side_{std::move(side)}
    , pool_{std::make_unique<pool>(side_, std::move(where), connections_max)} {}

transactions::~transactions() = default;

transactions::usage transactions::used() const { return pool_->used(); }

void transactions::run(std::string_view activity, const std::function<void(pqxx::transaction_base&)>& body) {
    const auto attempt = [&body](pqxx::connection& connection) {
        pqxx::work transaction{connection};
        // The last is for a process that is stopped in here: the rows it has locked are what its successor needs.
        transaction.exec("SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '5s'; "
                         "SET LOCAL idle_in_transaction_session_timeout = '3s'");
        body(transaction);
        transaction.commit();
    };
    const auto until_done = [&] {
        for (;;) {
            auto held = pool_->take();
            try {
                attempt(*held.connection);
                pool_->give_back(std::move(held.connection));
                return;
            } catch (const pqxx::in_doubt_error&) {
                pool_->drop();
                throw; // it may have happened: whoever asked has to ask again
            } catch (const pqxx::broken_connection&) {
                pool_->drop();
                pool_->drop_kept();
                // A kept connection may have died long ago with a restart of the server. Nothing was committed on it.
                if (held.fresh) throw;
            } catch (...) {
                pool_->drop();
                throw;
            }
        }
    };
    try {
        postgres::named(side_, activity, until_done);
    } catch (const postgres::error& e) {
        pool_->count(e);
        throw;
    }
}

} // namespace tidesync::worker
