#include "tests/faults/world.hpp"

#include <fmt/format.h>
#include <stdexcept>
#include <thread>

namespace tidesync::tests {

namespace {

using namespace std::chrono_literals;

std::uint16_t production_port(const std::unique_ptr<pooler_process>& pool) {
    return pool ? pool->port() : server_port("production");
}

} // namespace

world::world(plan wanted)
    : how{std::move(wanted)}
    , random{how.seed}
    , pool{how.pooled ? std::make_unique<pooler_process>(databases.production, pooler_process::rules{.pool_size = 30, .more = "max_client_conn = 500\nserver_lifetime = 20\nserver_login_retry = 1"}) : nullptr}
    , slave_wire{server_port("slave")}
    , production_wire{production_port(pool)}
    , store_wire{production_port(pool)}
    , settings_{worker_environment(databases)} {
    settings_["SLAVE_DATABASE_URL"] = with_port(databases.slave.url(), slave_wire.port());
    settings_["PROD_DATABASE_URL"] = with_port(databases.production.url(), production_wire.port());
    settings_["TIDESYNC_DATABASE_URL"] = with_port(databases.production.url(), store_wire.port());
    settings_["TIDESYNC_LEASE"] = std::to_string(lease.count());
    settings_["TIDESYNC_DELIVERY_WAIT"] = "1";
    settings_["TIDESYNC_DRAIN_LIMIT"] = "5";
    settings_["TIDESYNC_CONFIG"] = TIDESYNC_TEST_JOB_FILE;
    for (const auto& [name, value] : how.settings) settings_[name] = value;
    make_tables();
    for (int i = 0; i < how.workers; ++i) start_worker();
}

world::~world() = default;

/// Two tables, so that half a change can be seen, each row with the generation it belongs to; and in production a
/// journal that tells every transaction which changed something, whoever made it.
void world::make_tables() const {
    databases.run_on_both("CREATE TABLE item (id int PRIMARY KEY, generation bigint NOT NULL, name text NOT NULL); "
                          "CREATE TABLE detail (id int PRIMARY KEY, item int NOT NULL REFERENCES item, "
                          "                     generation bigint NOT NULL)");
    databases.slave.run(fmt::format(
        "INSERT INTO item SELECT i, 1, md5(i::text) FROM generate_series(1, {0}) i; "
        "INSERT INTO detail SELECT i, (i - 1) % {0} + 1, 1 FROM generate_series(1, 2 * {0}) i",
        how.rows));
    databases.production.run(R"(
        CREATE SCHEMA witness;
        CREATE TABLE witness.change (transaction bigint NOT NULL, generation bigint NOT NULL, at timestamptz NOT NULL);
        CREATE FUNCTION witness.note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO witness.change
            SELECT txid_current(), max(generation), clock_timestamp() FROM changed HAVING count(*) > 0;
            RETURN NULL;
        END $$;
        CREATE TRIGGER inserted AFTER INSERT ON item REFERENCING NEW TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION witness.note();
        CREATE TRIGGER updated AFTER UPDATE ON item REFERENCING NEW TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION witness.note())");
}

void world::start_worker(const variables& more) {
    auto settings = settings_;
    for (const auto& [name, value] : more) settings[name] = value;
    auto made = std::make_unique<worker_under_test>();
    made->program = std::make_unique<process>(
        std::vector<std::string>{"/usr/bin/setpriv", "--pdeathsig", "KILL", "--", tidesync_binary(), "serve"},
        settings);
    made->port = await_listening(*made->program);
    const std::scoped_lock lock{mutex_};
    workers_.push_back(std::move(made));
}

void world::replace_worker(std::size_t which, const variables& more) {
    std::unique_ptr<worker_under_test> old;
    {
        const std::scoped_lock lock{mutex_};
        old = std::move(workers_.at(which));
        workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(which));
    }
    if (!old->program->wait(0ms)) {
        old->expected_to_die = true;
        old->program->signal(SIGKILL);
    }
    bury(*old);
    start_worker(more);
}

void world::replace_the_dead() {
    for (std::size_t i = 0; i < count(); ++i)
        if (worker(i).program->wait(0ms)) {
            replace_worker(i);
            i = 0;
        }
}

void world::bury(worker_under_test& dead) {
    const auto status = dead.program->wait(20s);
    const auto log = dead.program->err();
    logs_ += fmt::format("-- process {}\n{}", dead.program->id(), log);
    const auto wanted = dead.expected_to_die ? 128 + SIGKILL : 0;
    if (!status)
        bad_ends_.push_back("a worker did not end");
    else if (*status != wanted)
        bad_ends_.push_back(fmt::format("a worker ended with {}, not {}:\n{}", *status, wanted, log));
    for (const auto* word : {"AddressSanitizer", "LeakSanitizer", "runtime error:", "terminate called"})
        if (log.find(word) != std::string::npos) bad_ends_.push_back(fmt::format("{} in a log:\n{}", word, log));
}

std::size_t world::count() const {
    const std::scoped_lock lock{mutex_};
    return workers_.size();
}

std::uint16_t world::port(std::size_t which) const {
    const std::scoped_lock lock{mutex_};
    return workers_.empty() ? std::uint16_t{0} : workers_[which % workers_.size()]->port;
}

std::optional<std::size_t> world::index_of(pid_t pid) const {
    for (std::size_t i = 0; i < workers_.size(); ++i)
        if (workers_[i]->program->id() == pid) return i;
    return std::nullopt;
}

std::optional<lease_holder> world::holder() const {
    try {
        const auto found = databases.production.run(
            "SELECT run_id, lease_token, split_part(lease_owner, '/', 2)::int AS pid FROM tidesync.run "
            "WHERE state = 'running' AND NOT dry_run AND lease_expires_at > clock_timestamp()");
        if (found.empty()) return std::nullopt;
        return lease_holder{
            .run_id = found[0]["run_id"].as<std::string>(),
            .token = found[0]["lease_token"].as<std::int64_t>(),
            .pid = found[0]["pid"].as<pid_t>()};
    } catch (const pqxx::failure&) {
        return std::nullopt; // the server is being restarted
    }
}

std::optional<lease_holder> world::await_holder(std::chrono::milliseconds patience) const {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < until) {
        if (auto found = holder()) return found;
        std::this_thread::sleep_for(5ms);
    }
    return std::nullopt;
}

bool world::await(std::string_view query, std::string_view wanted, std::chrono::milliseconds patience) const {
    const auto until = std::chrono::steady_clock::now() + patience;
    for (;;) {
        try {
            if (databases.production.value(query) == wanted) return true;
        } catch (const pqxx::failure&) { // NOLINT(bugprone-empty-catch): the server is being restarted
        }
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(20ms);
    }
}

void world::stop_workers() {
    for (auto& each : workers_) {
        each->program->signal(SIGCONT);
        if (!each->program->wait(0ms)) each->program->signal(SIGTERM);
    }
    for (auto& each : workers_) bury(*each);
    const std::scoped_lock lock{mutex_};
    workers_.clear();
}

} // namespace tidesync::tests
