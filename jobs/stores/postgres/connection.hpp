#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <nlohmann/json_fwd.hpp>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <tuple>

namespace tidesync::postgres {

/// Opens a connection. It and all made from it stay on one thread; only `cancel_query()` may come from another.
/// @throws postgres::error
[[nodiscard]] pqxx::connection connect(const address&, std::string_view side);

/// Runs a statement with parameters ($1, $2, …), unnamed and unprepared, so that any pooler can carry it.
/// libpqxx 6 and 7 spell this differently; nothing else needs to know.
template <typename... Parameters>
pqxx::result query(pqxx::transaction_base& transaction, std::string_view text, Parameters&&... parameters) {
    const std::string statement{text};
#if PQXX_VERSION_MAJOR > 7 || (PQXX_VERSION_MAJOR == 7 && PQXX_VERSION_MINOR >= 9)
    return transaction.exec(statement, pqxx::params{std::forward<Parameters>(parameters)...});
#else
    return transaction.exec_params(statement, std::forward<Parameters>(parameters)...);
#endif
}

/// Runs a statement without parameters.
inline pqxx::result query(pqxx::transaction_base& transaction, std::string_view text) {
    return transaction.exec(std::string{text});
}

/// A name as SQL reads it: in double quotes, with those inside doubled.
[[nodiscard]] std::string quote_name(std::string_view name);

/// A text literal, standard-conforming.
[[nodiscard]] std::string quote_literal(std::string_view text);

} // namespace tidesync::postgres
