#pragma once

#include "tests/support/scheduling.hpp"

#include <fmt/format.h>
#include <string>

/// Messages by the thousand, put into the store past the API.
namespace tidesync::tests {

inline constexpr const char* nowhere = "http://localhost:1/";

inline int pending(const scheduling& here) {
    return std::stoi(
        here.kept().value("SELECT count(*) FROM tidesync_qstash.message WHERE state IN ('waiting', 'active')"));
}

inline int dead(const scheduling& here) {
    return std::stoi(here.kept().value("SELECT count(*) FROM tidesync_qstash.message WHERE dlq_id IS NOT NULL"));
}

/// Messages that wait. Their ids end with a number from 1 on.
inline void add_waiting(const scheduling& here, int count, const std::string& more = "'{}'") {
    here.kept().run(fmt::format(
        "INSERT INTO tidesync_qstash.message (message_id, account, options, host, body, caller_ip, created_at, "
        "not_before, "
        "due_at) "
        "SELECT 'msg_' || n, 'default', "
        "'{{\"destination\":\"http://localhost:1/\",\"method\":\"POST\",\"retries\":3}}'::jsonb || {}::jsonb, "
        "'localhost', 'x', "
        "'192.0.2.7', "
        "t, t, t + interval '1 day' FROM generate_series(1, {}) n, to_timestamp({}) t",
        more, count, here.now().time_since_epoch().count() / 1000));
}

/// Dead letters, a second apart; the last one died last. @param body  an expression of SQL
inline void
add_dead(const scheduling& here, int count, const std::string& body = "'x'", const std::string& answer = "'y'") {
    here.kept().run(fmt::format(
        "INSERT INTO tidesync_qstash.message (message_id, account, options, host, body, caller_ip, created_at, "
        "not_before, "
        "due_at, "
        "state, finished_at, dlq_id, response_status, response_body) "
        "SELECT 'dead_' || n, 'default', "
        "'{{\"destination\":\"http://localhost:1/\",\"method\":\"POST\",\"retries\":3}}', 'localhost', {}, "
        "CASE n % 2 WHEN 0 THEN '198.51.100.1' ELSE '198.51.100.2' END, t, t, t, 'failed', t, "
        "(extract(epoch FROM t) * 1000)::bigint || '-' || n, 500, {} "
        "FROM generate_series(1, {}) n, LATERAL (SELECT to_timestamp(1790000000 + n)) at (t)",
        body, answer, count));
}

} // namespace tidesync::tests
