#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace tidesync::worker {

/// Short transactions on one database from many threads: a few connections, opened when needed and kept. Holds no
/// session state, so that a transaction-mode pooler may stand in between.
class transactions {
public:
    /// @param side             names the database in errors, `run store`
    /// @param connections_max  opened when needed and kept
    transactions(std::string side, postgres::address, std::size_t connections_max = 8);
    ~transactions();
    transactions(const transactions&) = delete;
    transactions& operator=(const transactions&) = delete;

    /// Runs `body` in a transaction and commits it. When a kept connection turns out to be dead it is run again on a
    /// fresh one, so it must set its results anew each time.
    /// @throws postgres::error  named after `activity`; `in_doubt` when the COMMIT got no answer
    void run(std::string_view activity, const std::function<void(pqxx::transaction_base&)>& body);

    /// The same, for a body with a result.
    template <typename Body>
    auto get(std::string_view activity, Body&& body) {
        std::optional<std::invoke_result_t<Body&, pqxx::transaction_base&>> result;
        run(activity, [&](pqxx::transaction_base& transaction) { result.emplace(body(transaction)); });
        if (!result) throw std::logic_error{"a transaction came back without its body's result"};
        return std::move(*result);
    }

    struct usage {
        std::size_t in_use = 0; ///< connections
        std::size_t idle = 0;
        std::array<std::uint64_t, 5> errors{}; ///< so far, in the order of error_classes
    };
    static constexpr std::array<std::string_view, 5> error_classes{
        "connection", "conflict", "limit", "resources", "other"};
    [[nodiscard]] usage used() const;

private:
    class pool;
    std::string side_;
    std::unique_ptr<pool> pool_;
};

} // namespace tidesync::worker
