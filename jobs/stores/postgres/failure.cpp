#include "jobs/stores/postgres/failure.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace tidesync::postgres {

namespace {

using namespace std::chrono_literals;
using jobs::failure;
using jobs::failure_code;

bool is_one_of(std::string_view state, std::initializer_list<std::string_view> states) {
    return std::ranges::find(states, state) != states.end();
}

/// Where a person finds the address of a side.
std::string_view setting_of(std::string_view side) {
    if (side == "slave") return "SLAVE_DATABASE_URL";
    if (side == "production") return "PROD_DATABASE_URL";
    if (side == "scheduler store") return "TIDESYNC_QSTASH_DATABASE_URL";
    return "TIDESYNC_DATABASE_URL (default: PROD_DATABASE_URL)";
}

/// Connection errors carry no SQLSTATE through libpqxx; the server's words are all there is.
failure without_sqlstate(const error& e) {
    const std::string_view text = e.what();
    const auto says = [&](std::string_view words) { return text.find(words) != std::string_view::npos; };
    if (says("password authentication failed") || says("no pg_hba.conf entry") || says("no password supplied") ||
        (says("role \"") && says("does not exist")))
        return {
            failure_code::access_denied, e.what(),
            fmt::format("check user and password in {}, and the server's pg_hba.conf", setting_of(e.side()))};
    if (says("database \"") && says("does not exist"))
        return {
            failure_code::access_denied, e.what(), fmt::format("check the database name in {}", setting_of(e.side()))};
    if (says("certificate") || says("SSL"))
        return {
            failure_code::unreachable, e.what(),
            fmt::format(
                "check the TLS set-up of the {} server; set sslrootcert= and sslmode= in its address as its "
                "operator advises",
                e.side())};
    return {
        failure_code::unreachable, e.what(),
        fmt::format("check that the {} server runs and can be reached from here", e.side())};
}

} // namespace

error::error(std::string_view side, std::string_view activity, std::string sqlstate, std::string_view message)
    : std::runtime_error{fmt::format("{}: {}: {}", side, activity, presentable(message, sqlstate))}
    , side_{side}
    , sqlstate_{std::move(sqlstate)} {}

std::string presentable(std::string_view message, std::string_view sqlstate) {
    // libpq: `ERROR:  text\nDETAIL:  Key (id)=(7) …\nCONTEXT: …`. Only the first line holds no row.
    auto line = message.substr(0, message.find('\n'));
    // A failed connection is told in two lines: `connection to server at … failed:` and the reason.
    if (sqlstate.empty() && line.ends_with(':') && line.size() < message.size()) {
        const auto rest = message.substr(line.size() + 1);
        line = message.substr(0, line.size() + 1 + rest.substr(0, rest.find('\n')).size());
    }
    for (const std::string_view prefix : {"ERROR:  ", "FATAL:  ", "PANIC:  ", "ERROR: "})
        if (line.starts_with(prefix)) line.remove_prefix(prefix.size());
    std::string text{line.substr(0, 500)};
    if (sqlstate.starts_with("22")) {
        // From the first quote to the last, as a value may hold quotes; to the end when it was cut at a line break.
        const auto first = text.find('"');
        const auto last = text.rfind('"');
        if (first != std::string::npos)
            text = text.substr(0, first) + "(value not shown)" + (last > first ? text.substr(last + 1) : "");
    }
    // An exception that a trigger or function raised itself, whatever SQLSTATE it chose: the words are its own.
    if (sqlstate.starts_with("P0") || message.find(" at RAISE") != std::string_view::npos)
        return "a trigger or function raised an exception; its words may quote the row, so only the server's log has "
               "them";
    if (const auto raw_bytes = text.find(": 0x"); raw_bytes != std::string::npos && sqlstate.starts_with("22"))
        text.resize(raw_bytes);
    std::ranges::replace(text, '\n', ' ');
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text;
}

