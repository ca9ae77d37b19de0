#include "qstash/http_call.hpp"

#include <algorithm>
#include <array>
#include <curl/curl.h>
#include <memory>
#include <new>
#include <stdexcept>

namespace tidesync::qstash {
namespace {

using std::chrono::milliseconds;

/// libcurl is set up by the first call of the process and never torn down: other code may use it as well.
void set_up_curl_once() {
    static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT); // the language makes this thread-safe
    if (result != CURLE_OK) throw std::runtime_error{"libcurl could not start"};
}

struct curl_closer {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using curl_handle = std::unique_ptr<CURL, curl_closer>;
using curl_list = std::unique_ptr<curl_slist, curl_closer>;

/// What has come so far. The callbacks run inside C code, so they answer "stop" where others would throw.
struct arriving {
    http_answer answer;
    std::size_t header_bytes = 0;
    std::size_t headers = 0;
    bool headers_whole = false;    // the empty line has come
    const char* refused = nullptr; // which limit was passed
};

std::string_view trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

char lower(char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
}

void take_header_line(arriving& so_far, std::string_view line) {
    if (line.starts_with("HTTP/")) { // the answer begins here: what came before belongs to a 1xx
        so_far.answer.headers.clear();
        so_far.headers_whole = false;
        return;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) {
        so_far.headers_whole = so_far.headers_whole || trimmed(line).empty();
        return;
    }
    std::string name{trimmed(line.substr(0, colon))};
    std::ranges::transform(name, name.begin(), lower);
    so_far.answer.headers.emplace_back(std::move(name), trimmed(line.substr(colon + 1)));
}

std::size_t on_header(char* bytes, std::size_t, std::size_t count, void* into) noexcept try {
    auto& so_far = *static_cast<arriving*>(into);
    so_far.header_bytes += count;
    if (++so_far.headers > answer_headers_max || so_far.header_bytes > answer_header_bytes_max) {
        so_far.refused = "the answer has too many headers";
        return 0;
    }
    take_header_line(so_far, {bytes, count});
    return count;
} catch (...) {
    return 0;
}

std::size_t on_body(char* bytes, std::size_t, std::size_t count, void* into) noexcept try {
    auto& so_far = *static_cast<arriving*>(into);
    if (count > answer_body_bytes_max - so_far.answer.body.size()) {
        so_far.refused = "the answer is larger than 16 MiB";
        return 0;
    }
    so_far.answer.body.append(bytes, count);
    return count;
} catch (...) {
    return 0;
}

template <typename Value>
void set(const curl_handle& curl, CURLoption option, Value value) {
    if (curl_easy_setopt(curl.get(), option, value) != CURLE_OK)
        throw std::runtime_error{"libcurl does not know an option"};
}

curl_list list_of(const http_request& request) {
    curl_list list;
    const auto append = [&](const std::string& line) {
        curl_slist* longer = curl_slist_append(list.get(), line.c_str());
        if (longer == nullptr) throw std::bad_alloc{};
        static_cast<void>(list.release());
        list.reset(longer);
    };
    append("Expect:"); // never ask for a "100 Continue" first: some servers never send one
    const auto sent = [&](std::string_view name) {
        return std::ranges::any_of(request.headers, [&](const auto& field) {
            return std::ranges::equal(field.first, name, {}, lower, lower);
        });
    };
    if (!sent("content-type")) append("Content-Type:"); // libcurl would say that the body is a form
    // For libcurl `Name:` takes a header away and `Name;` is the way to send it without a value.
    for (const auto& [name, value] : request.headers)
        append(value.empty() ? name + ';' : std::string{name}.append(": ").append(value));
    return list;
}

bool has_body(std::string_view method) { return method == "POST" || method == "PUT" || method == "PATCH"; }

void describe(const curl_handle& curl, const http_request& request, const curl_list& headers) {
    set(curl, CURLOPT_URL, request.url.c_str());
    set(curl, CURLOPT_PATH_AS_IS, 1L); // a path may hold a whole URL, whose dots are not ours to resolve
    set(curl, CURLOPT_HTTPHEADER, headers.get());
    if (has_body(request.method)) {
        set(curl, CURLOPT_POST, 1L);
        set(curl, CURLOPT_POSTFIELDS, request.body.c_str());
        set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    set(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

/// For libcurl 0 is no limit at all, so the smallest limit is a millisecond.
long at_least_one(milliseconds limit) {
    return static_cast<long>(std::clamp(limit, milliseconds{1}, milliseconds{std::chrono::hours{24}}).count());
}

void restrict(const curl_handle& curl, const http_request& request) {
    set(curl, CURLOPT_CONNECTTIMEOUT_MS, at_least_one(request.connect_limit));
    set(curl, CURLOPT_TIMEOUT_MS, at_least_one(request.total_limit));
    set(curl, CURLOPT_NOSIGNAL, 1L); // limits of name lookups would work with SIGALRM, which threads cannot share
    set(curl, CURLOPT_FOLLOWLOCATION, 0L);
    set(curl, CURLOPT_PROXY, "");
    set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    set(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
}

http_failure::kind kind_of(CURLcode failed, const curl_handle& curl) {
    using kind = http_failure::kind;
    switch (failed) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return kind::not_sent;
    case CURLE_OPERATION_TIMEDOUT: {
        curl_off_t ready_us = 0; // stays 0 until connection and TLS session stand
        curl_easy_getinfo(curl.get(), CURLINFO_PRETRANSFER_TIME_T, &ready_us);
        return ready_us == 0 ? kind::not_sent : kind::time_limit;
    }
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return kind::broken;
    default:
        return kind::unusable;
    }
}

} // namespace

std::string_view http_answer::header(std::string_view name) const {
    const auto found = std::ranges::find(headers, name, &http_fields::value_type::first);
    return found == headers.end() ? std::string_view{} : std::string_view{found->second};
}

std::variant<http_answer, http_failure> http_call(const http_request& request) try {
    set_up_curl_once();
    const curl_handle curl{curl_easy_init()};
    if (!curl) throw std::runtime_error{"libcurl could not start"};

    const auto headers = list_of(request);
    arriving so_far;
    std::array<char, CURL_ERROR_SIZE> words{}; // more to the point than the names of the codes
    describe(curl, request, headers);
    restrict(curl, request);
    set(curl, CURLOPT_HEADERFUNCTION, &on_header);
    set(curl, CURLOPT_HEADERDATA, static_cast<void*>(&so_far));
    set(curl, CURLOPT_WRITEFUNCTION, &on_body);
    set(curl, CURLOPT_WRITEDATA, static_cast<void*>(&so_far));
    set(curl, CURLOPT_ERRORBUFFER, words.data());

    const auto failed = curl_easy_perform(curl.get());
    // libcurl is content with headers that break off: whatever they say would be taken for an answer with an empty
    // body.
    if (failed == CURLE_OK && !so_far.headers_whole)
        return http_failure{http_failure::kind::broken, "the connection ended within the headers"};
    if (failed == CURLE_OK) {
        long status = 0;
        curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
        so_far.answer.status = static_cast<int>(status);
        return std::move(so_far.answer);
    }
    const auto kind = kind_of(failed, curl);
    if (so_far.refused != nullptr) return http_failure{kind, so_far.refused};
    return http_failure{kind, words.front() != '\0' ? words.data() : curl_easy_strerror(failed)};
} catch (const std::runtime_error& e) {
    return http_failure{http_failure::kind::unusable, e.what()};
}

} // namespace tidesync::qstash
