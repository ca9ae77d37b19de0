#include "worker/commands.hpp"

#include "worker/schedule_actions.hpp"
#include "worker/schedule_text.hpp"
#include "worker/schedules.hpp"
#include "worker/start.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::chrono::seconds call_limit{30};

std::chrono::sys_seconds now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

void print(const nlohmann::ordered_json& document) {
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

exit_code refuse(const command& command, const bad_order& wrong) {
    explain_failure(command, "bad_request", wrong.message, wrong.hint);
    return exit_code::usage;
}

exit_code list(qstash::client& client, const command& command) {
    const auto schedules = client.list_schedules();
    if (!command.json) {
        fmt::print("{}", schedules_table(schedules, now()));
        return exit_code::in_step;
    }
    auto documents = nlohmann::ordered_json::array();
    for (const auto& schedule : schedules) documents.push_back(schedule_document(schedule, now()));
    print({{"success", true}, {"schedules", std::move(documents)}});
    return exit_code::in_step;
}

exit_code get(qstash::client& client, const command& command) {
    const auto& order = command.schedule.action.order;
    const auto id = schedule_id_of(order);
    if (const auto wrong = refuse_schedule_id(id)) return refuse(command, *wrong);
    const auto schedule = client.get_schedule(id);
    if (command.json)
        print({{"success", true}, {"schedule", schedule_document(schedule, now())}});
    else
        fmt::print("{}", schedule_details(schedule, now()));
    return exit_code::in_step;
}

std::string sentence(schedule_action::verb what, const schedule_change& change) {
    switch (what) {
    case schedule_action::verb::create:
        return fmt::format(
            "schedule {} {}{}", change.schedule_id, change.replaced ? "replaced" : "created",
            change.paused ? fmt::format("; it is paused as before: `tidesync schedule resume {}`", change.schedule_id)
                          : "");
    case schedule_action::verb::remove:
        return fmt::format("schedule {} deleted; what it has sent already is still delivered", change.schedule_id);
    case schedule_action::verb::pause:
        return fmt::format("schedule {} paused: its ticks pass unused until it is resumed", change.schedule_id);
    case schedule_action::verb::resume:
        return fmt::format("schedule {} resumed", change.schedule_id);
    case schedule_action::verb::trigger:
        break;
    }
    return fmt::format(
        "QStash delivers message {} now; `tidesync runs` shows its run, beside the start of that id",
        change.message_id);
}

exit_code change(qstash::client& client, const settings& config, const command& command) {
    const auto& action = command.schedule.action;
    // Where the worker's runs are is known to whoever set it; QStash's schedules can be changed without.
    const auto with_store = load_settings(process_environment(), purpose::store);
    if (with_store.problems.empty())
        record_or_warn(with_store.values.run_store, entry_of(action, user_of_command_line()));
    const auto performed = perform(action, client, config);
    if (const auto* wrong = std::get_if<bad_order>(&performed)) return refuse(command, *wrong);
    const auto& done = std::get<schedule_change>(performed);
    if (!command.json) {
        fmt::print("{}\n", sentence(action.what, done));
        return exit_code::in_step;
    }
    nlohmann::ordered_json document{{"success", true}, {"scheduleId", done.schedule_id}};
    if (!done.message_id.empty()) document["messageId"] = done.message_id;
    print(document);
    return exit_code::in_step;
}

} // namespace

exit_code schedule(const command& command) {
    const auto& asked = command.schedule;
    const bool creates =
        asked.what == schedule_command::verb::change && asked.action.what == schedule_action::verb::create;
    // Only a new schedule has to be told what to call.
    const auto config = load_or_explain(creates ? purpose::schedule : purpose::qstash, command);
    if (!config) return exit_code::configuration;
    try {
        qstash::client client{qstash_client(*config, call_limit)};
        switch (asked.what) {
        case schedule_command::verb::list:
            return list(client, command);
        case schedule_command::verb::get:
            return get(client, command);
        case schedule_command::verb::change:
            return change(client, *config, command);
        }
    } catch (const qstash::api_error& e) {
        const auto failure = explain(e);
        explain_failure(command, failure.code, failure.message, failure.hint);
    } catch (const std::invalid_argument& e) { // what was read from QStash can not always be sent back
        explain_failure(command, "bad_request", e.what(), "create the schedule anew: `tidesync schedule create`");
    }
    return exit_code::failed;
}

} // namespace tidesync::worker
