#include "worker/commands.hpp"

#include "worker/alarm_sender.hpp"
#include "worker/answers.hpp"
#include "worker/http_server.hpp"
#include "worker/job_list.hpp"
#include "worker/log.hpp"
#include "worker/pings.hpp"
#include "worker/request_id.hpp"
#include "worker/routes.hpp"
#include "worker/run_metrics.hpp"
#include "worker/run_queue.hpp"
#include "worker/start.hpp"
#include "worker/stop_signals.hpp"
#include "worker/version.hpp"

namespace tidesync::worker {

namespace {

http_server::limits request_limits() {
    http_server::limits limits;
    limits.larger = {.path = std::string{failure_callback_path}, .bytes_max = failure_callback_bytes_max};
    return limits;
}

/// What never reached a route has a name as well.
http_response refuse(int status, std::string_view code, std::string_view message, std::string_view hint) {
    auto answer = error_answer(status, code, message, hint);
    name_request(answer, id_of({}));
    return answer;
}

std::vector<log::field> addresses(const settings& config, const http_server& server, const http_server* for_people) {
    std::vector<log::field> shown{{"address", config.listen.host}, {"port", server.port()}, {"version", version}};
    if (config.admin_listen && for_people != nullptr) {
        shown.emplace_back("admin_address", config.admin_listen->host);
        shown.emplace_back("admin_port", for_people->port());
    }
    return shown;
}

} // namespace

exit_code serve(const command& command) {
    stop_signals signals;
    const auto loaded = load_or_explain(purpose::serve, command);
    if (!loaded) return exit_code::configuration;
    const auto& config = *loaded;
    if (!schemas_are_there(config, command)) return exit_code::configuration;

    auto all = make_jobs(config);
    run_store store{config.run_store, config.lease};
    for (const auto& job : config.jobs) store.register_job(job);
    const auto jobs = job_names(config);
    run_metrics counts{store, jobs};
    run_observers observers{&counts};
    std::optional<pings> switches;
    if (!config.ping_url.empty())
        observers.push_back(&switches.emplace(config.ping_url, jobs.front(), observers, pings::rhythm{}));
    std::vector<jobs::job*> workable;
    workable.reserve(all.size());
    for (auto& job : all) workable.push_back(&job);
    runner runs{store, workable, {.run_time = config.run_time_limit}, nullptr, observers};
    services with{config, store, runs, jobs, process_name()};
    with.run_metrics = [&counts] { return counts.text(); };
    run_queue queue{store, runs, with.worker_name, {}};
    std::optional<alarm_sender> alarms;
    if (!config.alarms.url.empty())
        alarms.emplace(store, config.alarms, run_observers{&counts}, alarm_sender::rhythm{});
    with.last_turn = [&] { return alarms ? std::min(queue.last_turn(), alarms->last_turn()) : queue.last_turn(); };
    std::optional<http_server> for_people; // apart, so that deliveries never stand in the way of probes
    if (config.admin_listen)
        for_people.emplace(
            *config.admin_listen, [&](const http_request& request) { return open(with, request); }, request_limits(),
            refuse);
    const auto answers = for_people ? entrance::deliveries : entrance::all;
    http_server server{
        config.listen, [&](const http_request& request) { return open(with, request, answers); }, request_limits(),
        refuse};
    log::event(log::level::info, "listening", addresses(config, server, for_people ? &*for_people : nullptr));

    const int signal = signals.wait();
    log::event(log::level::info, "draining", {{"signal", signal}, {"limit_s", config.drain_limit.count()}});
    with.draining = true;
    server.end_connections(); // what comes meanwhile is still taken, and stored for the others
    queue.stop();
    runs.drain(config.drain_limit);
    if (alarms) alarms->stop();
    server.drain(std::chrono::seconds{5});
    if (for_people) for_people->drain(std::chrono::seconds{5}); // last: until here it has told that we drain
    if (switches) switches->finish(std::chrono::seconds{5});
    log::event(log::level::info, "stopped");
    return exit_code::in_step;
}

} // namespace tidesync::worker
