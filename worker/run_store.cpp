#include "worker/run_store.hpp"

#include "jobs/stores/postgres/connection.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <fmt/format.h>
#include <sql/run_store.hpp>

namespace tidesync::worker {

namespace {

constexpr std::string_view side = "run store";
constexpr std::size_t connections_max = 8;
constexpr std::chrono::seconds connection_wait_max{5};

bool is_uuid(const std::string& text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (text[i] == '-')) return false;
        if (!dash && std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
    }
    return true;
}

std::string text_or_empty(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? std::string{} : row[column].as<std::string>();
}

nlohmann::json json_or_null(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? nlohmann::json{} : nlohmann::json::parse(row[column].as<std::string>());
}

run_view view_of(const pqxx::row& row) {
    run_view view;
    view.run_id = row["run_id"].as<std::string>();
    view.job = row["job"].as<std::string>();
    view.state = row["state"].as<std::string>();
    view.trigger = row["trigger"].as<std::string>();
    view.actor = row["actor"].as<std::string>();
    view.dry_run = row["dry_run"].as<bool>();
    view.alive = !row["alive"].is_null() && row["alive"].as<bool>();
    view.attempt = row["attempt"].as<int>();
    view.created_at = text_or_empty(row, "created_at");
    view.started_at = text_or_empty(row, "started_at");
    view.finished_at = text_or_empty(row, "finished_at");
    view.progress = json_or_null(row, "progress");
    view.error = json_or_null(row, "error");
    const auto result = json_or_null(row, "result");
    if (!result.is_null()) view.report = result.get<jobs::report>();
    return view;
}

std::optional<claimed_run>
claim(pqxx::transaction_base& transaction, const std::string& run_id, const std::string& worker) {
    const auto rows =
        postgres::query(transaction, sql::claim_run.text, run_id, worker, static_cast<int>(lease_time.count()));
    if (rows.empty()) return std::nullopt;
    return claimed_run{
        .run_id = run_id,
        .job = rows[0]["job"].as<std::string>(),
        .lease_token = rows[0]["lease_token"].as<std::int64_t>(),
        .attempt = rows[0]["attempt"].as<int>(),
        .dry_run = rows[0]["dry_run"].as<bool>()};
}

/// The run of a message that is known already, and this worker's claim to it when nobody works on it.
std::optional<acceptance>
attach(pqxx::transaction_base& transaction, const message_key& message, const std::string& worker) {
    const auto known =
        postgres::query(transaction, sql::attach_message.text, message.source, message.message_id, message.body_sha256);
    if (known.empty()) return std::nullopt;
    const auto run_id = known[0]["run_id"].as<std::string>();
    if (!known[0]["same_body"].as<bool>()) return acceptance{decision::body_differs, run_id, std::nullopt};
    auto claimed = claim(transaction, run_id, worker);
    return acceptance{claimed ? decision::taken_over : decision::attached, run_id, std::move(claimed)};
}

bool is_replay(pqxx::transaction_base& transaction, const message_key& message) {
    const auto owner =
        postgres::query(transaction, sql::remember_jti.text, message.jti, message.message_id, message.expires_at);
    return owner[0]["message_id"].as<std::string>() != message.message_id;
}

void add_message(
    pqxx::transaction_base& transaction, const run_request& request, const std::string& run_id, const char* what) {
    if (!request.message) return;
    postgres::query(
        transaction, sql::add_message.text, request.message->source, request.message->message_id, run_id,
        std::string{what}, request.message->body_sha256);
}

acceptance join_or_create(pqxx::transaction_base& transaction, const run_request& request, const std::string& worker) {
    const auto active = postgres::query(transaction, sql::find_active_run.text, request.job);
    if (!request.dry_run && !active.empty()) {
        const auto run_id = active[0]["run_id"].as<std::string>();
        add_message(transaction, request, run_id, "coalesced");
        auto claimed = claim(transaction, run_id, worker);
        return {claimed ? decision::taken_over : decision::coalesced, run_id, std::move(claimed)};
    }
    const auto run_id = postgres::query(
                            transaction, sql::create_run.text, request.job, request.trigger, request.actor,
                            request.dry_run)[0]["run_id"]
                            .as<std::string>();
    add_message(transaction, request, run_id, "created");
    return {decision::created, run_id, claim(transaction, run_id, worker)};
}

std::string_view word(run_end how) {
    switch (how) {
    case run_end::succeeded:
        return "succeeded";
    case run_end::dead:
        return "dead";
    case run_end::cancelled:
        return "cancelled";
    case run_end::released:
        return "released";
    }
    return "dead";
}

} // namespace

/// At most connections_max connections, opened when needed and kept.
class run_store::pool {
public:
    explicit pool(postgres::address where)
        : where_{std::move(where)} {}

    struct lease {
        std::unique_ptr<pqxx::connection> connection;
        bool fresh = false;
    };

