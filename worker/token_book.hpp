#pragma once

#include "worker/authorize.hpp"
#include "worker/token_store.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace tidesync::worker {

/// The tokens could not be read: who is asking is not known.
struct tokens_unknown : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct token_book_rules {
    std::chrono::milliseconds fresh{2000};        ///< how long what was read counts, from when it was asked for
    std::chrono::milliseconds between_reads{200}; ///< from one question to the next, answered or not
    std::chrono::milliseconds between_notes{60'000};
};

/// All live tokens, in memory, as the store had them a moment ago. A token that was revoked opens nothing two seconds
/// later, on any worker; rubbish costs the store five reads a second, however much of it comes. May be called from any
/// thread.
class token_book {
public:
    using clock = std::chrono::steady_clock;

    /// @param read  asks the store for all live tokens; throws when it does not answer
    explicit token_book(
        std::function<std::vector<live_token>()> read, token_book_rules = {},
        std::function<clock::time_point()> now = clock::now);

    using verdict = std::variant<bearer, refused>;

    /// Never blocks. @returns nothing when the store has to be asked
    [[nodiscard]] std::optional<verdict> look_up(const presented_token&);

    /// Asks the store where that is due; several who ask at once share one answer.
    /// @throws tokens_unknown
    [[nodiscard]] verdict ask(const presented_token&);

    /// @returns whether the store should be told that this token was used; about once a minute
    [[nodiscard]] bool wants_note(const std::string& id);

private:
    struct page {
        clock::time_point asked;
        std::unordered_map<std::string, live_token> tokens;
    };

    [[nodiscard]] std::optional<verdict> decide(const presented_token&, clock::time_point came) const;
    void read_page(std::unique_lock<std::mutex>&);

    std::function<std::vector<live_token>()> read_;
    token_book_rules rules_;
    std::function<clock::time_point()> now_;
    std::mutex mutex_;
    std::condition_variable answered_;
    bool reading_ = false;
    std::optional<page> page_;
    std::string failure_; ///< of the last reading; empty when it went well
    clock::time_point failed_at_;
    std::unordered_map<std::string, clock::time_point> noted_;
};

} // namespace tidesync::worker
