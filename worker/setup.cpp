#include "worker/commands.hpp"

#include "worker/schedules.hpp"
#include "worker/setup_steps.hpp"
#include "worker/transcript.hpp"

#include <chrono>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::chrono::seconds call_limit{30};

/// Each step only when those before it found nothing wrong: what changes QStash comes last.
/// @param changes  set once a step may have changed something at QStash
/// @returns whether the schedule delivers at its ticks
bool take_steps(transcript& lines, const loading& loaded, bool& changes) {
    const auto& config = loaded.values;
    check_settings(lines, loaded);
    if (config.qstash_token.empty()) return false;
    qstash::client client{qstash_client(config, call_limit)};
    if (check_token(lines, client, config)) check_signing_keys(lines, client, config);
    if (!lines.good() || !check_worker(lines, config)) return false;
    check_message(lines, client, config);
    changes = lines.good();
    bool ticks = changes;
    for (const auto& job : config.jobs) ticks = changes && own_schedule(lines, client, config, job.name) && ticks;
    return ticks;
}

} // namespace

exit_code set_up(const command& command) {
    const auto loaded = load_settings(process_environment(), purpose::setup, command.config_file, command.insecure_dev);
    transcript lines{command.json};
    bool ticks = false;
    bool changes = false;
    try {
        ticks = take_steps(lines, loaded, changes);
    } catch (const qstash::api_error& e) {
        lines.wrong(e, "QStash");
    } catch (const std::invalid_argument& e) { // what was read from QStash can not always be sent back
        lines.wrong(exit_code::failed, e.what(), "create the schedule anew: `tidesync schedule create`");
    } catch (const std::runtime_error& e) {
        lines.wrong(exit_code::failed, e.what(), "is the worker still running?");
    } catch (const std::exception& e) { // such as JSON that nobody expected
        lines.wrong(exit_code::failed, e.what(), "`tidesync check-config` tests the settings");
    }
    if (!lines.good())
        return lines.end(
            changes ? "not ready yet" : "not ready yet: nothing was changed at QStash",
            {"put right what is wrong above, then run `tidesync setup` again"});
    if (!ticks) return lines.end("everything works, but a schedule is paused: see above", {});
    return lines.end(
        "everything is in place",
        {"tidesync schedule list      when QStash calls next", "tidesync schedule trigger   let it call now",
         "tidesync runs               what came of it"});
}

} // namespace tidesync::worker
