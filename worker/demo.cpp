#include "worker/commands.hpp"

#include "qstash/sign.hpp"
#include "worker/report_text.hpp"
#include "worker/start.hpp"

#include <chrono>
#include <curl/curl.h>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::string_view route = "/api/background/sync/slave-to-prod";
constexpr std::size_t answer_bytes_max = 16UL * 1024 * 1024;

std::string random_id(std::string_view prefix) {
    constexpr std::string_view alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    std::random_device random;
    std::uniform_int_distribution<std::size_t> any{0, alphabet.size() - 1};
    std::string id{prefix};
    for (int i = 0; i < 28; ++i) id += alphabet[any(random)];
    return id;
}

struct answer {
    long status = 0;
    std::string body;
};

/// One HTTP request. Headers hold a signature or a token: they are never printed.
answer request(const std::string& url, const std::vector<std::string>& headers, bool post) {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl{curl_easy_init(), &curl_easy_cleanup};
    if (!curl) throw std::runtime_error{"libcurl could not start"};
    curl_slist* list = nullptr;
    for (const auto& header : headers) list = curl_slist_append(list, header.c_str());
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> owner{list, &curl_slist_free_all};

    answer result;
    const auto take = +[](char* bytes, std::size_t, std::size_t count, void* into) -> std::size_t {
        auto& body = static_cast<answer*>(into)->body;
        if (body.size() + count > answer_bytes_max) return 0;
        body.append(bytes, count);
        return count;
    };
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &result);
    if (post) {
        curl_easy_setopt(curl.get(), CURLOPT_POST, 1L);
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, "{}");
    }
    if (const auto failed = curl_easy_perform(curl.get()); failed != CURLE_OK)
        throw std::runtime_error{fmt::format("no answer from {}: {}", url, curl_easy_strerror(failed))};
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &result.status);
    return result;
}

/// Delivers one message as QStash would: signed with the current key, for the public URL.
answer deliver(const settings& config) {
    const auto url = config.public_url + std::string{route};
    const auto token = qstash::sign(
        {.url = url,
         .body = "{}",
         .jti = random_id("jwt_"),
         .iat = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())},
        config.signing_keys.front().value);
    return request(
        url,
        {"Content-Type: application/json", "User-Agent: Upstash-QStash", "Upstash-Retried: 0",
         "Upstash-Message-Id: " + random_id("msg_"), "Upstash-Signature: " + token},
        true);
}

/// Waits for the end of a run that took longer than one delivery may.
nlohmann::json await_run(const settings& config, const std::string& run_id) {
    const auto url = fmt::format("{}/api/runs/{}", config.public_url, run_id);
    const auto authorization = fmt::format("Authorization: Bearer {}", config.admin_token.reveal());
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes{10};
    for (;;) {
        auto run = nlohmann::json::parse(request(url, {authorization}, false).body);
        const auto state = run.value("state", "");
        if (state == "succeeded" || state == "dead" || state == "cancelled") return run;
        if (std::chrono::steady_clock::now() > until) throw std::runtime_error{"the run took longer than 10 minutes"};
        std::this_thread::sleep_for(std::chrono::milliseconds{200});
    }
}

} // namespace

exit_code demo(const command& command) {
    const auto config = load_or_explain(purpose::serve, command);
    if (!config) return exit_code::configuration;

    fmt::print("delivering one signed message to {}{}\n", config->public_url, route);
    const auto delivered = deliver(*config);
    const auto document = nlohmann::json::parse(delivered.body, nullptr, false);
    fmt::print("HTTP {}  {}\n\n", delivered.status, document.is_object() ? document.value("message", "") : "");
    if (delivered.status / 100 != 2 || !document.is_object()) {
        fmt::print(stderr, "tidesync: the delivery was not accepted: {}\n", delivered.body);
        return exit_code::failed;
    }
    const auto run = await_run(*config, document.at("run").get<std::string>());
    if (run.value("state", "") != "succeeded") {
        fmt::print(stderr, "tidesync: the run is {}: {}\n", run.value("state", ""), run.at("error").dump());
        return exit_code::failed;
    }
    fmt::print("{}\n", sync_table(run.at("report").get<jobs::report>()));
    std::fflush(stdout);

    const auto compared =
        check_job({.what = command::verb::check, .job = "slave-to-prod", .config_file = command.config_file});
    if (compared == exit_code::in_step) fmt::print("production equals slave\n");
    return compared;
}

} // namespace tidesync::worker
