#include "worker/token_book.hpp"

#include "qstash/digest.hpp"

namespace tidesync::worker {

token_book::token_book(
    std::function<std::vector<live_token>()> read, token_book_rules with, std::function<clock::time_point()> now)
    : read_{std::move(read)}
    , rules_{with}
    , now_{std::move(now)} {}

std::optional<token_book::verdict> token_book::look_up(const presented_token& shown) {
    const std::scoped_lock lock{mutex_};
    return decide(shown, now_());
}

token_book::verdict token_book::ask(const presented_token& shown) {
    std::unique_lock lock{mutex_};
    const auto came = now_();
    for (;;) {
        if (auto known = decide(shown, came)) return std::move(*known);
        // Nobody has that id: said by a page that is younger than the question, or too young for another reading.
        const bool just_asked = page_ && (page_->asked >= came || now_() - page_->asked < rules_.between_reads);
        if (just_asked && !reading_) return refused{"wrong_token", "no live token has this id"};
        if (!failure_.empty() && !reading_ && (failed_at_ >= came || now_() - failed_at_ < rules_.between_reads))
            throw tokens_unknown{failure_};
        if (reading_)
            answered_.wait(lock, [this] { return !reading_; });
        else
            read_page(lock);
    }
}

/// @param came  when the question came: what was asked since then counts, however long the answer took
/// @returns what the page says of a token that it knows; nothing when it is too old or does not know the id
std::optional<token_book::verdict> token_book::decide(const presented_token& shown, clock::time_point came) const {
    if (!page_ || (page_->asked < came && now_() - page_->asked >= rules_.fresh)) return std::nullopt;
    const auto found = page_->tokens.find(shown.id);
    if (found == page_->tokens.end()) return std::nullopt;
    const auto& token = found->second;
    if (!qstash::equal_in_constant_time(token.sha256, shown.sha256)) return refused{"wrong_token", "wrong secret"};
    if (token.left && now_() - page_->asked >= *token.left) return refused{"wrong_token", "the token has expired"};
    return bearer{token.id, token.name, token.scope};
}

void token_book::read_page(std::unique_lock<std::mutex>& lock) {
    reading_ = true;
    page fresh{now_(), {}};
    std::string failure;
    lock.unlock();
    try {
        for (auto& token : read_()) {
            auto id = token.id;
            fresh.tokens.emplace(std::move(id), std::move(token));
        }
    } catch (const std::exception& e) {
        failure = e.what();
        if (failure.empty()) failure = "the tokens could not be read";
    }
    lock.lock();
    reading_ = false;
    failure_ = std::move(failure);
    if (failure_.empty()) {
        page_ = std::move(fresh);
        std::erase_if(noted_, [this](const auto& entry) { return !page_->tokens.contains(entry.first); });
    } else {
        failed_at_ = now_();
    }
    answered_.notify_all();
}

bool token_book::wants_note(const std::string& id) {
    const std::scoped_lock lock{mutex_};
    const auto now = now_();
    const auto [found, first] = noted_.try_emplace(id, now);
    if (!first && now - found->second < rules_.between_notes) return false;
    found->second = now;
    return true;
}

} // namespace tidesync::worker
