#include "jobs/stores/postgres/session.hpp"

#include "jobs/stores/postgres/failure.hpp"

#include <array>
#include <charconv>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

namespace tidesync::postgres {

namespace {

using result_ptr = std::unique_ptr<PGresult, decltype(&PQclear)>;

constexpr std::size_t flush_every_bytes = 64UL * 1024;
constexpr std::int64_t progress_every_rows = 4096;
constexpr std::size_t message_bytes_max = 32UL * 1024;  // the server takes each message apart: one a row costs it time
constexpr std::chrono::milliseconds look_up_every{200}; // how long a requested stop may go unnoticed

} // namespace

void session::finish::operator()(pg_conn* connection) const noexcept { PQfinish(connection); }

session::session(const address& where, std::string_view side, std::stop_token stop, time_limits limits)
    : side_{side}
    , stop_{std::move(stop)}
    , limits_{limits}
    , connection_{PQconnectdb(where.conninfo().c_str())}
    , activity_{fmt::format("connecting to {}", where.describe())} {
    if (!connection_ || PQstatus(connection_.get()) != CONNECTION_OK) fail(nullptr);
    PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr); // libpq's own prints to stderr
    if (PQsetnonblocking(connection_.get(), 1) != 0) fail(nullptr);
}

bool session::in_hot_standby() const {
    const char* said = PQparameterStatus(connection_.get(), "in_hot_standby");
    return said != nullptr && std::string_view{said} == "on";
}

std::int64_t session::execute(const std::string& sql, std::string activity) {
    activity_ = std::move(activity);
    if (PQsendQuery(connection_.get(), sql.c_str()) == 0) fail(nullptr);
    flush();
    return end_results([](void*) {});
}

std::vector<session::fields>
session::query(std::string_view sql, std::string activity, const std::vector<std::string>& parameters) {
    activity_ = std::move(activity);
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const auto& parameter : parameters) values.push_back(parameter.c_str());
    const std::string text{sql};
    if (PQsendQueryParams(
            connection_.get(), text.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr, nullptr,
            0) == 0)
        fail(nullptr);
    flush();
    std::vector<fields> rows;
    end_results([&](void* opaque) {
        const auto* result = static_cast<const PGresult*>(opaque);
        for (int row = 0; row < PQntuples(result); ++row) {
            auto& into = rows.emplace_back();
            for (int column = 0; column < PQnfields(result); ++column)
                into.push_back(
                    PQgetisnull(result, row, column) != 0
                        ? std::nullopt
                        : std::optional<std::string>{PQgetvalue(result, row, column)});
        }
    });
    return rows;
}

void session::commit() {
    activity_ = "committing";
    bool committed = false;
    try {
        if (PQsendQuery(connection_.get(), "COMMIT") == 0) fail(nullptr);
        flush();
        end_results([&](void* opaque) {
            // Of a transaction that an error has ended before, COMMIT is answered with ROLLBACK and no error.
            committed = std::string_view{PQcmdStatus(static_cast<PGresult*>(opaque))} == "COMMIT";
        });
    } catch (error& e) {
        e.in_doubt = may_have_committed(e.sqlstate());
        throw;
    }
    if (!committed) throw error{side_, activity_, "25P02", "the transaction had failed before; nothing was changed"};
}

session::counts session::relay(const copying& what, session& target, const on_progress& progress) {
    target.begin_copy(what.in, what.writing);
    target.await_copy_state(false);
    counts moved;
    try {
        begin_copy(what.out, what.reading);
        await_copy_state(true);
        const auto pass_on = [&](std::string_view row) {
            target.put(row);
            moved.bytes += static_cast<std::int64_t>(row.size());
            if (++moved.rows % progress_every_rows == 0 && progress) progress(moved);
        };
        while (next_row(pass_on)) {
        }
        moved.rows = end_copy();
    } catch (...) {
        target.abandon_copy_in();
        throw;
    }
    target.send_rest();
    if (PQputCopyEnd(target.connection_.get(), nullptr) < 0) target.fail(nullptr);
    target.flush();
    const auto written = target.end_copy();
    if (written != moved.rows)
        throw error{
            target.side_, target.activity_, "XX001",
            fmt::format("{} rows were sent, {} were taken", moved.rows, written)};
    if (progress) progress(moved);
    return moved;
}

void session::start_reading(const std::string& copy_out, std::string activity) {
    begin_copy(copy_out, std::move(activity));
}

bool session::next(const std::function<void(std::string_view)>& take) {
    if (!in_copy_) await_copy_state(true);
    if (next_row(take)) return true;
    end_copy();
    return false;
}

