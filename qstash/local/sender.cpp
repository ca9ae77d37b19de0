#include "qstash/local/sender.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <charconv>
#include <curl/curl.h>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace tidesync::qstash::local {

namespace {

constexpr std::size_t answer_headers_max = 200;
constexpr std::size_t answer_header_bytes_max = 8UL * 1024;

void start_curl_once() {
    static std::once_flag once;
    std::call_once(once, [] {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw std::runtime_error{"libcurl could not start"};
    });
}

struct free_list {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
struct free_easy {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};

std::string text_of(const sockaddr& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = address.sa_family == AF_INET6
                            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr)
                            : static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(address).sin_addr);
    return inet_ntop(address.sa_family, bytes, text.data(), text.size()) == nullptr ? "" : text.data();
}

/// One request under way.
struct transfer {
    outgoing request;
    incoming answer;
    std::string host;
    std::string refusal; ///< why the last address was not connected to
    int status_line = 0; ///< the status that the answer itself says; 0 for none that can be read
    const destination_policy* policy = nullptr;
    sender::limits limits;
    std::size_t body_bytes = 0;
    bool cut_off = false; ///< the answer was longer than anyone will read
    std::array<char, CURL_ERROR_SIZE> error{};
    std::unique_ptr<curl_slist, free_list> headers;
    std::unique_ptr<CURL, free_easy> easy;
};

std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* into) {
    auto& transfer = *static_cast<struct transfer*>(into);
    auto& body = transfer.answer.result.body;
    body.append(bytes, std::min(count, transfer.limits.answer_bytes_max - body.size()));
    transfer.body_bytes += count;
    transfer.cut_off = transfer.body_bytes > transfer.limits.answer_bytes_read_max;
    return transfer.cut_off ? 0 : count;
}

/// `HTTP/1.1 200 OK`. libcurl forgives more than one should: it takes rubbish for 200.
int status_of(std::string_view line) {
    const auto space = line.find(' ');
    if (space == std::string_view::npos || line.size() < space + 4) return 0;
    const auto version = line.substr(5, space - 5);
    const bool numbered = !version.empty() && version.find_first_not_of("0123456789.") == std::string_view::npos;
    int status = 0;
    const auto* first = line.data() + space + 1;
    const auto [end, error] = std::from_chars(first, first + 3, status);
    return numbered && error == std::errc{} && end == first + 3 ? status : 0;
}

/// PostgreSQL keeps text that is UTF-8 and without NUL; a destination may send anything.
std::string storable(std::string_view text) {
    std::string result{text};
    std::erase(result, '\0');
    const auto shown = nlohmann::json(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return nlohmann::json::parse(shown).get<std::string>();
}

std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* into) {
    auto& headers = static_cast<transfer*>(into)->answer.result.headers;
    const std::string_view line{bytes, count};
    if (line.starts_with("HTTP/")) { // a new one: what came before was an interim answer (100 Continue, 103)
        headers.clear();
        static_cast<transfer*>(into)->status_line = status_of(line);
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || headers.size() >= answer_headers_max) return count;
    std::string name{line.substr(0, colon)};
    std::ranges::transform(
        name, name.begin(), [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
    auto value = line.substr(colon + 1);
    const auto first = value.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos)
        value = {};
    else
        value = value.substr(first, value.find_last_not_of(" \t\r\n") - first + 1);
    headers.emplace_back(storable(name), storable(value.substr(0, answer_header_bytes_max)));
    return count;
}

/// Called with each address that the name resolved to, before the connection is made.
curl_socket_t open_socket(void* from, curlsocktype, curl_sockaddr* address) {
    auto& transfer = *static_cast<struct transfer*>(from);
    if (const auto why = refuse_address(text_of(address->addr), transfer.host, *transfer.policy)) {
        transfer.refusal = *why;
        return CURL_SOCKET_BAD;
    }
    transfer.refusal.clear(); // another address of the same name may be called: its error counts
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/// What QStash's users know from its logs, where they know it.
std::string error_text(CURLcode code, const transfer& transfer) {
    if (!transfer.refusal.empty()) return transfer.refusal;
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT: {
        curl_off_t connected_us = 0;
        curl_easy_getinfo(transfer.easy.get(), CURLINFO_CONNECT_TIME_T, &connected_us);
        const auto limit = std::chrono::milliseconds{transfer.limits.connect};
        if (connected_us == 0 && limit < transfer.request.timeout)
            return fmt::format(
                "context deadline exceeded (no connection within {} s)", transfer.limits.connect.count());
        return fmt::format(
            "context deadline exceeded (no complete answer within {} ms)", transfer.request.timeout.count());
    }
    case CURLE_COULDNT_RESOLVE_HOST:
        return fmt::format("unable to resolve host: lookup {}: no such host", transfer.host);
    default:
        return transfer.error[0] != '\0' ? transfer.error.data() : curl_easy_strerror(code);
    }
}

void prepare(transfer& transfer) {
    auto* easy = transfer.easy.get();
    const auto& request = transfer.request;
    curl_slist* list = nullptr;
    const auto add = [&](const std::string& line) {
        auto* longer = curl_slist_append(list, line.c_str());
        if (longer == nullptr) throw std::bad_alloc{};
        list = longer;
    };
    // A header without a value is sent only when it ends in a semicolon; libcurl's own Accept and Expect are unwanted.
    for (const auto& [name, value] : request.headers)
        add(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
    add("Expect:");
    const auto given = [&](std::string_view name) {
        return std::ranges::any_of(
            request.headers, [&](const auto& header) { return canonical_header_name(header.first) == name; });
    };
    if (!given("Accept")) add("Accept:");
    if (!given("Content-Type")) add("Content-Type:");
    transfer.headers.reset(list);

    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str()); // not copied: lives as long as the transfer
    }
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); // the signature names the URL as it was given
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); // the environment's proxy would connect where the policy cannot see
    curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(
        easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::chrono::milliseconds{transfer.limits.connect}.count()));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error.data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
    // Connections are not kept: the next message to the same host shall have its address looked at again.
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
#if LIBCURL_VERSION_NUM >= 0x075700
    // A name server that keeps silent would otherwise hold up every other delivery: libcurl waits for its lookup.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

} // namespace

