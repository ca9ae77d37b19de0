#include "qstash/local/store.hpp"

#include "qstash/digest.hpp"
#include "qstash/local/rows.hpp"

#include <qstash/local/sql/queries.hpp>
#include <qstash/local/sql/schema.hpp>

namespace tidesync::qstash::local {

store::store(transactor run, const std::vector<std::string>& accounts)
    : run_{std::move(run)}
    , accounts_{array_of(accounts)} {}

time_point store::now() const {
    time_point result;
    run_("reading the clock", [&](pqxx::transaction_base& transaction) {
        result = time_of(query(transaction, sql::read_clock)[0], "now_ms");
    });
    return result;
}

void store::give_keys(const std::string& account, const keys_of_account& keys, bool always) const {
    // Each key is hashed by itself, so that no two pairs read the same.
    const auto given = to_hex(sha256(sha256(keys.current) + sha256(keys.next)));
    run_("setting the signing keys", [&](pqxx::transaction_base& transaction) {
        query(transaction, sql::give_keys, account, keys.current, keys.next, given, always);
    });
}

std::vector<std::string> store::read_accounts() const {
    std::vector<std::string> accounts;
    run_("reading the accounts", [&](pqxx::transaction_base& transaction) {
        accounts.clear();
        for (const auto& row : query(transaction, sql::read_accounts)) accounts.push_back(text_of(row, "account"));
    });
    return accounts;
}

keys_of_account store::read_keys(const std::string& account) const {
    keys_of_account keys;
    run_("reading the signing keys", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::read_keys, account);
        keys = {text_of(rows.at(0), "current_key"), text_of(rows.at(0), "next_key")};
    });
    return keys;
}

keys_of_account store::rotate_keys(const std::string& account, const std::string& fresh, time_point now) const {
    keys_of_account keys;
    run_("rotating the signing keys", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::rotate_keys, account, fresh, ms(now));
        keys = {text_of(rows.at(0), "current_key"), text_of(rows.at(0), "next_key")};
    });
    return keys;
}

int store::forget_old(time_point now, std::chrono::seconds kept_for, int rows_max) const {
    int forgotten = 0;
    run_("forgetting old messages", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::forget_old, ms(now), static_cast<int>(kept_for.count()), rows_max);
        forgotten = rows.at(0)["forgotten"].as<int>();
    });
    return forgotten;
}

std::vector<std::string_view> schema_files() { return {sql::schema_0001_scheduler.text}; }

} // namespace tidesync::qstash::local
