#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <functional>
#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <string_view>

namespace tidesync::worker {

/// Short transactions on one database from many threads: a few connections, opened when needed and kept. Holds no
/// session state, so that a transaction-mode pooler may stand in between.
class transactions {
public:
    /// @param side  names the database in errors, `run store`
    transactions(std::string side, postgres::address);
    ~transactions();
    transactions(const transactions&) = delete;
    transactions& operator=(const transactions&) = delete;

    /// Runs `body` in a transaction and commits it. When a kept connection turns out to be dead it is run again on a
    /// fresh one, so it must set its results anew each time.
    /// @throws postgres::error  named after `activity`; `in_doubt` when the COMMIT got no answer
    void run(std::string_view activity, const std::function<void(pqxx::transaction_base&)>& body);

private:
    class pool;
    std::string side_;
    std::unique_ptr<pool> pool_;
};

} // namespace tidesync::worker
