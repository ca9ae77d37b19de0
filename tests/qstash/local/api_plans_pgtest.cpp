// Lists and bulk calls of the API: what they cost. Real PostgreSQL.
#include "tests/catch.hpp"
#include "tests/qstash/local/many_messages.hpp"

#include <fmt/format.h>
#include <qstash/local/sql/queries.hpp>

using namespace tidesync;
using namespace tidesync::tests;

namespace {

namespace sql = qstash::local::sql;

/// How PostgreSQL would run a statement of ours with these parameters, given in the form of SQL.
std::string plan(const database& kept, const sql::statement& statement, const std::string& parameters) {
    pqxx::connection connection{kept.url()};
    pqxx::work transaction{connection};
    std::string prepare = "PREPARE asked AS ";
    prepare += statement.text;
    transaction.exec(prepare);
    std::string text;
    for (const auto& row : transaction.exec("EXPLAIN (COSTS OFF) EXECUTE asked(" + parameters + ")"))
        text += row[0].as<std::string>() + '\n';
    return text;
}

std::string array(const std::string& prefix, int from, int count) {
    return fmt::format("ARRAY(SELECT '{}' || n FROM generate_series({}, {}) n)", prefix, from, from + count - 1);
}

/// The same, as the constant that a parameter is.
std::string constant(const database& kept, const std::string& expression) {
    return "'" + kept.value("SELECT " + expression) + "'";
}

} // namespace

TEST_CASE("no list and no call by ids reads a whole table", "[qstash][local][api]") {
    scheduling here;
    const auto& kept = here.kept();
    add_waiting(here, 60'000);
    add_dead(here, 20'000);
    kept.run("INSERT INTO tidesync_qstash.log (account, message_id, at, state) "
             "SELECT account, message_id, created_at, entry.state FROM tidesync_qstash.message, "
             "LATERAL (VALUES ('CREATED'), ('ACTIVE'), ('ERROR')) entry (state) ORDER BY message_id");
    kept.run("ANALYZE tidesync_qstash.log, tidesync_qstash.message");

    const auto check = [&](const sql::statement& statement, const std::string& parameters, const char* index) {
        const auto text = plan(kept, statement, parameters);
        CAPTURE(parameters.substr(0, 200), text.substr(0, 4000));
        CHECK(text.find("Seq Scan") == std::string::npos);
        CHECK(text.find(index) != std::string::npos);
    };
    const auto bytes = std::to_string(qstash::local::page_bytes_max);
    for (const auto* cursor : {"NULL", "30000"})
        for (const auto* earliest : {"true", "false"})
            for (const auto* count : {"100", "1000"})
                check(
                    sql::list_logs,
                    fmt::format("'default', {}, {}, '{{}}', {}, NULL, {}, false", cursor, count, earliest, bytes),
                    "Index Scan");
    for (const int count : {1, 100}) { // of a thousand in so small a table, reading all of it is cheaper
        CAPTURE(count);
        const auto messages = constant(kept, array("msg_", 5000, count));
        check(
            sql::list_logs, fmt::format("'default', NULL, 100, '{{}}', true, {}, {}, false", messages, bytes),
            "log_of_message");
        check(sql::cancel_messages, fmt::format("'default', 1, {}, '{{}}', {}", count, messages), "message_pkey");
        const auto letters = constant(
            kept, fmt::format(
                      "ARRAY(SELECT dlq_id FROM tidesync_qstash.message "
                      "WHERE dlq_id IS NOT NULL LIMIT {})",
                      count));
        check(sql::take_from_dlq, fmt::format("'default', {}", letters), "message_dlq_id_key");
        check(
            sql::list_dlq, fmt::format("'default', NULL, '', {}, '{{}}', {}, NULL, {}, false", count, letters, bytes),
            "Index");
    }
    check(sql::cancel_messages, "'default', 1, 500, '{\"to_ms\":1795000000000}', NULL", "message_due");
    check(sql::list_dlq, fmt::format("'default', NULL, '', 100, '{{}}', NULL, NULL, {}, false", bytes), "message_dead");
    check(
        sql::list_dlq, fmt::format("'default', 1790001000000, 'm', 100, '{{}}', NULL, NULL, {}, false", bytes),
        "message_dead");
    check(
        sql::list_dlq, fmt::format("'default', NULL, '', 1, '{{}}', NULL, '{{dead_7}}', {}, false", bytes),
        "message_pkey");
}
