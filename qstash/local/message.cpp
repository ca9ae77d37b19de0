#include "qstash/local/message.hpp"

#include <nlohmann/json.hpp>

namespace tidesync::qstash::local {
namespace {

using nlohmann::json;

// What is empty is left out: rows stay small, and a member that is added later is absent from older rows.

void put_timeout(json& to, const std::optional<std::chrono::seconds>& timeout) {
    if (timeout) to["timeout_s"] = timeout->count();
}

std::optional<std::chrono::seconds> get_timeout(const json& from) {
    const auto found = from.find("timeout_s");
    if (found == from.end()) return std::nullopt;
    return std::chrono::seconds{found->get<std::chrono::seconds::rep>()};
}

template <typename Value>
void put(json& to, const char* name, const Value& value) {
    if (!value.empty()) to[name] = value;
}

void put(json& to, const char* name, const callback_options& callback) {
    if (callback.url.empty()) return;
    auto& written = to[name] = {{"url", callback.url}, {"method", callback.method}};
    put(written, "headers", callback.headers);
    if (callback.retries) written["retries"] = *callback.retries;
    put(written, "retry_delay", callback.retry_delay);
    put_timeout(written, callback.timeout);
}

callback_options get_callback(const json& from, const char* name) {
    callback_options callback;
    const auto found = from.find(name);
    if (found == from.end()) return callback;
    callback.url = found->at("url");
    callback.method = found->at("method");
    callback.headers = found->value("headers", header_fields{});
    if (const auto retries = found->find("retries"); retries != found->end()) callback.retries = retries->get<int>();
    callback.retry_delay = found->value("retry_delay", std::string{});
    callback.timeout = get_timeout(*found);
    return callback;
}

} // namespace

void to_json(json& to, const delivery_options& options) {
    to = {{"destination", options.destination}, {"method", options.method}, {"retries", options.retries}};
    put(to, "headers", options.headers);
    put(to, "retry_delay", options.retry_delay);
    put_timeout(to, options.timeout);
    put(to, "callback", options.callback);
    put(to, "failure_callback", options.failure_callback);
    put(to, "labels", options.labels);
}

void from_json(const json& from, delivery_options& options) {
    options = {
        .destination = from.at("destination"),
        .method = from.at("method"),
        .headers = from.value("headers", header_fields{}),
        .retries = from.at("retries"),
        .retry_delay = from.value("retry_delay", std::string{}),
        .timeout = get_timeout(from),
        .callback = get_callback(from, "callback"),
        .failure_callback = get_callback(from, "failure_callback"),
        .labels = from.value("labels", std::vector<std::string>{})};
}

} // namespace tidesync::qstash::local
