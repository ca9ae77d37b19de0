#include "qstash/client.hpp"

#include "qstash/client_answer.hpp"
#include "qstash/client_request.hpp"
#include "qstash/http_call.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <random>
#include <thread>

namespace tidesync::qstash {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using steady_time = std::chrono::steady_clock::time_point;
using wall_time = std::chrono::system_clock::time_point;
using call_result = std::variant<http_answer, http_failure>;

constexpr int rows_of_a_page_max = 100; // what the documentation allows; older servers gave more
constexpr seconds limit_min{1};
constexpr seconds limit_max{std::chrono::hours{24}};
constexpr milliseconds first_pause{200};
constexpr int pause_doublings_max = 6;

/// Whether a call may be made twice, because the second one would change nothing.
enum class repeat { never, safe };

/// From half a pause to a whole one on top: who failed together should not come back together.
milliseconds with_jitter(milliseconds pause) {
    thread_local std::minstd_rand random{std::random_device{}()};
    std::uniform_int_distribution<milliseconds::rep> extra{0, pause.count() / 2};
    return pause + milliseconds{extra(random)};
}

milliseconds growing_pause(int tries) {
    return with_jitter(first_pause * (1 << std::min(tries - 1, pause_doublings_max)));
}

bool gateway_failed(int status) { return status == 502 || status == 503 || status == 504; }

/// @returns how long to wait before the same call has a chance; nothing when it has none
std::optional<milliseconds> pause_after(const call_result& result, int tries, wall_time now) {
    if (const auto* failure = std::get_if<http_failure>(&result)) {
        const bool passing =
            failure->what == http_failure::kind::not_sent || failure->what == http_failure::kind::broken;
        return passing ? std::optional{growing_pause(tries)} : std::nullopt;
    }
    const auto& answer = std::get<http_answer>(result);
    if (gateway_failed(answer.status)) return growing_pause(tries);
    if (answer.status != 429) return std::nullopt;
    const auto reset = rate_limit_of(answer).reset;
    if (!reset || *reset <= now) return growing_pause(tries);
    return std::chrono::ceil<milliseconds>(*reset - now) + with_jitter(first_pause);
}

/// Whether the server may have done what it was asked for, although it did not say so.
bool in_doubt(const call_result& result) {
    if (const auto* failure = std::get_if<http_failure>(&result)) return failure->what == http_failure::kind::broken;
    return gateway_failed(std::get<http_answer>(result).status);
}

} // namespace

class client::implementation {
public:
    explicit implementation(client_settings settings)
        : settings_{std::move(settings)} {
        settings_.url = origin_of(settings_.url);
        check_token(settings_.token);
        settings_.total_limit = std::clamp(settings_.total_limit, limit_min, limit_max);
        settings_.connect_limit = std::clamp(settings_.connect_limit, limit_min, settings_.total_limit);
    }

    class call;

    /// @param verb  `pause` or `resume`
    void switch_schedule(const char* name, const std::string& schedule_id, const char* verb) const;

private:
    client_settings settings_; // set once and only read, so that threads need no lock
};

/// One call under one limit, however many requests it takes.
class client::implementation::call {
public:
    call(const implementation& owner, std::string name)
        : settings_{owner.settings_}
        , name_{std::move(name)}
        , until_{std::min(std::chrono::steady_clock::now() + settings_.total_limit, settings_.until)} {}

    /// @param target  path and query behind `/v2/`
    /// @throws unreachable  without an answer
    answer_reader request(
        const char* method, const std::string& target, repeat allowed, http_fields headers = {},
        std::string body = {}) {
        http_request request{
            .method = method,
            .url = settings_.url + "/v2/" + target,
            .headers = std::move(headers),
            .body = std::move(body),
            .connect_limit = settings_.connect_limit};
        request.headers.emplace_back("Authorization", "Bearer " + settings_.token);
        request.headers.emplace_back("User-Agent", "tidesync");
        const int tries_max = allowed == repeat::safe ? std::max(settings_.tries_max, 1) : 1;
        return whole_answer(request, tries_max);
    }

    /// Whether a try before the last one may have had its effect already.
    [[nodiscard]] bool in_doubt() const { return in_doubt_; }

private:
    answer_reader whole_answer(http_request& request, int tries_max) {
        for (int tries = 1;; ++tries) {
            request.total_limit = time_left();
            if (request.total_limit <= milliseconds{0})
                throw unreachable{
                    fmt::format("{}: not sent: the calls before it took all the time there was", name_), 0};
            auto result = http_call(request);
            const auto pause =
                tries < tries_max ? pause_after(result, tries, std::chrono::system_clock::now()) : std::nullopt;
            if (pause && *pause < time_left()) {
                in_doubt_ = in_doubt_ || qstash::in_doubt(result);
                std::this_thread::sleep_for(*pause);
                continue;
            }
            if (auto* answer = std::get_if<http_answer>(&result))
                return {name_, settings_.url, settings_.token, std::move(*answer)};
            throw_unreachable(std::get<http_failure>(result), tries);
        }
    }

    [[noreturn]] void throw_unreachable(const http_failure& failure, int tries) const {
        throw unreachable{
            fmt::format(
                "{}: no answer from {}: {}{}", name_, settings_.url, shown(failure.text, settings_.token),
                tries == 1 ? "" : fmt::format(" ({} tries)", tries)),
            0};
    }

