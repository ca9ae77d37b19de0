#pragma once

#include "jobs/stores/postgres/connection.hpp"
#include "worker/runs.hpp"

#include <pqxx/pqxx>
#include <string>

/// Rows of the run store as this program knows them. Shared by the parts of run_store and token_store only.
namespace tidesync::worker::rows {

[[nodiscard]] bool is_uuid(const std::string&);

[[nodiscard]] std::string text_or_empty(const pqxx::row&, const char* column);
[[nodiscard]] nlohmann::json json_or_null(const pqxx::row&, const char* column);

/// A row of delivery_alarm, as to_jsonb makes it; nothing for null.
[[nodiscard]] std::optional<delivery_alarm> alarm_of(const nlohmann::json&);

/// What became of a run: all that a delivery is told.
[[nodiscard]] run_view outcome_of(const pqxx::row&);
[[nodiscard]] run_view view_of(const pqxx::row&);

/// Takes a run that may start now. @param run_id  only this one; empty for any
[[nodiscard]] std::optional<claimed_run> claim(
    pqxx::transaction_base&, const std::string& worker, std::chrono::milliseconds lease,
    const std::vector<std::string>& jobs, const std::string& run_id);

/// To be called in the transaction that does what the entry says.
void add_audit(pqxx::transaction_base&, const audit_entry&);

} // namespace tidesync::worker::rows
