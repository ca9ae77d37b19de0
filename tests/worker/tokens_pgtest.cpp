#include "tests/catch.hpp"
#include "tests/support/serving.hpp"
#include "worker/token_store.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tidesync::tests;
using namespace std::chrono_literals;
using tidesync::worker::token_store;

namespace {

struct fixture {
    pair_of_databases databases;
    variables environment = worker_environment(databases);

    [[nodiscard]] finished tell(const std::vector<std::string>& words) const {
        return run_tidesync(words, environment);
    }
    /// @returns the token
    [[nodiscard]] std::string
    create(const std::string& name, const std::string& scope, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> words{"token", "create", "--name", name, "--scope", scope};
        words.insert(words.end(), more.begin(), more.end());
        const auto made = tell(words);
        CAPTURE(made.err);
        REQUIRE(made.status == 0);
        return made.out.substr(0, made.out.size() - 1);
    }
    [[nodiscard]] std::string value(std::string_view sql) const { return databases.production.value(sql); }
};

int status_with(const serving& worker, const std::string& token, const std::string& target = "/api/jobs") {
    return request(worker.port(), "GET", target, {{"Authorization", "Bearer " + token}}).status;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("a token is printed once, stored as its hash, listed, used, revoked", "[worker][tokens]") {
    const fixture f;
    const auto token = f.create("grafana", "read", {"--expires", "30"});
    CHECK(token.size() == 58);
    const auto id = token.substr(4, 10);
    CHECK(f.value("SELECT count(*) FROM tidesync.token t WHERE t::text LIKE '%" + token.substr(20) + "%'") == "0");
    CHECK(f.value("SELECT sha256 = sha256('" + token + "') FROM tidesync.token") == "t");
    CHECK(
        f.value("SELECT expires_at - created_at BETWEEN '29 days 23 hours' AND '30 days 1 hour' FROM tidesync.token") ==
        "t");

    const auto listed = f.tell({"token", "list"});
    for (const auto& part : {id, std::string{"grafana"}, std::string{"read"}, std::string{"live"}})
        CHECK(contains(listed.out, part));
    const auto document = nlohmann::json::parse(f.tell({"token", "list", "--json"}).out).at("tokens").at(0);
    CHECK(document.at("id") == id);
    CHECK(document.at("last_used_at").is_null());
    CHECK(document.at("created_by").get<std::string>().starts_with("cli "));
    CHECK_FALSE(contains(listed.out + document.dump(), token.substr(20)));

    const serving worker{f.environment};
    CHECK(status_with(worker, token) == 200);
    CHECK(f.value("SELECT last_used_at > now() - interval '1 minute' FROM tidesync.token") == "t");
    CHECK(status_with(worker, token.substr(0, 57) + (token.back() == 'A' ? 'E' : 'A')) == 401);
    CHECK(status_with(worker, token.substr(0, 57)) == 401);
    CHECK(status_with(worker, "tsy_zzzzzzzzzz_" + token.substr(15)) == 401);

    const auto revoked = f.tell({"token", "revoke", id, "--json"});
    CHECK(revoked.status == 0);
    CHECK(nlohmann::json::parse(revoked.out).at("id") == id);
    std::this_thread::sleep_for(2s);
    CHECK(status_with(worker, token) == 401);
    CHECK(contains(f.tell({"token", "list"}).out, "revoked"));
    const auto again = f.tell({"token", "revoke", id});
    CHECK(again.status == 3);
    CHECK(contains(again.err, "no live token"));
}

TEST_CASE("of two tokens with one name each is revoked by its id", "[worker][tokens]") {
    const fixture f;
    const auto older = f.create("ci", "trigger");
    const auto newer =
        nlohmann::json::parse(f.tell({"token", "create", "--name", "ci", "--scope", "trigger", "--json"}).out);
    CHECK(newer.at("token").get<std::string>().starts_with("tsy_" + newer.at("id").get<std::string>()));
    CHECK(newer.at("expires_at").is_null());
    const auto refused = f.tell({"token", "revoke", "ci"});
    CHECK(refused.status == 3);
    CHECK(contains(refused.err, "2 live tokens are called ci"));
    CHECK(contains(refused.err, older.substr(4, 10)));
    CHECK(f.tell({"token", "revoke", older.substr(4, 10)}).status == 0);
    CHECK(f.tell({"token", "revoke", "ci"}).status == 0); // one is left
    CHECK(f.value("SELECT count(*) FROM tidesync.token WHERE revoked_at IS NULL") == "0");
}

TEST_CASE("wrong words about tokens are usage errors", "[worker][tokens]") {
    const fixture f;
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"token"},
             {"token", "create", "--name", "a"},
             {"token", "create", "--scope", "read"},
             {"token", "create", "--name", "a b", "--scope", "read"},
             {"token", "create", "--name", "a", "--scope", "write"},
             {"token", "create", "--name", "a", "--scope", "read", "--expires", "0"},
             {"token", "revoke"}})
        CHECK(f.tell(words).status == 64);
    CHECK(f.tell({"token", "create", "--help"}).status == 0);
    CHECK(contains(f.tell({"token", "list"}).out, "no tokens yet"));
}

