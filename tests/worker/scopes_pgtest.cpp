#include "tests/catch.hpp"
#include "tests/support/database.hpp"
#include "tests/support/routes.hpp"
#include "worker/migrate.hpp"

#include <map>
#include <nlohmann/json.hpp>

using namespace tidesync;
using namespace tidesync::worker;
using tests::handle;

namespace {

/// Routes over a real run store, without a job: what is let in finds nothing to do.
struct fixture {
    tests::pair_of_databases databases;
    settings config = configured();
    run_store store{config.run_store};
    runner runs{store, {}, {}};
    services with{config, store, runs, {}, "test"};
    std::map<std::string, std::string> tokens{{"none", ""}, {"bootstrap", "an-admin-token-only-for-tests-7Qx2"}};

    fixture() {
        for (const auto what : {scope::read, scope::trigger, scope::admin}) {
            const auto made = with.token_rows.create({.name = std::string{to_string(what)}, .scope = what}, {"test"});
            tokens[std::string{to_string(what)}] = made.value().token.text.reveal();
        }
    }

    settings configured() const {
        settings values;
        values.public_url = "https://sync.example.com";
        values.admin_token = secret{"an-admin-token-only-for-tests-7Qx2"};
        values.run_store = databases.production.address();
        values.signing_keys = {{"current", "sig_4fTestCurrentKeyOnlyForTests9z"}};
        return values;
    }

    http_response ask(std::string_view method, std::string_view pattern, const std::string& who) {
        http_request request;
        request.method = method;
        request.target = pattern;
        if (const auto hole = request.target.find("{}"); hole != std::string::npos)
            request.target.replace(hole, 2, "none");
        if (!tokens.at(who).empty()) request.headers = {{"authorization", "Bearer " + tokens.at(who)}};
        return handle(with, request);
    }
};

std::string header_of(const http_response& answer, std::string_view name) {
    for (const auto& [found, value] : answer.headers)
        if (found == name) return value;
    return {};
}

} // namespace

TEST_CASE("every route is open to the scope that it names and those above, and to nobody else", "[worker][scopes]") {
    fixture f;
    const std::map<std::string, scope> scopes{
        {"read", scope::read}, {"trigger", scope::trigger}, {"admin", scope::admin}, {"bootstrap", scope::admin}};
    for (const auto& route : route_shapes())
        for (const auto method : route.methods)
            for (const auto& [who, token] : f.tokens) {
                const auto answer = f.ask(method, route.pattern, who);
                CAPTURE(method, route.pattern, who, answer.status, answer.body);
                const auto needs = route.lets_in.needs();
                if (needs == worker::access::anyone) {
                    CHECK((answer.status != 401 && answer.status != 403));
                } else if (needs == worker::access::signature || who == "none") {
                    CHECK(answer.status == 401);
                } else if (scopes.at(who) < route.lets_in.least()) {
                    CHECK(answer.status == 403);
                    const auto error = nlohmann::json::parse(answer.body).at("error");
                    CHECK(error.at("code") == "forbidden");
                    const std::string needed{to_string(route.lets_in.least())};
                    CHECK(error.at("message").get<std::string>().find("scope " + needed) != std::string::npos);
                    CHECK(header_of(answer, "WWW-Authenticate").find("scope=\"" + needed + '"') != std::string::npos);
                } else {
                    CHECK((answer.status != 401 && answer.status != 403));
                }
            }
}

TEST_CASE("what changes something asks for more than a look", "[worker][scopes]") {
    for (const auto& route : route_shapes()) {
        const auto takes_token = route.lets_in.needs() == worker::access::token ||
                                 route.lets_in.needs() == worker::access::signature_or_token;
        if (!takes_token) continue;
        CAPTURE(route.pattern);
        const bool changes = std::ranges::find(route.methods, "POST") != route.methods.end();
        CHECK((route.lets_in.least() > scope::read) == (changes || route.pattern == "/api/audit"));
    }
}

TEST_CASE("the names of those who ask stand in the history", "[worker][scopes]") {
    fixture f;
    f.with.jobs = {"slave-to-prod"};
    f.config.delivery_wait = std::chrono::seconds{0};
    f.store.register_job({.name = "slave-to-prod"});
    CHECK(f.ask("POST", "/api/jobs/slave-to-prod/runs", "trigger").status == 202);
    const auto actor = f.databases.production.value("SELECT actor FROM tidesync.run");
    CHECK(actor == "token trigger (" + f.tokens.at("trigger").substr(4, 10) + ")");
    CHECK(
        f.databases.production.value("SELECT last_used_at IS NOT NULL FROM tidesync.token WHERE name = 'trigger'") ==
        "t");
    CHECK(f.databases.production.value("SELECT last_used_at IS NULL FROM tidesync.token WHERE name = 'read'") == "t");
}

TEST_CASE("a token that asks too much waits, and nobody else with it", "[worker][scopes][rate]") {
    fixture f;
    int limited = 0;
    http_response last;
    for (int i = 0; i < 400; ++i) {
        const auto answer = f.ask("POST", "/api/jobs/{}/pause", "read"); // 403 asks no store, and so is fast
        if (answer.status == 429) {
            ++limited;
            last = answer;
        }
    }
    CHECK(limited > 0);
    CHECK(nlohmann::json::parse(last.body).at("error").at("code") == "too_many_requests");
    CHECK(header_of(last, "Retry-After") == "1");
    CHECK(f.ask("GET", "/api/jobs", "trigger").status == 200);
    CHECK(f.ask("GET", "/livez", "read").status == 200);
}

TEST_CASE(
    "after many refusals an address is told to wait, and a good credential from there still opens",
    "[worker][scopes][rate]") {
    fixture f;
    std::map<int, int> by_status;
    for (int i = 0; i < 400; ++i) ++by_status[f.ask("GET", "/api/jobs", "none").status];
    CHECK(by_status[401] >= 100);
    CHECK(by_status[429] > 0);
    CHECK(by_status[401] + by_status[429] == 400);
    CHECK(f.ask("GET", "/api/jobs", "read").status == 200);
    CHECK(f.ask("GET", "/api/jobs", "bootstrap").status == 200);
    http_request badly_signed;
    badly_signed.method = "POST";
    badly_signed.target = sync_path;
    badly_signed.headers = {{"upstash-signature", "a.b.c"}};
    const auto refused = handle(f.with, badly_signed);
    CHECK(refused.status == 401); // 429 with Retry-After would use up QStash's tries
    CHECK(header_of(refused, "Retry-After").empty());
}
