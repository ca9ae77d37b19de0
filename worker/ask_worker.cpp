#include "worker/ask_worker.hpp"

#include <algorithm>
#include <curl/curl.h>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::size_t answer_bytes_max = 16UL * 1024 * 1024;

std::size_t take(char* bytes, std::size_t, std::size_t count, void* into) {
    auto& body = static_cast<worker_answer*>(into)->body;
    if (body.size() + count > answer_bytes_max) return 0;
    body.append(bytes, count);
    return count;
}

} // namespace

std::string local_url(const listen_address& where) {
    auto host = where.host;
    if (where.port == 0) return {};
    if (host == "0.0.0.0") host = "127.0.0.1";
    if (host == "::") host = "::1";
    const bool six = host.find(':') != std::string::npos;
    return fmt::format("http://{}:{}", six ? fmt::format("[{}]", host) : host, where.port);
}

worker_answer ask_worker(
    const std::string& url, const std::vector<std::string>& headers, const std::optional<std::string>& body,
    std::chrono::seconds limit) {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl{curl_easy_init(), &curl_easy_cleanup};
    if (!curl) throw std::runtime_error{"libcurl could not start"};
    curl_slist* list = nullptr;
    for (const auto& header : headers) list = curl_slist_append(list, header.c_str());
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> owner{list, &curl_slist_free_all};

    worker_answer result;
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, static_cast<long>(limit.count()));
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &result);
    if (body) {
        curl_easy_setopt(curl.get(), CURLOPT_POST, 1L);
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body->c_str());
    }
    if (const auto failed = curl_easy_perform(curl.get()); failed != CURLE_OK)
        throw std::runtime_error{fmt::format("no answer from {}: {}", url, curl_easy_strerror(failed))};
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &result.status);
    return result;
}

std::string text_member(const nlohmann::json& object, const char* name) {
    if (!object.is_object()) return {};
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

nlohmann::json run_of_message(const nlohmann::json& runs, const std::string& message_id) {
    if (!runs.is_object() || !runs.contains("runs") || !runs["runs"].is_array()) return nullptr;
    for (const auto& run : runs["runs"]) {
        if (!run.is_object() || !run.contains("messages") || !run["messages"].is_array()) continue;
        // Only a signature that was accepted put the id there. What asked for the run first may be something else: the
        // message then joined it.
        const auto& messages = run["messages"];
        if (std::ranges::find(messages, nlohmann::json(message_id)) != messages.end()) return run;
    }
    return nullptr;
}

} // namespace tidesync::worker
