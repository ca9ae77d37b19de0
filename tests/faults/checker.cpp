#include "tests/faults/checker.hpp"

#include <fmt/format.h>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view unfinished = "SELECT count(*) FROM tidesync.run WHERE finished_at IS NULL";

/// Which run a change belongs to, told by the attempt in whose time it was made. One that was made in nobody's time was
/// made by a worker that had lost its run.
constexpr std::string_view changes_beyond_one_a_run =
    "SELECT count(*) - count(DISTINCT run_id) FROM "
    "(SELECT transaction, max(at) AS at FROM witness.change GROUP BY transaction) c "
    "LEFT JOIN (SELECT a.* FROM tidesync.attempt a JOIN tidesync.run r USING (run_id) WHERE NOT r.dry_run) a "
    "ON c.at BETWEEN a.started_at AND a.ended_at";

/// A sentence about the stores, and a query that counts where it is not so.
struct rule {
    std::string_view broken;
    std::string_view count;
};

constexpr rule rules[] = {
    {"runs that did not end", unfinished},
    {"attempts that did not end", "SELECT count(*) FROM tidesync.attempt WHERE ended_at IS NULL"},
    {"transactions that changed production without a receipt of their own",
     "SELECT count(*) FROM (SELECT DISTINCT transaction FROM witness.change) c "
     "LEFT JOIN tidesync.applied a ON a.xmin::text::bigint = c.transaction % 4294967296 WHERE a.run_id IS NULL"},
    {"changes beyond one for each run", changes_beyond_one_a_run},
    {"commits with a token that is not higher than the one before",
     "SELECT count(*) FROM (SELECT lease_token, lag(lease_token) OVER (ORDER BY at) AS before FROM tidesync.applied) t "
     "WHERE lease_token <= before"},
    {"changes to an older state",
     "SELECT count(*) FROM (SELECT generation, max(generation) OVER (ORDER BY at ROWS UNBOUNDED PRECEDING) AS newest "
     "FROM witness.change) c WHERE generation < newest"},
    {"runs with a receipt that are not told as succeeded",
     "SELECT count(*) FROM tidesync.applied JOIN tidesync.run USING (run_id) WHERE state <> 'succeeded'"},
    {"runs told as succeeded without a receipt",
     "SELECT count(*) FROM tidesync.run LEFT JOIN tidesync.applied a USING (run_id) "
     "WHERE state = 'succeeded' AND NOT dry_run AND a.run_id IS NULL"},
    {"attempts of the job that overlap",
     "SELECT count(*) FROM (SELECT a.started_at, lag(a.ended_at) OVER (ORDER BY a.lease_token) AS before "
     "FROM tidesync.attempt a JOIN tidesync.run r USING (run_id) WHERE NOT r.dry_run) t WHERE started_at < before"},
    {"staging tables that are left",
     "SELECT count(*) FROM pg_class WHERE relnamespace = 'tidesync_staging'::regnamespace AND relkind = 'r'"},
    {"messages of more than one run", "SELECT count(*) FROM (SELECT message_id FROM tidesync.message GROUP BY "
                                      "message_id HAVING count(DISTINCT run_id) > 1) t"},
};

int number(const world& in, std::string_view query) { return std::stoi(in.databases.production.value(query)); }

/// A last message, after all faults: the whole way must be open, and both sides the same.
void ask_for_health(world& in, verdict& result) {
    const serving::message last{.id = "msg_last", .jti = "msg_last", .url = in.delivery_url()};
    const auto until = std::chrono::steady_clock::now() + 60s;
    std::optional<http_answer> answer;
    while (std::chrono::steady_clock::now() < until) {
        try {
            answer = ask(in.port(0), "POST", sync_route, delivery_headers(last), last.body, 20s);
        } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): asked again
        }
        if (answer && answer->status == 200) break;
        std::this_thread::sleep_for(200ms);
    }
    if (!answer || answer->status != 200)
        result.violations.push_back(
            fmt::format("after all faults a delivery got {}", answer ? answer->body : "nothing"));
    const auto content = "SELECT (SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM item i) || "
                         "(SELECT md5(string_agg(d::text, ',' ORDER BY id)) FROM detail d)";
    if (in.databases.production.value(content) != in.databases.slave.value(content))
        result.violations.emplace_back("after all faults production is not equal to the slave");
}

void check_messages(const world& in, const traffic& life, verdict& result) {
    for (const auto& [id, record] : life.messages()) {
        ++result.messages;
        result.tries += record.tries;
        if (record.acks.empty()) continue;
        const auto stored = in.databases.production.value(
            fmt::format("SELECT run_id FROM tidesync.message WHERE message_id = '{}'", id));
        if (record.runs.size() != 1 || *record.runs.begin() != stored || stored.empty())
            result.violations.push_back(fmt::format(
                "message {} was taken as {} and is stored as {}", id,
                record.runs.empty() ? "nothing" : *record.runs.begin(), stored.empty() ? "nothing" : stored));
    }
}

} // namespace

void judge(world& in, verdict& result) {
    in.slave_wire.heal();
    in.production_wire.heal();
    in.store_wire.heal();
    in.replace_the_dead();
    // The longest pause before another attempt is five minutes, but nothing here fails that often.
    (void)in.await(unfinished, "0", 90s);
    ask_for_health(in, result);
    if (in.pool) {
        const auto locks = number(
            in, "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
                "WHERE locktype = 'advisory' AND datname = current_database()");
        if (locks != 0) result.violations.emplace_back("advisory locks are held behind the pooler");
    }
    in.stop_workers();
    for (const auto& each : rules)
        if (const auto count = number(in, each.count); count != 0)
            result.violations.push_back(fmt::format("{} {}", count, each.broken));
    result.violations.insert(result.violations.end(), in.bad_ends().begin(), in.bad_ends().end());
    result.logs = in.logs();
    result.runs = number(in, "SELECT count(*) FROM tidesync.run");
    result.lost_attempts = number(in, "SELECT count(*) FROM tidesync.attempt WHERE outcome = 'lost'");
    result.applied_twice = number(in, changes_beyond_one_a_run);
}

void judge(world& in, traffic& life, verdict& result) {
    in.slave_wire.heal();
    in.production_wire.heal();
    in.store_wire.heal();
    in.replace_the_dead();
    life.finish();
    judge(in, result);
    check_messages(in, life, result);
    result.snapshots = life.snapshots();
    result.violations.insert(result.violations.end(), life.violations().begin(), life.violations().end());
}

} // namespace tidesync::tests
