#include "worker/token_store.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "worker/run_store_rows.hpp"

#include <charconv>
#include <sql/run_store.hpp>

namespace tidesync::worker {

namespace {

using rows::text_or_empty;

constexpr std::size_t connections = 2;

std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += digits[byte / 16];
        text += digits[byte % 16];
    }
    return text;
}

std::string bytes_of(std::string_view hex) {
    std::string bytes(hex.size() / 2, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        unsigned char byte = 0;
        std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, byte, 16);
        bytes[i] = static_cast<char>(byte);
    }
    return bytes;
}

live_token token_of(const pqxx::row& row) {
    return {
        .id = text_or_empty(row, "id"),
        .name = text_or_empty(row, "name"),
        .scope = scope_of(text_or_empty(row, "scope")).value_or(scope::read),
        .sha256 = {}};
}

} // namespace

token_store::token_store(postgres::address where)
    : transactions_{"run store", std::move(where), connections} {}

std::optional<token_store::made> token_store::create(const order& wanted, const requester& who) {
    const auto token = make_token();
    const auto days = wanted.days ? std::optional{std::to_string(*wanted.days)} : std::nullopt;
    return transactions_.get("storing a token", [&](pqxx::transaction_base& transaction) -> std::optional<made> {
        postgres::query(transaction, sql::lock_tokens.text);
        const auto stored = postgres::query(
            transaction, sql::create_token.text, token.id, wanted.name, std::string{to_string(wanted.scope)},
            hex(token.sha256), who.actor, days ? days->c_str() : nullptr, live_tokens_max);
        if (stored.empty()) return std::nullopt;
        made result{token, text_or_empty(stored[0], "expires_at")};
        nlohmann::json detail{{"token", token.id}, {"name", wanted.name}, {"scope", to_string(wanted.scope)}};
        if (!result.expires_at.empty()) detail["expires_at"] = result.expires_at;
        rows::add_audit(transaction, {.who = who, .action = "token.create", .detail = std::move(detail)});
        return result;
    });
}

std::vector<token_view> token_store::list(int rows_max) {
    return transactions_.get("listing tokens", [&](auto& transaction) {
        std::vector<token_view> views;
        for (const auto& row : postgres::query(transaction, sql::list_tokens.text, rows_max))
            views.push_back(
                {.id = text_or_empty(row, "id"),
                 .name = text_or_empty(row, "name"),
                 .scope = text_or_empty(row, "scope"),
                 .state = text_or_empty(row, "state"),
                 .created_at = text_or_empty(row, "created_at"),
                 .created_by = text_or_empty(row, "created_by"),
                 .expires_at = text_or_empty(row, "expires_at"),
                 .revoked_at = text_or_empty(row, "revoked_at"),
                 .revoked_by = text_or_empty(row, "revoked_by"),
                 .last_used_at = text_or_empty(row, "last_used_at")});
        return views;
    });
}

std::vector<live_token> token_store::revoke(const std::string& id_or_name, const requester& who) {
    return transactions_.get("revoking a token", [&](pqxx::transaction_base& transaction) {
        std::vector<live_token> meant;
        for (const auto& row : postgres::query(transaction, sql::find_live_tokens.text, id_or_name))
            meant.push_back(token_of(row));
        if (meant.size() != 1) return meant;
        const auto& token = meant.front();
        if (postgres::query(transaction, sql::revoke_token.text, token.id, who.actor).empty())
            return std::vector<live_token>{};
        rows::add_audit(
            transaction, {.who = who,
                          .action = "token.revoke",
                          .detail = {{"token", token.id}, {"name", token.name}, {"scope", to_string(token.scope)}}});
        return meant;
    });
}

std::vector<live_token> token_store::read_live() {
    return transactions_.get("reading tokens", [&](auto& transaction) {
        std::vector<live_token> tokens;
        for (const auto& row : postgres::query(transaction, sql::read_live_tokens.text)) {
            auto token = token_of(row);
            token.sha256 = bytes_of(text_or_empty(row, "sha256"));
            if (!row["left_ms"].is_null())
                token.left = std::chrono::milliseconds{row["left_ms"].template as<std::int64_t>()};
            tokens.push_back(std::move(token));
        }
        return tokens;
    });
}

void token_store::note_use(const std::string& id) {
    transactions_.run("noting the use of a token", [&](auto& transaction) {
        postgres::query(transaction, sql::note_token_use.text, id);
    });
}

} // namespace tidesync::worker
