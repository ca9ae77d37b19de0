#include "qstash/local/rows.hpp"
#include "qstash/local/store.hpp"

#include <qstash/local/sql/queries.hpp>

namespace tidesync::qstash::local {

namespace {

using nlohmann::json;

stored_schedule schedule_of(const pqxx::row& row) {
    return {
        .schedule_id = text_of(row, "schedule_id"),
        .cron = text_of(row, "cron"),
        .options = json_of(row, "options").get<delivery_options>(),
        .body = bytes_of(row, "body"),
        .delay = std::chrono::seconds{row["delay_s"].as<int>()},
        .caller_ip = text_of(row, "caller_ip"),
        .paused = row["paused"].as<bool>(),
        .created = time_of(row, "created_ms"),
        .next_tick = maybe_time(row, "next_ms"),
        .last_tick = maybe_time(row, "last_ms"),
        .last_states = json_of(row, "states")};
}

} // namespace

bool store::put_schedule(
    const std::string& account, const stored_schedule& row, time_point now, int schedules_max) const {
    bool fits = false;
    run_("writing a schedule", [&](pqxx::transaction_base& transaction) {
        const auto others = query(transaction, sql::count_schedules, account, row.schedule_id);
        fits = others.at(0)["schedules"].as<int>() < schedules_max;
        if (!fits) return;
        query(
            transaction, sql::put_schedule, account, row.schedule_id, row.cron, dump(json(row.options)),
            to_hex(row.body), static_cast<int>(row.delay.count()), row.caller_ip, ms(now), ms(row.next_tick));
    });
    return fits;
}

std::optional<stored_schedule> store::get_schedule(const std::string& account, const std::string& schedule_id) const {
    std::optional<stored_schedule> schedule;
    run_("reading a schedule", [&](pqxx::transaction_base& transaction) {
        const std::optional<std::int64_t> no_place;
        const std::optional<int> whole;
        const auto rows =
            query(transaction, sql::list_schedules, account, schedule_id, no_place, schedule_id, 1, whole);
        schedule.reset();
        if (!rows.empty()) schedule = schedule_of(rows[0]);
    });
    return schedule;
}

std::vector<stored_schedule>
store::list_schedules(const std::string& account, const stored_schedule* after, int rows_max) const {
    std::vector<stored_schedule> schedules;
    run_("reading schedules", [&](pqxx::transaction_base& transaction) {
        schedules.clear();
        const auto created = after == nullptr ? std::nullopt : std::optional{ms(after->created)};
        const auto id = after == nullptr ? std::string{} : after->schedule_id;
        const std::optional<std::string> all;
        for (const auto& row :
             query(transaction, sql::list_schedules, account, all, created, id, rows_max, listed_body_bytes_max))
            schedules.push_back(schedule_of(row));
    });
    return schedules;
}

bool store::delete_schedule(const std::string& account, const std::string& schedule_id) const {
    bool found = false;
    run_("deleting a schedule", [&](pqxx::transaction_base& transaction) {
        found = !query(transaction, sql::delete_schedule, account, schedule_id).empty();
    });
    return found;
}

bool store::set_paused(
    const std::string& account, const std::string& schedule_id, bool paused,
    const std::function<std::optional<time_point>(const std::string& cron)>& next) const {
    bool found = false;
    run_("pausing or resuming a schedule", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::lock_schedule, account, schedule_id);
        found = !rows.empty();
        // Idempotent: resuming a schedule that runs must not push away a tick that is due.
        if (!found || rows[0]["paused"].as<bool>() == paused) return;
        query(transaction, sql::set_paused, account, schedule_id, paused, ms(next(text_of(rows[0], "cron"))));
    });
    return found;
}

int store::fire_schedules(time_point now, int rows_max, const std::function<tick(const due_schedule&)>& plan) const {
    int looked_at = 0;
    run_("making the messages of schedules", [&](pqxx::transaction_base& transaction) {
        const auto rows = query(transaction, sql::lock_due_schedules, ms(now), rows_max, accounts_);
        looked_at = static_cast<int>(rows.size());
        for (const auto& row : rows) {
            const due_schedule due{
                .account = text_of(row, "account"),
                .schedule_id = text_of(row, "schedule_id"),
                .cron = text_of(row, "cron"),
                .options = json_of(row, "options").get<delivery_options>(),
                .body = bytes_of(row, "body"),
                .delay = std::chrono::seconds{row["delay_s"].as<int>()},
                .caller_ip = text_of(row, "caller_ip"),
                .due = time_of(row, "next_ms")};
            const auto planned = plan(due);
            if (planned.message) insert_message(transaction, due.account, *planned.message, now);
            const auto ticked = planned.message ? std::optional{ms(now)} : std::nullopt;
            query(transaction, sql::set_ticked, due.account, due.schedule_id, ticked, ms(planned.next));
        }
    });
    return looked_at;
}

} // namespace tidesync::qstash::local
