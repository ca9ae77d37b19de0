#include "worker/commands.hpp"

#include "worker/schedules.hpp"
#include "worker/setup_steps.hpp"
#include "worker/transcript.hpp"

#include <optional>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::chrono::seconds call_limit{30};

exit_code stop_early(transcript& lines, std::string_view why) {
    return lines.end(why, {"put right what is wrong above, then run `tidesync setup` again"});
}

} // namespace

exit_code set_up(const command& command) {
    const auto loaded = load_settings(process_environment(), purpose::setup, command.config_file, command.insecure_dev);
    const auto& config = loaded.values;
    transcript lines{command.json};
    check_settings(lines, loaded);
    std::optional<std::vector<qstash::schedule>> present;
    if (!config.qstash_token.empty()) {
        qstash::client client{qstash_client(config, call_limit)};
        present = check_token(lines, client, config);
        if (present) check_signing_keys(lines, client, config);
    }
    if (!lines.good() || !present) return stop_early(lines, "nothing was changed at QStash");

    qstash::client client{qstash_client(config, call_limit)};
    try {
        own_schedule(lines, client, config, *present);
        if (check_worker(lines, config)) check_message(lines, client, config);
    } catch (const qstash::api_error& e) {
        lines.wrong(e, "QStash");
    } catch (const std::runtime_error& e) {
        lines.wrong(exit_code::failed, e.what(), "is the worker still running?");
    }
    if (!lines.good()) return stop_early(lines, "not ready yet");
    return lines.end(
        "everything is in place",
        {"tidesync schedule list      when QStash calls next", "tidesync schedule trigger   let it call now",
         "tidesync runs               what came of it"});
}

} // namespace tidesync::worker
