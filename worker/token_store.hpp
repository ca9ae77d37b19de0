#pragma once

#include "worker/runs.hpp"
#include "worker/tokens.hpp"
#include "worker/transactions.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace tidesync::worker {

/// More live tokens than this are not made: every worker keeps them all in memory.
inline constexpr int live_tokens_max = 1000;

/// A token as it is shown; the times are ISO 8601 in UTC, empty where there is none.
struct token_view {
    std::string id;
    std::string name;
    std::string scope;
    std::string state; ///< live, expired or revoked
    std::string created_at;
    std::string created_by;
    std::string expires_at;
    std::string revoked_at;
    std::string revoked_by;
    std::string last_used_at; ///< to about a minute
};

/// A token that opens something now.
struct live_token {
    std::string id;
    std::string name;
    worker::scope scope = scope::read;
    std::string sha256;                              ///< 32 raw bytes
    std::optional<std::chrono::milliseconds> left{}; ///< until it expires, by the store's clock when it was read
};

/// Tokens in the run store. Has connections of its own, so that who is asking is known even while all others wait for a
/// lock. Every function throws postgres::error when the store does not answer; all may be called from any thread.
class token_store {
public:
    explicit token_store(postgres::address);

    struct order {
        std::string name;
        worker::scope scope = scope::read;
        std::optional<int> days{}; ///< that it is good for; nothing: for ever
    };
    struct made {
        new_token token;
        std::string expires_at; ///< empty: never
    };
    /// @returns nothing when live_tokens_max are there already
    std::optional<made> create(const order&, const requester&);

    /// Newest first, those that open nothing any more as well.
    std::vector<token_view> list(int rows_max);

    /// Revokes the token of that id, else the one of that name.
    /// @returns the live tokens that were meant: the one that is revoked now, or none, or several, which all stay
    std::vector<live_token> revoke(const std::string& id_or_name, const requester&);

    std::vector<live_token> read_live();

    /// Remembers that it was used just now.
    void note_use(const std::string& id);

private:
    transactions transactions_;
};

} // namespace tidesync::worker
