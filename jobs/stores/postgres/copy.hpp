#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

struct pg_conn; // libpq's PGconn

namespace tidesync::postgres {

/// A connection for COPY, straight on libpq: libpqxx 6.4 can neither relay binary COPY nor hand out its connection.
/// Every wait ends when the peer is silent for `silence_max`, or when a stop is requested (the statement is cancelled).
class copy_session {
public:
    struct time_limits {
        std::chrono::seconds silence_max{120};
    };

    /// @throws postgres::error
    copy_session(const address&, std::string_view side, std::stop_token, time_limits);

    /// Runs statements that return no rows. @throws postgres::error, which names `activity`
    void execute(const std::string& sql, std::string activity);

    struct counts {
        std::int64_t rows = 0;
        std::int64_t bytes = 0;
    };

    /// Called now and then with what has been moved so far.
    using on_progress = std::function<void(counts)>;

    /// Sends what `copy_out` (COPY … TO STDOUT) yields to `copy_in` (COPY … FROM STDIN) on `target`, byte for byte and
    /// without holding more than a few rows. Both sides' row counts must agree.
    /// @throws postgres::error  from the side that failed; the COPY on the other side is ended
    counts relay(
        const std::string& copy_out, copy_session& target, const std::string& copy_in, std::string_view table,
        const on_progress&);

    /// Starts a COPY … TO STDOUT and returns as soon as the server has begun to answer, so that two servers can work
    /// at the same time. `next` must then be called to its end.
    void start_reading(const std::string& copy_out, std::string activity);

    /// Waits for the next row and hands it over; the view is valid during the call only.
    /// @returns false at the end, once the server has confirmed that it was the end
    bool next(const std::function<void(std::string_view)>& take);

private:
    struct finish {
        void operator()(pg_conn*) const noexcept;
    };

    void begin_copy(const std::string& sql, std::string activity);
    void await_copy_state(bool out);
    bool next_row(const std::function<void(std::string_view)>& take);
    std::int64_t end_copy();
    void put(std::string_view bytes);
    void flush();
    void abandon_copy_in() noexcept;
    void wait(bool for_writing);
    void cancel() noexcept;
    [[noreturn]] void fail(const void* result);

    std::string side_;
    std::stop_token stop_;
    time_limits limits_;
    std::unique_ptr<pg_conn, finish> connection_;
    std::string activity_; ///< what is under way; goes into error texts
    bool in_copy_ = false;
    std::size_t unflushed_ = 0;
};

} // namespace tidesync::postgres
