#include "jobs/stores/postgres/failure.hpp"

#include "tests/catch.hpp"

#include <string>
#include <vector>

using namespace tidesync;
using postgres::error;
using postgres::outcome_of;
using postgres::presentable;

TEST_CASE("a message is shown without what may quote a row", "[jobs][failure]") {
    struct row {
        std::string state, message, shown;
    };
    const std::vector<row> cases{
        {"23505",
         "ERROR:  duplicate key value violates unique constraint \"t_pkey\"\nDETAIL:  Key (id)=(CANARY) already "
         "exists.\n",
         "duplicate key value violates unique constraint \"t_pkey\""},
        {"23503",
         "ERROR:  insert or update on table \"a\" violates foreign key constraint \"f\"\nDETAIL:  Key (b)=(CANARY) is "
         "not present\n",
         "insert or update on table \"a\" violates foreign key constraint \"f\""},
        {"23514",
         "ERROR:  new row for relation \"t\" violates check constraint \"c\"\nDETAIL:  Failing row contains "
         "(CANARY).\nCONTEXT:  CANARY",
         "new row for relation \"t\" violates check constraint \"c\""},
        {"22P02", "ERROR:  invalid input syntax for type integer: \"CANARY\"\nCONTEXT:  COPY t, line 1",
         "invalid input syntax for type integer: (value not shown)"},
        {"22P02", "ERROR:  invalid input value for enum mood: \"CANARY \"quoted\" CANARY\"",
         "invalid input value for enum mood: (value not shown)"},
        {"22P02", "ERROR:  invalid input syntax for type integer: \"two\nlines of CANARY\"",
         "invalid input syntax for type integer: (value not shown)"},
        {"22003", "ERROR:  value \"CANARY\" is out of range for type integer",
         "value (value not shown) is out of range for type integer"},
        {"22003", "ERROR:  \"CANARY\" is out of range for type double precision",
         "(value not shown) is out of range for type double precision"},
        {"22008", "ERROR:  date/time field value out of range: \"CANARY\"\nHINT:  CANARY",
         "date/time field value out of range: (value not shown)"},
        {"22007", "ERROR:  invalid value \"CANARY\" for \"YYYY\"", "invalid value (value not shown)"},
        {"22001", "ERROR:  value too long for type character varying(3)",
         "value too long for type character varying(3)"},
        {"P0001", "ERROR:  no credit for CANARY\nCONTEXT:  PL/pgSQL",
         "a trigger or function raised an exception; its words may quote the row, so only the server's log has "
         "them"},
        {"57014", "FATAL:  canceling statement due to user request\n", "canceling statement due to user request"},
        {"", "connection to server at \"h\" (10.0.0.1), port 5432 failed: Connection refused\n\tIs the server running?",
         "connection to server at \"h\" (10.0.0.1), port 5432 failed: Connection refused"},
        {"", "", ""},
        {"22P02", "\"", "(value not shown)"},
    };
    for (const auto& [state, message, shown] : cases) {
        CAPTURE(state, message);
        CHECK(presentable(message, state) == shown);
        CHECK(presentable(message, state).find("CANARY") == std::string::npos);
    }
    CHECK(presentable(std::string(100000, 'x'), "XX000").size() <= 500);
}

TEST_CASE("an error names the side, what was being done, and the cause", "[jobs][failure]") {
    const error e{"production", "inserting into public.t", "23505", "ERROR:  duplicate key\nDETAIL:  CANARY"};
    CHECK(std::string{e.what()} == "production: inserting into public.t: duplicate key");
    CHECK(e.side() == "production");
    CHECK(e.sqlstate() == "23505");
    CHECK_FALSE(e.in_doubt);
}

TEST_CASE("what passes with time is tried again, the rest needs a person", "[jobs][failure]") {
    struct row {
        std::string state, message;
        bool again;
        std::string_view code;
    };
    const std::vector<row> cases{
        {"08006", "connection failure", true, "unreachable"},
        {"57P01", "terminating connection due to administrator command", true, "unreachable"},
        {"57P02", "crash shutdown", true, "unreachable"},
        {"57P03", "the database system is starting up", true, "unreachable"},
        {"57P05", "terminating connection due to idle-session timeout", true, "unreachable"},
        {"", "server closed the connection unexpectedly", true, "unreachable"},
        {"", "SSL error: certificate verify failed", true, "unreachable"},
        {"40001", "could not serialize access", true, "busy"},
        {"40P01", "deadlock detected", true, "busy"},
        {"55P03", "canceling statement due to lock timeout", true, "busy"},
        {"53100", "could not extend file", true, "busy"},
        {"53300", "too many connections", true, "busy"},
        {"55006", "object is in use", true, "busy"},
        {"57014", "canceling statement due to statement timeout", false, "time_limit"},
        {"42501", "permission denied for table t", false, "access_denied"},
        {"28P01", "password authentication failed", false, "access_denied"},
        {"25006", "cannot execute INSERT in a read-only transaction", false, "access_denied"},
        {"", "FATAL:  password authentication failed for user \"x\"", false, "access_denied"},
        {"", "FATAL:  role \"x\" does not exist", false, "access_denied"},
        {"", "FATAL:  database \"x\" does not exist", false, "access_denied"},
        {"", "FATAL:  no pg_hba.conf entry for host", false, "access_denied"},
        {"", "fe_sendauth: no password supplied", false, "access_denied"},
        {"42P01", "relation \"tidesync.applied\" does not exist", false, "not_set_up"},
        {"3F000", "schema \"tidesync_staging\" does not exist", false, "not_set_up"},
        {"22001", "value too long", false, "data_refused"},
        {"23505", "duplicate key", false, "data_refused"},
        {"23514", "check", false, "data_refused"},
        {"44000", "check option", false, "data_refused"},
        {"42804", "wrong number of columns: 2, expected 1", false, "data_refused"},
        {"P0001", "raised", false, "data_refused"},
        {"42P01", "relation \"public.t\" does not exist", true, "busy"},
        {"42703", "column \"v\" does not exist", true, "busy"},
        {"55000", "cannot update table \"t\" because it does not have a replica identity", false, "data_refused"},
        {"42601", "syntax error", false, "internal"},
        {"XX000", "cache lookup failed", false, "internal"},
    };
    for (const auto& [state, message, again, code] : cases) {
        CAPTURE(state, message);
        const auto how = outcome_of({"production", "working", state, message});
        const auto* retry = std::get_if<jobs::retry>(&how);
        const auto* give_up = std::get_if<jobs::give_up>(&how);
        REQUIRE((retry != nullptr) == again);
        REQUIRE((give_up != nullptr) == !again);
        const auto why = retry != nullptr ? retry->why : give_up != nullptr ? give_up->why : jobs::failure{};
        CHECK(jobs::to_string(why.code) == code);
        CHECK(why.message.starts_with("production: working"));
        CHECK(!why.hint.empty());
        if (retry != nullptr) CHECK(retry->after.count() > 0);
    }
}

TEST_CASE("an error keeps the name it was given first", "[jobs][failure]") {
    const auto act = [] {
        postgres::named("production", "applying", [] {
            postgres::named("production", "updating public.t", [] { throw error{"slave", "reading", "23505", "x"}; });
        });
    };
    CHECK_THROWS_AS(act(), error);
    try {
        act();
    } catch (const error& e) {
        CHECK(e.side() == "slave");
    }
}