void session::begin_copy(const std::string& sql, std::string activity) {
    activity_ = std::move(activity);
    in_copy_ = false;
    if (PQsendQuery(connection_.get(), sql.c_str()) == 0) fail(nullptr);
    flush();
}

void session::await_copy_state(bool out) {
    while (PQisBusy(connection_.get()) != 0) wait(false);
    const result_ptr result{PQgetResult(connection_.get()), &PQclear};
    const auto expected = out ? PGRES_COPY_OUT : PGRES_COPY_IN;
    if (!result || PQresultStatus(result.get()) != expected) fail(result.get());
    in_copy_ = true;
}

std::int64_t session::end_results(const std::function<void(void*)>& take) {
    std::int64_t rows = 0;
    result_ptr failed{nullptr, &PQclear};
    for (;;) {
        while (PQisBusy(connection_.get()) != 0) wait(false);
        result_ptr result{PQgetResult(connection_.get()), &PQclear};
        if (!result) break;
        const auto status = PQresultStatus(result.get());
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            if (!failed) failed = std::move(result);
            continue;
        }
        take(result.get());
        const std::string_view tuples = PQcmdTuples(result.get());
        rows = 0;
        std::from_chars(tuples.data(), tuples.data() + tuples.size(), rows);
    }
    in_copy_ = false;
    if (failed) fail(failed.get());
    return rows;
}

std::int64_t session::end_copy() {
    return end_results([](void*) {});
}

bool session::next_row(const std::function<void(std::string_view)>& take) {
    for (;;) {
        char* bytes = nullptr;
        const int size = PQgetCopyData(connection_.get(), &bytes, 1);
        if (size > 0) {
            const std::unique_ptr<char, decltype(&PQfreemem)> owner{bytes, &PQfreemem};
            take({bytes, static_cast<std::size_t>(size)});
            return true;
        }
        if (size == -1) return false;
        if (size == -2) fail(nullptr);
        wait(false);
    }
}

void session::put(std::string_view row) {
    if (message_.size() + row.size() > message_bytes_max) send_rest();
    if (row.size() > message_bytes_max)
        send_message(row); // never copied once more: it may be of any size
    else
        message_ += row;
}

void session::send_rest() {
    if (!message_.empty()) send_message(message_);
    message_.clear();
}

void session::send_message(std::string_view rows) {
    if (PQputCopyData(connection_.get(), rows.data(), static_cast<int>(rows.size())) < 0) fail(nullptr);
    unflushed_ += rows.size();
    if (unflushed_ >= flush_every_bytes) flush();
}

void session::flush() {
    // Without waiting here libpq would take any amount into memory: a slow target must slow the source down.
    for (;;) {
        const int pending = PQflush(connection_.get());
        if (pending == 0) break;
        if (pending < 0) fail(nullptr);
        wait(true);
    }
    unflushed_ = 0;
}

void session::abandon_copy_in() noexcept {
    message_.clear();
    PQputCopyEnd(connection_.get(), "the source failed");
    // What the server answers is of no interest, but has to be read; the bound is one silence.
    try {
        flush();
        end_copy();
    } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): it was expected to fail
    }
}

void session::wait(bool for_writing) {
    const auto since = std::chrono::steady_clock::now();
    const int socket = PQsocket(connection_.get());
    if (socket < 0) fail(nullptr);
    for (;;) {
        // Before every wait: while rows come in without a pause there is always something to read.
        if (stop_.stop_requested()) {
            cancel();
            throw error{side_, activity_, "57014", "cancelled: the run was told to stop"};
        }
        pollfd ready{.fd = socket, .events = static_cast<short>(for_writing ? POLLIN | POLLOUT : POLLIN), .revents = 0};
        const int events = ::poll(&ready, 1, static_cast<int>(look_up_every.count()));
        if (events > 0) {
            if ((ready.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && PQconsumeInput(connection_.get()) == 0)
                fail(nullptr);
            return;
        }
        if (std::chrono::steady_clock::now() - since > limits_.silence_max) {
            cancel();
            throw error{side_, activity_, "", fmt::format("no answer for {} s", limits_.silence_max.count())};
        }
    }
}

void session::cancel() noexcept {
    const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> handle{PQgetCancel(connection_.get()), &PQfreeCancel};
    std::array<char, 256> ignored{};
    if (handle) PQcancel(handle.get(), ignored.data(), static_cast<int>(ignored.size()));
}

void session::fail(const void* opaque) {
    const auto* result = static_cast<const PGresult*>(opaque);
    const char* state = result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    const char* text = result != nullptr ? PQresultErrorMessage(result) : PQerrorMessage(connection_.get());
    throw error{side_, activity_, state != nullptr ? state : "", text};
}

} // namespace tidesync::postgres