    [[nodiscard]] milliseconds time_left() const {
        return std::chrono::ceil<milliseconds>(until_ - std::chrono::steady_clock::now());
    }

    const client_settings& settings_;
    std::string name_;
    steady_time until_;
    bool in_doubt_ = false;
};

namespace {

/// What cannot be sent is a failed call as well, so that a caller needs to catch only one kind of exception.
template <typename Action>
auto as_call(const char* name, Action action) -> decltype(action()) {
    try {
        return action();
    } catch (const std::invalid_argument& e) {
        throw api_error{fmt::format("{}: not sent: {}", name, e.what()), 0};
    }
}

/// Likewise for a call on one schedule: what is not found is that schedule.
template <typename Action>
auto as_call_on(const std::string& schedule_id, const char* name, Action action) -> decltype(action()) {
    try {
        return as_call(name, action);
    } catch (not_found& e) {
        e.schedule_id = schedule_id;
        throw;
    }
}

std::string count_of(int rows_max) { return std::to_string(std::clamp(rows_max, 1, rows_of_a_page_max)); }

} // namespace

client::client(client_settings settings)
    : implementation_{std::make_unique<implementation>(std::move(settings))} {}

client::~client() = default;

std::string client::create_schedule(const schedule_request& request) {
    constexpr auto name = "create schedule";
    return as_call(name, [&] {
        // The fixed id makes it safe to repeat: the second create replaces the first with the same.
        return implementation::call{*implementation_, name}
            .request(
                "POST", "schedules/" + checked_destination(request.message.destination), repeat::safe,
                headers_of(request), request.message.body)
            .created_id();
    });
}

std::vector<schedule> client::list_schedules() {
    return implementation::call{*implementation_, "list schedules"}
        .request("GET", "schedules", repeat::safe)
        .schedules();
}

schedule client::get_schedule(const std::string& schedule_id) {
    constexpr auto name = "get schedule";
    return as_call_on(schedule_id, name, [&] {
        const auto target = "schedules/" + checked_schedule_id(schedule_id);
        return implementation::call{*implementation_, name}.request("GET", target, repeat::safe).schedule();
    });
}

void client::delete_schedule(const std::string& schedule_id) {
    constexpr auto name = "delete schedule";
    as_call_on(schedule_id, name, [&] {
        const auto target = "schedules/" + checked_schedule_id(schedule_id);
        implementation::call call{*implementation_, name};
        try {
            call.request("DELETE", target, repeat::safe).require_success();
        } catch (const not_found&) {
            if (!call.in_doubt()) throw; // else an earlier try of ours has done it, and its answer was lost
        }
    });
}

void client::pause_schedule(const std::string& schedule_id) {
    implementation_->switch_schedule("pause schedule", schedule_id, "/pause");
}

void client::resume_schedule(const std::string& schedule_id) {
    implementation_->switch_schedule("resume schedule", schedule_id, "/resume");
}

void client::implementation::switch_schedule(const char* name, const std::string& schedule_id, const char* verb) const {
    as_call_on(schedule_id, name, [&] {
        const auto target = "schedules/" + checked_schedule_id(schedule_id) + verb;
        call switching{*this, name};
        auto answer = switching.request("PATCH", target, repeat::safe);
        if (answer.status() == 405) answer = switching.request("POST", target, repeat::safe);
        answer.require_success();
    });
}

client::published client::publish(const message_request& request, const std::string& deduplication_id) {
    constexpr auto name = "publish";
    return as_call(name, [&] {
        auto headers = headers_of(request);
        if (!deduplication_id.empty()) headers.push_back(deduplication_header(deduplication_id));
        return implementation::call{*implementation_, name}
            .request(
                "POST", "publish/" + checked_destination(request.destination),
                deduplication_id.empty() ? repeat::never : repeat::safe, std::move(headers), request.body)
            .published();
    });
}

std::vector<log_entry> client::list_logs(const std::string& message_id, int rows_max) {
    constexpr auto name = "list logs";
    return as_call(name, [&] {
        // The documentation calls it /v2/logs, but this is the name that every official client uses.
        auto target = "events?count=" + count_of(rows_max);
        if (!message_id.empty()) target += "&messageId=" + encoded_id(message_id);
        return implementation::call{*implementation_, name}.request("GET", target, repeat::safe).logs();
    });
}

std::vector<dlq_entry> client::list_dlq(int rows_max) {
    return implementation::call{*implementation_, "list DLQ"}
        .request("GET", "dlq?count=" + count_of(rows_max), repeat::safe)
        .dead_letters();
}

std::string client::retry_dlq(const std::string& dlq_id) {
    constexpr auto name = "retry DLQ entry";
    return as_call(name, [&] {
        const auto target = "dlq/retry/" + encoded_id(dlq_id);
        // Each one makes a new message, so a second try could make a second message.
        return implementation::call{*implementation_, name}
            .request("POST", target, repeat::never)
            .published()
            .message_id;
    });
}

key_pair client::get_keys() {
    return implementation::call{*implementation_, "get keys"}.request("GET", "keys", repeat::safe).keys();
}

} // namespace tidesync::qstash
