#include "tests/catch.hpp"
#include "worker/metrics.hpp"

#include "qstash/sign.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/routes.hpp"
#include "worker/authorize.hpp"
#include "worker/version.hpp"

#include <map>

using namespace tidesync;
using namespace tidesync::worker;
using tests::handle;
using tests::read_metrics;

namespace {

constexpr const char* token = "an-admin-token-only-for-tests-7Qx2";

/// Routes over a store that nobody answers for.
struct fixture {
    settings config = configured();
    run_store store{config.run_store};
    runner runs{store, {}, {}};
    services with{config, store, runs, {"slave-to-prod"}, "test"};

    static settings configured() {
        settings values;
        values.signing_keys = {
            {"current", "sig_4fTestCurrentKeyOnlyForTests9z"},
            {"next", "sig_8hTestNextKeyOnlyForTestsPqrs"},
            {"eu-central-1/next", "sig_2kTestRegionKeyOnlyForTestsXy"}};
        values.public_url = "https://sync.example.com";
        values.admin_token = secret{token};
        values.run_store = postgres::address::parse("postgresql://nobody@127.0.0.1:1/none");
        return values;
    }

    http_response ask(const std::string& method, const std::string& target, bool with_token = false) {
        http_request request;
        request.method = method;
        request.target = target;
        if (with_token) request.headers = {{"authorization", std::string{"Bearer "} + token}};
        return handle(with, request);
    }

    std::map<std::string, double> counts() { return read_metrics(ask("GET", "/metrics").body); }
};

} // namespace

TEST_CASE("the metrics are Prometheus text, open to anyone", "[worker][metrics]") {
    fixture f;
    const auto answer = f.ask("GET", "/metrics");
    CHECK(answer.status == 200);
    CHECK(answer.content_type == "text/plain; version=0.0.4");
    const auto found = read_metrics(answer.body);
    CHECK(found.at(std::string{"worker_build_info{version=\""} + version + "\"}") == 1);
    const auto now = std::chrono::duration<double>{std::chrono::system_clock::now().time_since_epoch()}.count();
    CHECK(found.at("worker_up_since_timestamp_seconds") <= now);
    CHECK(found.at("worker_up_since_timestamp_seconds") > now - 60);
    CHECK(found.at(R"(worker_signature_key_matches_total{key="current"})") == 0);
    CHECK(found.at(R"(worker_signature_key_matches_total{key="next",region="eu-central-1"})") == 0);
    CHECK(found.at(R"(worker_auth_failures_total{reason="wrong_key"})") == 0);
    CHECK(answer.body.find("sig_") == std::string::npos);
}

TEST_CASE("requests are counted by the pattern of their route and their answer", "[worker][metrics]") {
    fixture f;
    for (int i = 0; i < 3; ++i) CHECK(f.ask("GET", "/livez").status == 200);
    CHECK(f.ask("POST", "/livez").status == 405);
    CHECK(f.ask("GET", "/api/runs").status == 401);
    CHECK(f.ask("GET", "/api/runs/one", true).status == 404);
    CHECK(f.ask("GET", "/api/runs/two", true).status == 404);
    CHECK(f.ask("GET", "/readyz").status == 503);
    CHECK(f.ask("POST", "/api/jobs/none/runs", true).status == 404);
    CHECK(f.ask("POST", "/api/qstash/failure", true).status == 401);
    const auto found = f.counts();
    const auto requests = [&](const std::string& code, const std::string& method, const std::string& route) {
        return found.at(
            "worker_http_requests_total{code=\"" + code + "\",method=\"" + method + "\",route=\"" + route + "\"}");
    };
    CHECK(requests("200", "GET", "/livez") == 3);
    CHECK(requests("405", "POST", "/livez") == 1);
    CHECK(requests("401", "GET", "/api/runs") == 1);
    CHECK(requests("404", "GET", "/api/runs/{}") == 2);
    CHECK(requests("503", "GET", "/readyz") == 1);
    CHECK(found.at(R"(worker_auth_failures_total{reason="no_credential"})") == 1);
    CHECK(found.at(R"(worker_auth_failures_total{reason="not_for_tokens"})") == 1);
    CHECK(found.at(R"(worker_deliveries_total{decision="rejected",source="manual"})") == 1);
    CHECK(f.counts().at(R"(worker_http_requests_total{code="200",method="GET",route="/metrics"})") == 1);
    CHECK(found.at(R"(worker_http_request_duration_seconds_count{route="/livez"})") == 4);
    CHECK(found.at(R"(worker_http_request_duration_seconds_count{route="/api/runs/{}"})") == 2);
    CHECK(found.at(R"(worker_http_request_duration_seconds_bucket{route="/livez",le="60"})") == 4);
}

