#pragma once

#include "jobs/stores/postgres/address.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn; // libpq's PGconn

namespace tidesync::postgres {

/// A connection that moves rows, straight on libpq: libpqxx 6.4 can neither relay binary COPY nor hand out its
/// connection, and both reading and writing need COPY in the middle of their transactions. Every wait ends when the
/// peer is silent for `silence_max`, or when a stop is requested (the statement is cancelled).
class session {
public:
    struct time_limits {
        std::chrono::seconds silence_max{120};
    };

    /// @throws postgres::error
    session(const address&, std::string_view side, std::stop_token, time_limits);

    /// Whether the server said at login that it is a hot standby, as those from 14 on do. A pooler may not pass it on.
    [[nodiscard]] bool in_hot_standby() const;

    /// Runs statements without parameters whose rows are of no interest.
    /// @returns rows affected by the last of them
    /// @throws postgres::error, which names `activity`
    std::int64_t execute(const std::string& sql, std::string activity);

    using fields = std::vector<std::optional<std::string>>;

    /// Runs one statement with parameters ($1, $2, …), unnamed and unprepared, so that any pooler can carry it.
    /// @returns its rows as text; nothing for null. For answers of a few rows
    /// @throws postgres::error, which names `activity`
    std::vector<fields>
    query(std::string_view sql, std::string activity, const std::vector<std::string>& parameters = {});

    /// Ends the transaction.
    /// @throws postgres::error  `in_doubt` when COMMIT may have happened all the same
    void commit();

    struct counts {
        std::int64_t rows = 0;
        std::int64_t bytes = 0;
    };

    /// Called now and then with what has been moved so far. May be empty.
    using on_progress = std::function<void(counts)>;

    /// What a relay moves, and where it is said to be when it fails.
    struct copying {
        std::string out;     ///< COPY … TO STDOUT
        std::string in;      ///< COPY … FROM STDIN
        std::string reading; ///< `reading public.orders`
        std::string writing; ///< `staging public.orders`
    };

    /// Sends what `out` yields here to `in` on `target`, byte for byte and without holding more than a few rows. Both
    /// sides' row counts must agree.
    /// @throws postgres::error  from the side that failed; the COPY on the other side is ended
    counts relay(const copying&, session& target, const on_progress&);

    /// Starts a COPY … TO STDOUT and returns as soon as it is sent, so that two servers can work at the same time.
    /// `next` must then be called to its end.
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
    std::int64_t end_results(const std::function<void(void*)>& take);
    std::int64_t end_copy();
    void put(std::string_view row);
    void send_message(std::string_view rows);
    void send_rest();
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
    std::string message_; ///< rows that have not been handed to libpq
    std::size_t unflushed_ = 0;
};

} // namespace tidesync::postgres
