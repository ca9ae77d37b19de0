#pragma once

#include "tests/support/database.hpp"
#include "worker/run_store.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tidesync::tests {

/// A run store with one job, and a production beside it.
struct run_store_fixture {
    pair_of_databases databases;
    worker::run_store store{databases.production.address()};

    run_store_fixture() { store.register_job({.name = "slave-to-prod"}); }

    std::optional<worker::claimed_run> claim(const std::string& worker) {
        return store.claim_next(worker, {"slave-to-prod"});
    }

    /// Changes what has ended, which the state machine lets nobody do.
    void backdate(const std::string& sql) const {
        databases.production.run("SET LOCAL session_replication_role = replica; " + sql);
    }

    /// Ends every pause and every lease, as time would.
    void let_time_pass() const {
        databases.production.run(
            "UPDATE tidesync.run SET run_after = now() - interval '1 s' WHERE state IN ('queued', 'retry_wait'); "
            "UPDATE tidesync.run SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'");
    }

    [[nodiscard]] std::string value(std::string_view sql) const { return databases.production.value(sql); }
};

inline worker::run_request by_message(const std::string& id, const std::string& jti) {
    return {
        .job = "slave-to-prod",
        .trigger = "qstash",
        .actor = "test",
        .message = worker::message_key{
            .source = "qstash", .message_id = id, .jti = jti, .expires_at = 1'900'000'000, .body_sha256 = "ab12"}};
}

inline worker::run_request by_person() {
    return {.job = "slave-to-prod", .trigger = "manual", .actor = "test", .message = {}};
}

inline const worker::run_end died{.how = worker::run_end::kind::dead};
inline const worker::run_end released{.how = worker::run_end::kind::released};
inline const worker::run_end succeeded{.how = worker::run_end::kind::succeeded};
inline const jobs::failure a_failure{jobs::failure_code::busy, "m", "h"};

} // namespace tidesync::tests