    lease take() {
        std::unique_lock lock{mutex_};
        const bool in_time =
            returned_.wait_for(lock, connection_wait_max, [&] { return !idle_.empty() || open_ < connections_max; });
        if (!in_time) throw postgres::error{side, "waiting for a free connection", "53300", "all are in use"};
        if (!idle_.empty()) {
            auto connection = std::move(idle_.back());
            idle_.pop_back();
            return {std::move(connection), false};
        }
        ++open_;
        lock.unlock();
        try {
            // libpqxx 6 cannot move a connection, but it can be made in place.
            return {std::unique_ptr<pqxx::connection>{new pqxx::connection(postgres::connect(where_, side))}, true};
        } catch (...) {
            drop();
            throw;
        }
    }

    void give_back(std::unique_ptr<pqxx::connection> connection) {
        const std::scoped_lock lock{mutex_};
        idle_.push_back(std::move(connection));
        returned_.notify_one();
    }

    void drop() {
        const std::scoped_lock lock{mutex_};
        --open_;
        returned_.notify_one();
    }

    /// One kept connection broke: the others were made before whatever broke it, and each would cost its own wait.
    void drop_kept() {
        const std::scoped_lock lock{mutex_};
        open_ -= idle_.size();
        idle_.clear();
        returned_.notify_all();
    }

private:
    postgres::address where_;
    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<std::unique_ptr<pqxx::connection>> idle_;
    std::size_t open_ = 0;
};

run_store::run_store(postgres::address where)
    : pool_{std::make_unique<pool>(std::move(where))} {}

run_store::~run_store() = default;

template <typename Body>
auto run_store::in_transaction(std::string_view activity, Body&& body) {
    const auto attempt = [&body](pqxx::connection& connection) {
        pqxx::work transaction{connection};
        transaction.exec("SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '5s'");
        auto result = body(transaction);
        transaction.commit();
        return result;
    };
    return postgres::named(side, activity, [&] {
        for (;;) {
            auto held = pool_->take();
            try {
                auto result = attempt(*held.connection);
                pool_->give_back(std::move(held.connection));
                return result;
            } catch (const pqxx::in_doubt_error&) {
                pool_->drop();
                throw; // it may have happened: whoever asked has to ask again
            } catch (const pqxx::broken_connection&) {
                pool_->drop();
                pool_->drop_kept();
                // A kept connection may have died long ago with a restart of the server. Nothing was committed on it.
                if (held.fresh) throw;
            } catch (...) {
                pool_->drop();
                throw;
            }
        }
    });
}

void run_store::register_job(const std::string& name) {
    in_transaction("registering a job", [&](auto& transaction) {
        return postgres::query(transaction, sql::register_job.text, name);
    });
}

acceptance run_store::accept(const run_request& request, const std::string& worker) {
    auto result = in_transaction("storing a run", [&](pqxx::transaction_base& transaction) -> acceptance {
        if (request.message) {
            if (is_replay(transaction, *request.message)) return {decision::replayed, {}, std::nullopt};
            if (auto known = attach(transaction, *request.message, worker)) return *known;
        }
        // From here on accepts of one job wait for each other.
        postgres::query(transaction, sql::lock_job.text, request.job);
        if (request.message) // another replica may have been faster
            if (auto known = attach(transaction, *request.message, worker)) return *known;
        return join_or_create(transaction, request, worker);
    });
    return result;
}

bool run_store::heartbeat(const claimed_run& run, const nlohmann::json& progress) {
    return in_transaction("beating", [&](auto& transaction) {
        return !postgres::query(
                    transaction, sql::heartbeat.text, run.run_id, run.lease_token, static_cast<int>(lease_time.count()),
                    progress.dump())
                    .empty();
    });
}

std::optional<std::string> run_store::end(
    const claimed_run& run, run_end how, const jobs::report& report, const std::optional<jobs::failure>& failure) {
    const std::optional<std::string> result =
        how == run_end::released ? std::nullopt : std::optional{nlohmann::ordered_json(report).dump()};
    std::optional<std::string> error;
    if (failure)
        error =
            nlohmann::json{{"code", to_string(failure->code)}, {"message", failure->message}, {"hint", failure->hint}}
                .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return in_transaction("ending a run", [&](auto& transaction) -> std::optional<std::string> {
        const auto rows = postgres::query(
            transaction, sql::end_run.text, run.run_id, run.lease_token, std::string{word(how)},
            result ? result->c_str() : nullptr, error ? error->c_str() : nullptr);
        postgres::query(transaction, sql::forget_expired_jtis.text);
        if (rows.empty()) return std::nullopt;
        return rows[0]["state"].template as<std::string>();
    });
}

std::optional<run_view> run_store::find(const std::string& run_id) {
    if (!is_uuid(run_id)) return std::nullopt;
    return in_transaction("reading a run", [&](auto& transaction) -> std::optional<run_view> {
        const auto rows = postgres::query(transaction, sql::get_run.text, run_id);
        if (rows.empty()) return std::nullopt;
        return view_of(rows[0]);
    });
}

std::vector<run_view> run_store::list(int rows_max) {
    return in_transaction("listing runs", [&](auto& transaction) {
        std::vector<run_view> views;
        for (const auto& row : postgres::query(transaction, sql::list_runs.text, rows_max))
            views.push_back(view_of(row));
        return views;
    });
}

void run_store::ping() {
    in_transaction("asking for an answer", [](auto& transaction) { return transaction.exec("SELECT 1"); });
}

} // namespace tidesync::worker
