#include "worker/pooler_probe.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"
#include "worker/limited_connection.hpp"

#include <array>
#include <fmt/format.h>
#include <optional>
#include <random>
#include <sql/doctor.hpp>

namespace tidesync::worker {

namespace {

/// Who asks. No rhythm in it: a pooler that goes round a few servers must not come out even.
constexpr std::string_view turns = "aabababbabaa";
constexpr int tries_to_forget = 20;

struct session {
    int pid = 0;
    std::optional<std::string> word;
};

session look(pqxx::connection& connection) {
    pqxx::work transaction{connection};
    const auto row = postgres::query(transaction, sql::doctor::read_session.text)[0];
    session seen{row["pid"].as<int>(), {}};
    if (!row["word"].is_null()) seen.word = row["word"].as<std::string>();
    return seen;
}

/// @returns false when the two share servers, or change them
bool keep_their_servers(pqxx::connection& a, pqxx::connection& b) {
    std::array<int, 2> servers{};
    for (const char turn : turns) {
        auto& known = servers.at(turn == 'a' ? 0 : 1);
        const int pid = look(turn == 'a' ? a : b).pid;
        if (known != 0 && known != pid) return false;
        known = pid;
        if (servers[0] == servers[1]) return false;
    }
    return true;
}

/// Takes the setting back. Should another server have it after all, it comes by again soon: poolers reuse the last one.
void forget(pqxx::connection& connection, const std::string& word) {
    for (int i = 0; i < tries_to_forget; ++i) {
        pqxx::work transaction{connection};
        const auto row = postgres::query(transaction, sql::doctor::read_session.text)[0];
        if (row["word"].is_null() || row["word"].as<std::string>() != word) continue;
        transaction.exec("RESET tidesync.doctor");
        transaction.commit();
        return;
    }
}

/// @returns whether what a session sets lasts in it, and is seen in no other
bool keep_their_settings(pqxx::connection& a, pqxx::connection& b) {
    const auto word = fmt::format("{:08x}", std::random_device{}());
    {
        pqxx::work transaction{a};
        postgres::query(transaction, sql::doctor::set_word.text, word);
        transaction.commit();
    }
    bool kept = true;
    for (const char turn : turns) {
        const auto seen = look(turn == 'a' ? a : b).word;
        kept = kept && (seen == word) == (turn == 'a');
    }
    forget(a, word);
    return kept;
}

} // namespace

pooler probe_pooler(const postgres::address& where, std::string_view side, std::chrono::milliseconds limit) {
    limited_connection first{where, side, limit};
    limited_connection second{where, side, limit};
    auto& a = first.get();
    auto& b = second.get();
    try {
        return postgres::named(side, "looking for a pooler, with two connections at once", [&] {
            if (!keep_their_servers(a, b) || !keep_their_settings(a, b)) return pooler::transaction;
            // A pooler makes up the number by which a client cancels; a server says its own.
            return a.backendpid() == look(a).pid ? pooler::none : pooler::session;
        });
    } catch (const postgres::error& e) {
        if (std::string_view{e.what()}.find("statement pooling") != std::string_view::npos) return pooler::statement;
        throw;
    }
}

std::string probe_snapshot(const postgres::address& where, std::string_view side, std::chrono::milliseconds limit) {
    try {
        postgres::named(side, "handing a snapshot from one connection to another", [&] {
            limited_connection first{where, side, limit};
            limited_connection second{where, side, limit};
            pqxx::work giver{first.get()};
            giver.exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
            const auto snapshot = giver.exec("SELECT pg_export_snapshot()")[0][0].as<std::string>();
            pqxx::work taker{second.get()};
            taker.exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
            taker.exec("SET TRANSACTION SNAPSHOT " + postgres::quote_literal(snapshot));
        });
        return {};
    } catch (const postgres::error& e) {
        return e.what();
    }
}

} // namespace tidesync::worker
