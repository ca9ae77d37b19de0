#include "worker/schedule_order.hpp"

#include "qstash/cron.hpp"
#include "worker/trigger_parameters.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::chrono::seconds default_timeout{30};
constexpr std::chrono::seconds timeout_max{12 * 3600}; // no plan of QStash waits longer for an answer
constexpr std::chrono::seconds answer_margin{3};       // after the wait the answer still has to travel
constexpr int retries_max = 100;
constexpr std::size_t schedule_id_bytes_max = 128;
constexpr std::size_t cron_bytes_max = 256;
constexpr std::size_t parameters_bytes_max = 16UL * 1024;

std::optional<bad_order> refuse_timeout(std::chrono::seconds timeout, const settings& config) {
    if (timeout >= shortest_timeout(config) && timeout <= timeout_max) return std::nullopt;
    if (timeout > timeout_max)
        return bad_order{
            "the timeout is longer than any plan of QStash allows",
            fmt::format("set it to {} s at most", timeout_max.count())};
    const auto wait = timeout - answer_margin;
    return bad_order{
        fmt::format(
            "a timeout of {} s is too short: a delivery may wait {} s for the end of its run (TIDESYNC_DELIVERY_WAIT), "
            "and its answer needs {} s to travel",
            timeout.count(), config.delivery_wait.count(), answer_margin.count()),
        fmt::format(
            "set the timeout to {} s or more{}", shortest_timeout(config).count(),
            wait.count() < 0 ? "" : fmt::format(", or TIDESYNC_DELIVERY_WAIT to {} or less", wait.count()))};
}

std::chrono::seconds timeout_of(const schedule_order& order, const settings& config) {
    return order.timeout.value_or(std::max(default_timeout, shortest_timeout(config)));
}

std::string failure_url(const settings& config) { return config.public_url + "/api/qstash/failure"; }

/// @returns the expression with its zone in front, as QStash reads it
std::variant<std::string, bad_order> cron_of(const schedule_order& order) {
    constexpr auto hint = "five fields in UTC, such as `0 */6 * * *`; a time zone such as Europe/Berlin is set apart";
    if (order.cron.size() + order.timezone.size() > cron_bytes_max)
        return bad_order{"the cron expression is too long", hint};
    const auto printable = [](unsigned char c) { return c >= ' ' && c < 127; }; // it travels in a header
    if (!std::ranges::all_of(order.cron + order.timezone, printable))
        return bad_order{"the cron expression or its time zone holds a character that is not printable ASCII", hint};
    const auto first = std::min(order.cron.find_first_not_of(' '), order.cron.size());
    const auto trimmed = order.cron.substr(first, order.cron.find_last_not_of(' ') + 1 - first);
    const bool names_zone = trimmed.starts_with("CRON_TZ=") || trimmed.starts_with("TZ=");
    if (names_zone && !order.timezone.empty())
        return bad_order{
            "the cron expression names a time zone, and another one is given", "keep one of the two time zones"};
    if (order.timezone.find(' ') != std::string::npos)
        return bad_order{"the time zone holds a blank", "name it as Area/City, such as Europe/Berlin"};
    auto expression = order.timezone.empty() ? trimmed : fmt::format("CRON_TZ={} {}", order.timezone, trimmed);
    try {
        (void)qstash::cron::parse(expression);
    } catch (const std::invalid_argument& e) {
        return bad_order{fmt::format("the cron expression cannot be used: {}", e.what()), hint};
    }
    return expression;
}

std::optional<bad_order> refuse_rest(const schedule_order& order, const std::vector<std::string>& jobs) {
    if (std::ranges::find(jobs, order.job) == jobs.end())
        return bad_order{"there is no such job", fmt::format("the jobs are: {}", fmt::join(jobs, ", "))};
    if (!order.schedule_id.empty())
        if (auto wrong = refuse_schedule_id(order.schedule_id)) return wrong;
    if (order.retries < 0 || order.retries > retries_max)
        return bad_order{"the number of retries cannot be used", fmt::format("set retries from 0 to {}", retries_max)};
    if (order.parameters.size() > parameters_bytes_max)
        return bad_order{"the parameters are too long", fmt::format("{} bytes at most, as JSON", parameters_bytes_max)};
    // At the tick it is too late: QStash would deliver, and the worker would refuse.
    if (const auto parameters = parse_parameters(order.parameters); !parameters.problem.empty())
        return bad_order{fmt::format("parameters: {}", parameters.problem), R"(set {} or {"dry_run": true})"};
    return std::nullopt;
}

} // namespace

std::string default_schedule_id(std::string_view job) { return fmt::format("tidesync-{}", job); }

std::chrono::seconds shortest_timeout(const settings& config) { return config.delivery_wait + answer_margin; }

std::string job_url(const settings& config, std::string_view job) {
    if (job == "slave-to-prod") return config.public_url + "/api/background/sync/slave-to-prod";
    return fmt::format("{}/api/jobs/{}/runs", config.public_url, job);
}

std::optional<bad_order> refuse_schedule_id(std::string_view id) {
    const auto plain = [](unsigned char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' ||
               c == '-';
    };
    const bool only_dots = id.find_first_not_of('.') == std::string_view::npos; // a path would lose it
    if (!only_dots && id.size() <= schedule_id_bytes_max && std::ranges::all_of(id, plain)) return std::nullopt;
    return bad_order{
        "the schedule id cannot be used",
        fmt::format("letters, digits, `.`, `_` and `-`, {} at most", schedule_id_bytes_max)};
}

std::variant<qstash::schedule_request, bad_order>
request_for(const schedule_order& order, const settings& config, const std::vector<std::string>& jobs) {
    if (auto wrong = refuse_rest(order, jobs)) return std::move(*wrong);
    const auto timeout = timeout_of(order, config);
    if (auto wrong = refuse_timeout(timeout, config)) return std::move(*wrong);
    auto cron = cron_of(order);
    if (auto* wrong = std::get_if<bad_order>(&cron)) return std::move(*wrong);

    qstash::schedule_request request;
    request.schedule_id = order.schedule_id.empty() ? default_schedule_id(order.job) : order.schedule_id;
    request.cron = std::get<std::string>(cron);
    request.message.destination = job_url(config, order.job);
    request.message.body = order.parameters.empty() ? "{}" : order.parameters;
    request.message.retries = order.retries;
    request.message.timeout = timeout;
    request.message.failure_callback = failure_url(config);
    return request;
}

std::optional<qstash::schedule_request>
correction_of(const qstash::schedule& found, const settings& config, std::string_view job) {
    bool right = true;
    const auto put = [&right](auto& member, const auto& value) {
        right = right && member == value;
        member = value;
    };
    qstash::schedule_request request{
        .schedule_id = found.schedule_id, .cron = found.cron, .message = qstash::message_of(found)};
    auto& message = request.message;
    put(message.destination, job_url(config, job));
    put(message.method, std::string{"POST"});
    put(message.failure_callback, failure_url(config));
    if (!message.retries) put(message.retries, schedule_order{}.retries);
    if (!message.timeout || refuse_timeout(*message.timeout, config)) put(message.timeout, timeout_of({}, config));
    if (!parse_parameters(message.body).problem.empty()) put(message.body, std::string{"{}"});
    if (right) return std::nullopt;
    return request;
}

} // namespace tidesync::worker
