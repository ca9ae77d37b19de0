#include "worker/commands.hpp"

#include "worker/answers.hpp"
#include "worker/printable.hpp"
#include "worker/start.hpp"
#include "worker/text_table.hpp"
#include "worker/token_store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

constexpr int rows_shown_max = 1000;

void print(const nlohmann::ordered_json& document) {
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

exit_code create(token_store& store, const command& command) {
    const auto& asked = command.token;
    const auto made =
        store.create({.name = asked.name, .scope = asked.scope, .days = asked.days}, user_of_command_line());
    if (!made) {
        explain_failure(
            command, "conflict", fmt::format("there are {} live tokens already", live_tokens_max),
            "`tidesync token list` shows them; revoke those that nobody uses");
        return exit_code::failed;
    }
    const auto scope = to_string(asked.scope);
    if (command.json) {
        print(
            {{"success", true},
             {"token", made->token.text.reveal()},
             {"id", made->token.id},
             {"name", asked.name},
             {"scope", scope},
             {"expires_at", made->expires_at.empty() ? nlohmann::json(nullptr) : nlohmann::json(made->expires_at)}});
        return exit_code::in_step;
    }
    fmt::print(
        stderr, "token {} of {}, scope {}, {}. It is not shown again:\n", made->token.id, asked.name, scope,
        made->expires_at.empty() ? "without an end" : "good until " + made->expires_at);
    fmt::print("{}\n", made->token.text.reveal());
    return exit_code::in_step;
}

exit_code list(token_store& store, const command& command) {
    const auto tokens = store.list(rows_shown_max);
    if (command.json) {
        auto documents = nlohmann::ordered_json::array();
        for (const auto& token : tokens) documents.push_back(token_document(token));
        print({{"success", true}, {"tokens", std::move(documents)}});
        return exit_code::in_step;
    }
    if (tokens.empty()) {
        fmt::print("  no tokens yet\n");
        return exit_code::in_step;
    }
    std::vector<cells> lines{{"id", "name", "scope", "state", "created (UTC)", "by", "expires", "last used"}};
    const auto or_dash = [](const std::string& text) { return text.empty() ? std::string{"-"} : text; };
    for (const auto& token : tokens)
        lines.push_back(
            {token.id, token.name, token.scope, token.state, token.created_at, printable(token.created_by, 40),
             or_dash(token.expires_at), or_dash(token.last_used_at)});
    fmt::print("{}", aligned(lines, false, false));
    return exit_code::in_step;
}

exit_code revoke(token_store& store, const command& command) {
    const auto& named = command.token.name;
    const auto meant = store.revoke(named, user_of_command_line());
    if (meant.empty()) {
        explain_failure(
            command, "not_found", fmt::format("no live token has the id or name {}", printable(named, 80)),
            "`tidesync token list` shows them");
        return exit_code::failed;
    }
    if (meant.size() > 1) {
        std::vector<std::string> ids;
        ids.reserve(meant.size());
        for (const auto& token : meant) ids.push_back(token.id);
        explain_failure(
            command, "ambiguous", fmt::format("{} live tokens are called {}; nothing was revoked", meant.size(), named),
            fmt::format("name one by its id, newest first: {}", fmt::join(ids, ", ")));
        return exit_code::failed;
    }
    const auto& token = meant.front();
    if (command.json)
        print({{"success", true}, {"id", token.id}, {"name", token.name}, {"revoked", true}});
    else
        fmt::print("token {} of {} is revoked; every worker refuses it within two seconds\n", token.id, token.name);
    return exit_code::in_step;
}

} // namespace

exit_code token(const command& command) {
    const auto config = settings_with_store(command);
    if (!config) return exit_code::configuration;
    token_store store{config->run_store};
    switch (command.token.what) {
    case token_command::verb::create:
        return create(store, command);
    case token_command::verb::list:
        return list(store, command);
    case token_command::verb::revoke:
        break;
    }
    return revoke(store, command);
}

} // namespace tidesync::worker