TEST_CASE("a worker whose loops stand still is not alive", "[worker][metrics]") {
    fixture f;
    auto last = std::chrono::steady_clock::now();
    f.with.last_turn = [&] { return last; };
    CHECK(f.ask("GET", "/livez").status == 200);
    last -= turn_time_max + std::chrono::seconds{1};
    const auto stuck = f.ask("GET", "/livez");
    CHECK(stuck.status == 503);
    CHECK(stuck.body.find("\"stuck\"") != std::string::npos);
    f.with.draining = true; // then they stand still as they should
    CHECK(f.ask("GET", "/livez").status == 200);
}

TEST_CASE("a genuine signature is counted for the key that made it", "[worker][metrics]") {
    fixture f;
    const auto deliver = [&](const char* key) {
        http_request request;
        request.method = "POST";
        request.target = "/api/jobs/none/runs";
        request.headers = {
            {"upstash-message-id", "msg_1"},
            {"upstash-signature",
             qstash::sign(
                 {.url = "https://sync.example.com/api/jobs/none/runs",
                  .body = "",
                  .jti = "jwt_1",
                  .iat = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())},
                 key)}};
        return handle(f.with, request).status;
    };
    for (int i = 0; i < 2; ++i) CHECK(deliver("sig_8hTestNextKeyOnlyForTestsPqrs") == 489);
    CHECK(deliver("sig_2kTestRegionKeyOnlyForTestsXy") == 489);
    CHECK(deliver("sig_anotherKeyThatIsNotOurs12345") == 401);
    const auto found = f.counts();
    CHECK(found.at(R"(worker_signature_key_matches_total{key="current"})") == 0);
    CHECK(found.at(R"(worker_signature_key_matches_total{key="next"})") == 2);
    CHECK(found.at(R"(worker_signature_key_matches_total{key="next",region="eu-central-1"})") == 1);
    CHECK(found.at(R"(worker_auth_failures_total{reason="wrong_key"})") == 1);
    CHECK(found.at(R"(worker_deliveries_total{decision="rejected",source="qstash"})") == 3);
}

TEST_CASE("hostile paths, methods and tokens make no new series", "[worker][metrics]") {
    fixture f;
    (void)f.ask("GET", "/hostile");
    (void)f.ask("HOSTILE", "/hostile");
    (void)f.ask("HOSTILE", "/livez");
    (void)f.ask("GET", "/api/runs/hostile");
    (void)f.ask("POST", "/api/jobs/hostile/runs", true);
    (void)f.counts();
    const auto before = f.counts().size();
    for (int i = 0; i < 20; ++i) {
        const auto n = std::to_string(i);
        (void)f.ask("GET", "/hostile" + n + "\"}\nworker_hostile 1");
        (void)f.ask("HOSTILE" + n, "/hostile");
        (void)f.ask("HOSTILE" + n, "/livez?hostile=" + n);
        (void)f.ask("GET", "/api/runs/hostile\"" + n);
        (void)f.ask("POST", "/api/jobs/hostile" + n + "/runs", true);
    }
    const auto after = f.counts();
    CHECK(after.size() == before);
    CHECK(after.at(R"(worker_http_requests_total{code="404",method="GET",route="other"})") == 21);
    for (const auto& [series, count] : after) CHECK(series.find("ostile") == std::string::npos);
}

TEST_CASE("every verdict and decision has a series of its own", "[worker][metrics]") {
    metrics counts{{}};
    for (auto verdict = qstash::verdict::no_keys; verdict <= qstash::verdict::url_mismatch;
         verdict = static_cast<qstash::verdict>(static_cast<int>(verdict) + 1))
        counts.auth_failure(qstash::to_string(verdict));
    for (auto what = decision::created; what <= decision::body_differs;
         what = static_cast<decision>(static_cast<int>(what) + 1))
        counts.delivery("qstash", to_string(what));
    for (const auto& [series, count] : read_metrics(counts.text())) CHECK(series.find("other") == std::string::npos);
    counts.auth_failure("made up");
    counts.delivery("made up", "made up");
    CHECK(read_metrics(counts.text()).at(R"(worker_auth_failures_total{reason="other"})") == 1);
    CHECK(read_metrics(counts.text()).at(R"(worker_deliveries_total{decision="other",source="other"})") == 1);
}
