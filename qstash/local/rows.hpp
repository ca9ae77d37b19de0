#pragma once

#include "qstash/local/sql/statement.hpp"
#include "qstash/local/store.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What crosses between rows and our types. For the files of the store alone.
namespace tidesync::qstash::local {

/// libpqxx 6 and 7 spell parameters differently; nothing else here needs to know.
template <typename... Parameters>
pqxx::result query(pqxx::transaction_base& transaction, const sql::statement& statement, Parameters&&... parameters) {
    const std::string text{statement.text};
#if PQXX_VERSION_MAJOR > 7 || (PQXX_VERSION_MAJOR == 7 && PQXX_VERSION_MINOR >= 9)
    return transaction.exec(text, pqxx::params{std::forward<Parameters>(parameters)...});
#else
    return transaction.exec_params(text, std::forward<Parameters>(parameters)...);
#endif
}

// -- what goes in -----------------------------------------------------------------------------------------------------

/// Bytes cross as hex: the one form that every libpqxx takes and no encoding changes.
[[nodiscard]] std::string to_hex(std::string_view bytes);
[[nodiscard]] std::int64_t ms(time_point);
[[nodiscard]] std::optional<std::int64_t> ms(std::optional<time_point>);
[[nodiscard]] std::optional<std::string> text_or_null(const std::string&); ///< null for an empty one
/// Header values may hold any byte, a JSON text in the database may not.
[[nodiscard]] std::string dump(const nlohmann::json&);
/// An array in PostgreSQL's own text form.
[[nodiscard]] std::string array_of(const std::vector<std::int64_t>&);
[[nodiscard]] std::string array_of(const std::vector<std::string>&);

void insert_message(pqxx::transaction_base&, const std::string& account, const new_message&, time_point now);

// -- what comes out; null is empty ------------------------------------------------------------------------------------

[[nodiscard]] std::string text_of(const pqxx::row&, const char* column);
[[nodiscard]] std::string bytes_of(const pqxx::row&, const char* column); ///< from hex
[[nodiscard]] nlohmann::json json_of(const pqxx::row&, const char* column);
[[nodiscard]] time_point time_of(const pqxx::row&, const char* column);
[[nodiscard]] std::optional<time_point> maybe_time(const pqxx::row&, const char* column);

/// What logs, dead letters, attempts and messages have in common.
[[nodiscard]] stored_message message_of(const pqxx::row&);
/// The same with who asked for it and when, which logs leave out.
[[nodiscard]] stored_message dated_message_of(const pqxx::row&);

} // namespace tidesync::qstash::local