class sender::implementation {
public:
    implementation(destination_policy policy, limits limit)
        : policy_{std::move(policy)}
        , limits_{limit} {
        start_curl_once();
        multi_ = curl_multi_init();
        if (multi_ == nullptr) throw std::runtime_error{"libcurl could not start"};
    }

    ~implementation() {
        for (auto& [easy, transfer] : transfers_) curl_multi_remove_handle(multi_, easy);
        transfers_.clear();
        curl_multi_cleanup(multi_);
    }

    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;

    void start(outgoing request) {
        auto made = std::make_unique<transfer>();
        made->answer.id = request.id;
        made->request = std::move(request);
        made->policy = &policy_;
        made->limits = limits_;
        try {
            const auto where = parse_destination(made->request.url);
            made->host = where.host;
            if (const auto why = refuse_host(where, policy_)) return refuse(std::move(made), *why);
        } catch (const std::invalid_argument& e) {
            const std::string why = e.what();
            return refuse(std::move(made), why);
        }
        made->easy.reset(curl_easy_init());
        if (!made->easy) throw std::runtime_error{"libcurl could not start"};
        prepare(*made);
        auto* easy = made->easy.get();
        if (curl_multi_add_handle(multi_, easy) != CURLM_OK) throw std::runtime_error{"libcurl took no request"};
        transfers_.emplace(easy, std::move(made));
    }

    std::vector<incoming> work(std::chrono::milliseconds patience) {
        const auto until = std::chrono::steady_clock::now() + patience;
        for (;;) {
            int running = 0;
            curl_multi_perform(multi_, &running);
            collect();
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
            if (!ended_.empty() || left <= 0 || woken_.exchange(false)) return std::exchange(ended_, {});
            curl_multi_poll(multi_, nullptr, 0, static_cast<int>(left), nullptr);
        }
    }

    void wake() {
        woken_ = true;
        curl_multi_wakeup(multi_);
    }

    [[nodiscard]] std::size_t under_way() const { return transfers_.size(); }

private:
    void refuse(std::unique_ptr<transfer> made, const std::string& why) {
        made->answer.result.error = why;
        ended_.push_back(std::move(made->answer));
    }

    void collect() {
        int left = 0;
        while (const auto* message = curl_multi_info_read(multi_, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            auto* easy = message->easy_handle;
            const auto code = message->data.result;
            const auto found = transfers_.find(easy);
            auto& transfer = *found->second;
            long status = 0;
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            auto& result = transfer.answer.result;
            const bool whole = code == CURLE_OK || (transfer.cut_off && status != 0);
            if (whole && transfer.status_line == static_cast<int>(status)) {
                result.status = static_cast<int>(status);
            } else if (whole) {
                result = {};
                result.error = "malformed HTTP response: no status line that can be read";
            } else {
                // An answer that broke off is no answer: what the destination did is not known.
                result = {};
                result.error = storable(error_text(code, transfer));
            }
            ended_.push_back(std::move(transfer.answer));
            curl_multi_remove_handle(multi_, easy);
            transfers_.erase(found);
        }
    }

    destination_policy policy_;
    limits limits_;
    CURLM* multi_ = nullptr;
    std::map<CURL*, std::unique_ptr<transfer>> transfers_;
    std::vector<incoming> ended_;
    std::atomic<bool> woken_{false};
};

sender::sender(destination_policy policy, limits limit)
    : implementation_{std::make_unique<implementation>(std::move(policy), limit)} {}

sender::~sender() = default;

void sender::start(outgoing request) { implementation_->start(std::move(request)); }

std::vector<incoming> sender::work(std::chrono::milliseconds patience) { return implementation_->work(patience); }

void sender::wake() { implementation_->wake(); }

std::size_t sender::under_way() const { return implementation_->under_way(); }

} // namespace tidesync::qstash::local
