#include "worker/schedule_order.hpp"

#include "qstash/cron.hpp"
#include "worker/job_list.hpp"
#include "worker/printable.hpp"
#include "worker/routes.hpp"
#include "worker/trigger_parameters.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

namespace tidesync::worker {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds usual_timeout{30};
constexpr std::string_view main_job = "slave-to-prod";
constexpr std::chrono::seconds timeout_max{12 * 3600}; // no plan of QStash waits longer for an answer
constexpr std::chrono::seconds answer_margin{3};       // after the wait the answer still has to travel
constexpr int retries_max = 100;
constexpr std::size_t schedule_id_bytes_max = 128;
constexpr std::size_t cron_bytes_max = 256;
constexpr std::size_t parameters_bytes_max = 16UL * 1024;
constexpr std::size_t quoted_bytes_max = 100;

std::string excerpt(std::string_view text) { return printable(text, quoted_bytes_max); }

std::optional<bad_order> refuse_timeout(std::chrono::seconds timeout, const settings& config) {
    if (timeout >= shortest_timeout(config) && timeout <= timeout_max) return std::nullopt;
    if (timeout > timeout_max)
        return bad_order{
            "the timeout is longer than any plan of QStash allows",
            fmt::format("at most {} (12 h)", timeout_max.count())};
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

std::string failure_url(const settings& config) {
    return fmt::format("{}{}", config.public_url, failure_callback_path);
}

/// What is wrong with an expression, in our words where those of the parser, which are QStash's, need a key to read.
bad_order cron_refusal(std::string_view said, std::string_view hint) {
    constexpr std::string_view no_zone = "unknown time zone ";
    if (const auto at = said.find(no_zone); at != std::string_view::npos)
        return {
            fmt::format("there is no time zone {}", excerpt(said.substr(at + no_zone.size()))),
            "name it as Area/City, such as Europe/Berlin"};
    return {fmt::format("the cron expression cannot be used: {}", said), std::string{hint}};
}

/// `https://host:port` of an address, however it is written; the name itself for what is none.
std::string origin_of(const std::string& url) {
    const auto scheme_end = url.find("://");
    if (scheme_end == std::string::npos) return url;
    auto origin = url.substr(0, url.find_first_of("/?#", scheme_end + 3));
    std::ranges::transform(origin, origin.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    const std::string_view usual_port = origin.starts_with("https:") ? ":443" : ":80";
    if (origin.ends_with(usual_port)) origin.resize(origin.size() - usual_port.size());
    return origin;
}

/// @returns the expression with its zone in front, as QStash reads it
std::variant<std::string, bad_order> cron_of(const schedule_order& order, const job_rules& job) {
    constexpr auto hint = "five fields in UTC, such as `0 */6 * * *`; a time zone such as Europe/Berlin is set apart";
    const auto given = order.cron ? order.cron : default_cron(job.slot_every);
    if (!given)
        return bad_order{
            fmt::format("no cron expression has the slots of {}, {} s", job.name, job.slot_every.count()),
            "give one, or let slot_every_s in tidesync.yaml divide an hour or a day"};
    if (given->size() + order.timezone.size() > cron_bytes_max)
        return bad_order{"the cron expression is too long", hint};
    const auto printable = [](unsigned char c) { return c >= ' ' && c < 127; }; // it travels in a header
    if (!std::ranges::all_of(*given + order.timezone, printable))
        return bad_order{"the cron expression or its time zone holds a character that is not printable ASCII", hint};
    const auto first = std::min(given->find_first_not_of(' '), given->size());
    const auto trimmed = given->substr(first, given->find_last_not_of(' ') + 1 - first);
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
        return cron_refusal(e.what(), hint);
    }
    return expression;
}

std::optional<bad_order> refuse_rest(const schedule_order& order) {
    if (auto wrong = refuse_schedule_id(schedule_id_of(order))) return wrong;
    if (order.retries < 0 || order.retries > retries_max)
        return bad_order{
            fmt::format(
                "{} retries are too {}: 0 to {}", order.retries, order.retries < 0 ? "few" : "many", retries_max),
            "QStash tries a failed delivery again 2 times unless you say otherwise"};
    if (order.parameters.size() > parameters_bytes_max)
        return bad_order{"the parameters are too long", fmt::format("{} bytes at most, as JSON", parameters_bytes_max)};
    // At the tick it is too late: QStash would deliver, and the worker would refuse.
    if (const auto parameters = parse_parameters(order.parameters); !parameters.problem.empty())
        return bad_order{parameters.problem, R"(set {} or {"dry_run": true})"};
    return std::nullopt;
}

} // namespace

std::string default_schedule_id(std::string_view job) { return fmt::format("tidesync-{}", job); }

std::optional<std::string> default_cron(std::chrono::seconds slot_every) {
    constexpr auto whole = [](std::chrono::seconds time, std::chrono::seconds unit) { return time % unit == 0s; };
    if (slot_every == std::chrono::weeks{1}) return "0 0 * * 4"; // weeks since 1970 begin on Thursdays
    if (slot_every == 1min) return "* * * * *";
    if (slot_every == 1h) return "0 * * * *";
    if (slot_every == 24h) return "0 0 * * *";
    if (whole(slot_every, 1min) && whole(1h, slot_every)) return fmt::format("*/{} * * * *", slot_every / 1min);
    if (whole(slot_every, 1h) && whole(24h, slot_every)) return fmt::format("0 */{} * * *", slot_every / 1h);
    return std::nullopt;
}

std::chrono::seconds shortest_timeout(const settings& config) { return config.delivery_wait + answer_margin; }

std::string schedule_id_of(const schedule_order& order) {
    return order.schedule_id ? *order.schedule_id : default_schedule_id(order.job);
}

std::chrono::seconds default_timeout(const settings& config) {
    return std::max(usual_timeout, shortest_timeout(config));
}

std::string job_path(std::string_view job) {
    return job == main_job ? std::string{sync_path} : fmt::format("/api/jobs/{}/runs", job);
}

std::string job_url(const settings& config, std::string_view job) { return config.public_url + job_path(job); }

std::optional<bad_order> refuse_schedule_id(std::string_view id) {
    const auto plain = [](unsigned char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' ||
               c == '-';
    };
    const bool only_dots = id.find_first_not_of('.') == std::string_view::npos; // a path would lose it
    if (!only_dots && id.size() <= schedule_id_bytes_max && std::ranges::all_of(id, plain)) return std::nullopt;
    if (id.empty())
        return bad_order{"the schedule id is empty", fmt::format("leave it out for {}", default_schedule_id(main_job))};
    return bad_order{
        fmt::format("`{}` cannot be the id of a schedule", excerpt(id)),
        fmt::format("letters, digits, `.`, `_` and `-`, {} at most", schedule_id_bytes_max)};
}

std::variant<qstash::schedule_request, bad_order> request_for(const schedule_order& order, const settings& config) {
    const auto* job = find_job(config, order.job);
    if (job == nullptr)
        return bad_order{
            fmt::format("there is no job {}", excerpt(order.job)),
            fmt::format("the jobs are: {}", fmt::join(job_names(config), ", "))};
    if (auto wrong = refuse_rest(order)) return std::move(*wrong);
    const auto timeout = order.timeout.value_or(default_timeout(config));
    if (auto wrong = refuse_timeout(timeout, config)) return std::move(*wrong);
    auto cron = cron_of(order, *job);
    if (auto* wrong = std::get_if<bad_order>(&cron)) return std::move(*wrong);

    qstash::schedule_request request;
    request.schedule_id = schedule_id_of(order);
    request.cron = std::get<std::string>(cron);
    request.message.destination = job_url(config, order.job);
    request.message.body = order.parameters.empty() ? "{}" : order.parameters;
    request.message.retries = order.retries;
    request.message.timeout = timeout;
    request.message.failure_callback = failure_url(config);
    request.message.failure_callback_retries = failure_callback_retries;
    return request;
}

std::optional<correction> correction_of(const qstash::schedule& found, const settings& config, std::string_view job) {
    correction result{{.schedule_id = found.schedule_id, .cron = found.cron, .message = qstash::message_of(found)}, {}};
    auto& message = result.request.message;
    const auto change = [&](std::string_view name, std::string_view now, std::string_view before) {
        result.changes.push_back(
            fmt::format("{} {}, was {}", name, now, before.empty() ? std::string{"not set"} : excerpt(before)));
    };
    const auto put = [&](std::string_view name, std::string& member, const std::string& value) {
        if (member == value) return;
        change(name, value, member);
        member = value;
    };
    put("destination", message.destination, job_url(config, job));
    put("method", message.method, "POST");
    put("failure callback", message.failure_callback, failure_url(config));
    if (!parse_parameters(message.body).problem.empty()) put("body", message.body, "{}");
    if (message.timeout && refuse_timeout(*message.timeout, config)) {
        change("timeout", qstash::duration_text(default_timeout(config)), qstash::duration_text(*message.timeout));
        message.timeout = default_timeout(config);
    }
    if (result.changes.empty()) return std::nullopt;
    if (!message.retries) message.retries = schedule_order{}.retries;
    if (!message.timeout) message.timeout = default_timeout(config);
    if (!message.failure_callback_retries) message.failure_callback_retries = failure_callback_retries;
    return result;
}

bool calls_elsewhere(const qstash::schedule& found, const settings& config) {
    return origin_of(found.destination) != origin_of(config.public_url);
}

} // namespace tidesync::worker