void rethrow_named(std::string_view side, std::string_view activity) {
    try {
        throw;
    } catch (const pqxx::in_doubt_error& e) {
        error doubtful{side, activity, "", e.what()};
        doubtful.in_doubt = true;
        throw doubtful; // NOLINT(misc-throw-by-value-catch-by-reference)
    } catch (const pqxx::broken_connection& e) {
        throw error{side, activity, "", e.what()};
    } catch (const pqxx::deadlock_detected& e) {
        throw error{side, activity, "40P01", e.what()};
    } catch (const pqxx::serialization_failure& e) {
        throw error{side, activity, "40001", e.what()};
    } catch (const pqxx::transaction_rollback& e) {
        throw error{side, activity, "40000", e.what()};
    } catch (const pqxx::insufficient_privilege& e) {
        throw error{side, activity, "42501", e.what()}; // libpqxx 6.4 loses the code
    } catch (const pqxx::sql_error& e) {
        throw error{side, activity, e.sqlstate(), e.what()};
    } catch (const pqxx::failure& e) {
        throw error{side, activity, "", e.what()};
    }
}

bool may_have_committed(std::string_view sqlstate) noexcept {
    if (sqlstate.empty() || is_one_of(sqlstate, {"25P03", "25P04"})) return true;
    return sqlstate != "57014" && is_one_of(sqlstate.substr(0, 2), {"08", "53", "57", "58", "XX"});
}

jobs::outcome outcome_of(const error& e) {
    const std::string_view state = e.sqlstate();
    const std::string text = e.what();
    if (state.empty()) {
        auto why = without_sqlstate(e);
        if (why.code == failure_code::unreachable) return jobs::retry{10s, std::move(why)};
        return jobs::give_up{std::move(why)};
    }
    if (state.starts_with("08") || is_one_of(state, {"57P01", "57P02", "57P03", "57P05", "25P03"}))
        return jobs::retry{10s, {failure_code::unreachable, text, "the server went away; the run is tried again"}};
    if (state.starts_with("40"))
        return jobs::retry{
            1s, {failure_code::busy, text, "another transaction was in the way; the run is tried again"}};
    if (state == "55P03")
        return jobs::retry{
            5s, {failure_code::busy, text, "a lock was not given in time; look for long transactions in pg_locks"}};
    if (state == "57014")
        return jobs::give_up{
            {failure_code::time_limit, text, "raise statement_timeout_s in the job's settings, or find what is slow"}};
    if (state == "55000")
        return jobs::give_up{
            {failure_code::data_refused, text,
             "the table is not in a state in which it can be written, such as one that is published without a replica "
             "identity: put right what is named above, or exclude the table"}};
    if (state.starts_with("53") || state.starts_with("55"))
        return jobs::retry{30s, {failure_code::busy, text, "the server is out of a resource named above"}};
    if (state == "25006")
        return jobs::give_up{
            {failure_code::access_denied, text,
             "the role or the server only reads: point PROD_DATABASE_URL at the primary, with a role that may write"}};
    if (state == "42501" && text.find("row-level security") != std::string::npos)
        return jobs::give_up{
            {failure_code::access_denied, text,
             "rows would be hidden from this role: use one with BYPASSRLS, or exclude the table"}};
    if (state == "42501" || state.starts_with("28"))
        return jobs::give_up{
            {failure_code::access_denied, text,
             fmt::format("grant the role in {} what docs/configuration.md says it needs", setting_of(e.side()))}};
    if (is_one_of(state, {"3F000", "42P01"}) && text.find("tidesync") != std::string::npos)
        return jobs::give_up{{failure_code::not_set_up, text, "run `tidesync migrate`"}};
    if (is_one_of(state, {"42703", "42P01", "42704"}))
        return jobs::retry{
            5s,
            {failure_code::busy, text,
             "the schema changed while the run was at work, or the role may not see what is named above; the run "
             "starts afresh"}};
    if (state.starts_with("22") || state.starts_with("23") || state.starts_with("44") || state.starts_with("P0") ||
        state == "42804") // composite types that are made differently
        return jobs::give_up{
            {failure_code::data_refused, text,
             "production refused a row of the slave and nothing was changed: make the constraint, type or trigger "
             "named above agree with the slave's data, or exclude the table"}};
    return jobs::give_up{
        {failure_code::internal, fmt::format("{} (SQLSTATE {})", text, state),
         "this should not happen: report it with the run's log"}};
}

} // namespace tidesync::postgres