TEST_CASE("a token revoked by one command is refused by every worker within two seconds", "[worker][tokens]") {
    const fixture f;
    const serving one{f.environment};
    const serving other{f.environment};
    const auto token = f.create("ann", "admin");
    for (const auto* worker : {&one, &other}) CHECK(status_with(*worker, token) == 200);
    token_store store{f.databases.production.address()};
    REQUIRE(store.revoke("ann", {"test"}).size() == 1);
    const auto revoked_at = std::chrono::steady_clock::now();
    for (const auto* worker : {&one, &other}) {
        int status = 200;
        while (status == 200) {
            REQUIRE(std::chrono::steady_clock::now() - revoked_at < 3s);
            std::this_thread::sleep_for(100ms); // well below the rate that a token has
            status = status_with(*worker, token);
        }
        CHECK(status == 401);
    }
}

TEST_CASE("while the store does not say whose a token is, the admin token alone opens", "[worker][tokens]") {
    const fixture f;
    const serving worker{f.environment};
    const auto token = f.create("ann", "admin");
    CHECK(status_with(worker, token) == 200);
    pqxx::connection holder{f.databases.production.url()};
    pqxx::work holding{holder};
    holding.exec("LOCK TABLE tidesync.token IN ACCESS EXCLUSIVE MODE");
    std::this_thread::sleep_for(2s);
    const auto answer = request(worker.port(), "GET", "/api/jobs", {{"Authorization", "Bearer " + token}});
    CHECK(answer.status == 503);
    CHECK_FALSE(answer.headers.contains("retry-after"));
    CHECK(status_with(worker, admin_token) == 200);
    CHECK(status_with(worker, "wrong") == 401);
    holding.abort();
    std::this_thread::sleep_for(300ms);
    CHECK(status_with(worker, token) == 200);
}

TEST_CASE("an expired token opens nothing, and live tokens have a bound", "[worker][tokens]") {
    const fixture f;
    token_store store{f.databases.production.address()};
    const auto made = store.create({.name = "short", .days = 1}, {"test"});
    REQUIRE(made);
    CHECK(store.read_live().size() == 1);
    CHECK(store.read_live().front().left > 23h);
    f.databases.production.run("UPDATE tidesync.token SET expires_at = now()");
    CHECK(store.read_live().empty());
    CHECK(store.list(10).front().state == "expired");
    f.databases.production.run(
        "INSERT INTO tidesync.token (id, name, scope, sha256, created_by) SELECT 'aaaaaa' || "
        "translate(lpad(i::text, 4, '0'), '0189', 'abcd'), 'many', 'read', sha256(i::text::bytea), 'test' "
        "FROM generate_series(1, 999) i");
    CHECK(store.create({.name = "last"}, {"test"}));
    CHECK_FALSE(store.create({.name = "one-too-many"}, {"test"}));
    const auto told = f.tell({"token", "create", "--name", "x", "--scope", "read"});
    CHECK(told.status == 3);
    CHECK(contains(told.err, "1000 live tokens"));
}
