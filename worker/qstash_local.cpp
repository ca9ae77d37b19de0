#include "qstash/keys.hpp"
#include "qstash/local/api.hpp"
#include "qstash/local/scheduler.hpp"
#include "worker/answers.hpp"
#include "worker/commands.hpp"
#include "worker/http_server.hpp"
#include "worker/log.hpp"
#include "worker/migrate.hpp"
#include "worker/start.hpp"
#include "worker/stop_signals.hpp"
#include "worker/transactions.hpp"
#include "worker/version.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

namespace tidesync::worker {

namespace {

namespace local = qstash::local;

/// Whose messages these are when there is one account: its token and keys are settings.
constexpr const char* only_account = "default";

std::vector<local::api::account> accounts_of(const settings& config, bool dev) {
    if (!dev) return {{only_account, std::string{config.qstash_token.reveal()}}};
    std::vector<local::api::account> accounts;
    for (const auto& user : qstash::development_users())
        accounts.push_back({std::string{user.name}, std::string{user.token}});
    return accounts;
}

std::vector<std::string> names_of(const std::vector<local::api::account>& accounts) {
    std::vector<std::string> names;
    names.reserve(accounts.size());
    for (const auto& account : accounts) names.push_back(account.name);
    return names;
}

void give_keys(const local::store& store, const settings& config, bool dev) {
    if (dev)
        for (const auto& user : qstash::development_users()) // a client knows the server by them, so always these
            store.give_keys(std::string{user.name}, {std::string{user.current_key}, std::string{user.next_key}}, true);
    else
        store.give_keys(only_account, {config.signing_keys.at(0).value, config.signing_keys.at(1).value}, false);
}

http_response to_http(local::response&& answer) {
    http_response result;
    result.status = answer.status;
    result.body = std::move(answer.body);
    result.content_type = std::move(answer.content_type);
    result.headers.emplace_back("Cache-Control", "no-store");
    return result;
}

http_response answer(const local::api& api, const local::store& store, const http_request& request) {
    try {
        if (request.path() == "/livez") return json_answer(200, {{"status", "alive"}});
        if (request.path() == "/readyz") {
            static_cast<void>(store.now());
            return json_answer(200, {{"status", "ready"}});
        }
        return to_http(api.handle(
            {.method = request.method,
             .target = request.target,
             .headers = request.headers,
             .body = request.body,
             .remote = request.remote}));
    } catch (const std::exception& e) {
        log::event(log::level::error, "call failed", {{"method", request.method}, {"error", e.what()}});
        return to_http(local::error_response(503, "the scheduler's store did not answer: nothing is known to be done"));
    }
}

void report(std::string_view what, const local::observer::fields& fields) {
    const std::vector<log::field> values{fields.begin(), fields.end()};
    log::event(log::level::warn, what, values);
}

} // namespace

exit_code qstash_local(const command& command) {
    const stop_signals signals;
    const auto loaded = load_or_explain(command.dev ? purpose::scheduler_dev : purpose::scheduler, command);
    if (!loaded) return exit_code::configuration;
    const auto& config = *loaded;
    const auto where = parse_listen(command.listen, "--listen");
    if (!where) {
        explain_failure(
            command, "configuration", fmt::format("--listen: {} is not IP-address:port", command.listen),
            "such as 127.0.0.1:8080");
        return exit_code::usage;
    }
    if (command.dev && !is_loopback(where->host)) {
        explain_failure(
            command, "configuration",
            "--dev serves keys and tokens that everybody knows, so only on a loopback address",
            "listen on 127.0.0.1, or leave --dev out and set QSTASH_TOKEN and both signing keys");
        return exit_code::configuration;
    }
    if (command.dev) migrate(config.scheduler.store, schema_part::scheduler);
    if (!scheduler_is_there(config, command)) return exit_code::configuration;

    const auto accounts = accounts_of(config, command.dev);
    // The loop has connections of its own: callers that wait for a lock must not delay deliveries.
    transactions connections{"scheduler store", config.scheduler.store};
    transactions loop_connections{"scheduler store", config.scheduler.store};
    const auto over = [](transactions& on) {
        return [&on](std::string_view activity, const auto& body) { on.run(activity, body); };
    };
    const local::store store{over(connections), names_of(accounts)};
    const local::store loop_store{over(loop_connections), names_of(accounts)};
    const auto present = store.read_accounts();
    if (command.dev && std::ranges::find(present, only_account) != present.end()) {
        explain_failure(
            command, "configuration",
            fmt::format(
                "{} holds the messages of a scheduler that ran without --dev: everybody knows the keys of --dev",
                config.scheduler.store.describe()),
            "give --dev a database of its own in TIDESYNC_QSTASH_DATABASE_URL, or leave --dev out");
        return exit_code::configuration;
    }
    give_keys(store, config, command.dev);
    local::scheduler scheduler{
        loop_store, {.policy = config.scheduler.policy, .ticks = {.catch_up = command.catch_up}}, {report}};
    const local::api api{
        store, {.accounts = accounts, .policy = config.scheduler.policy, .made = [&] { scheduler.wake(); }}};
    http_server::limits limits;
    limits.header_bytes_max = 32U * 1024;
    limits.header_fields_max = 256;
    limits.body_bytes_max = 1024UL * 1024; // as QStash's free plan
    limits.connections_max = 128;          // before the token is looked at, each may hold a body
    http_server server{
        *where, may_block([&](const http_request& request) { return answer(api, store, request); }), limits,
        [](int status, auto, auto message, auto hint) {
            return to_http(local::error_response(status, fmt::format("{}: {}", message, hint)));
        }};
    std::jthread loop{[&](const std::stop_token& stop) { scheduler.run(stop); }};
    log::event(
        log::level::info, "listening",
        {{"address", where->host}, {"port", server.port()}, {"version", version}, {"dev", command.dev}});

    const int signal = signals.wait();
    log::event(log::level::info, "draining", {{"signal", signal}});
    loop.request_stop();
    server.drain(std::chrono::seconds{5});
    loop.join();
    log::event(log::level::info, "stopped");
    return exit_code::in_step;
}

} // namespace tidesync::worker
