#include "tests/jobs/sync_fixture.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

namespace tidesync::tests {

namespace {

const jobs::table_report* find(const jobs::result& result, std::string_view table) {
    const auto found = std::ranges::find(result.what.tables, table, &jobs::table_report::name);
    return found == result.what.tables.end() ? nullptr : &*found;
}

std::string text(const pqxx::field& field) { return field.is_null() ? std::string{} : field.as<std::string>(); }

/// The columns that a sync has to bring over: on both sides, and not computed by production.
struct shared_columns {
    std::vector<std::string> names; ///< quoted
    std::vector<std::string> types; ///< with length and precision
};

shared_columns read_shared_columns(const pair_of_databases& both, const std::string& table) {
    const auto list = fmt::format(
        "SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = "
        "'{}'::regclass AND attnum > 0 AND NOT attisdropped",
        table);
    const auto slaves = both.slave.run(list);
    shared_columns result;
    for (const auto& row : both.production.run(list + " AND attgenerated = '' ORDER BY attnum")) {
        const auto is_same = [&](const auto& other) { return text(other[0]) == text(row[0]); };
        if (std::none_of(slaves.begin(), slaves.end(), is_same)) continue;
        result.names.push_back(text(row[0]));
        result.types.push_back(text(row[1]));
    }
    return result;
}

std::string all_of(const std::vector<std::string>& names, std::string_view pattern) {
    std::vector<std::string> terms;
    terms.reserve(names.size());
    for (const auto& name : names) terms.push_back(fmt::format(fmt::runtime(pattern), name));
    return fmt::format("{}", fmt::join(terms, ", "));
}

std::string from(const database& where, const std::string& table) {
    const bool partitioned =
        where.value(fmt::format("SELECT relkind = 'p' FROM pg_class WHERE oid = '{}'::regclass", table)) == "t";
    return (partitioned ? "" : "ONLY ") + table;
}

} // namespace

std::unique_ptr<pooler_process> pooler_for(const database& where) {
    if (std::getenv("TIDESYNC_TEST_POOLED") == nullptr) return nullptr; // NOLINT(concurrency-mt-unsafe): nobody sets it
    return std::make_unique<pooler_process>(where, pooler_process::rules{});
}

slave_to_prod::slave_to_prod sync_fixture::job() const {
    return slave_to_prod::slave_to_prod{
        {.slave = postgres::address::parse(slave_url),
         .production = postgres::address::parse(production_url),
         .rules = rules,
         .limits = limits}};
}

jobs::run_context sync_fixture::next_run() {
    return {
        .job = slave_to_prod::job_of_group(rules.group),
        .run_id = both.slave.value("SELECT gen_random_uuid()"),
        .lease_token = ++lease_token_,
        .stop = stop.get_token(),
        .progress = &progress};
}

jobs::result sync_fixture::sync(const jobs::run_context& run) const { return job().sync(run, jobs::sync_mode::apply); }

jobs::settlement sync_fixture::settle(const jobs::run_context& run) const { return job().settle(run); }

jobs::result sync_fixture::dry_run() { return job().sync(next_run(), jobs::sync_mode::dry_run); }

jobs::result sync_fixture::check() { return job().check(next_run()); }

std::string sync_fixture::difference(const std::string& table, const std::string& key) const {
    const auto columns = read_shared_columns(both, table);
    std::vector<std::string> definitions;
    definitions.reserve(columns.names.size());
    for (std::size_t i = 0; i < columns.names.size(); ++i)
        definitions.push_back(columns.names[i] + ' ' + columns.types[i]);
    // The slave's rows travel as text here; the job prefers binary.
    pqxx::connection connection{both.production.url()};
    pqxx::work transaction{connection};
    transaction.exec("CREATE SCHEMA verification; CREATE EXTENSION dblink SCHEMA verification");
    transaction.exec(fmt::format(
        "CREATE TABLE verification.theirs AS SELECT {0} FROM {1} WITH NO DATA; "
        "INSERT INTO verification.theirs SELECT * FROM verification.dblink({2}, {3}) AS r ({4})",
        fmt::join(columns.names, ", "), table, transaction.quote(both.slave.url()),
        transaction.quote(fmt::format("SELECT {} FROM {}", fmt::join(columns.names, ", "), from(both.slave, table))),
        fmt::join(definitions, ", ")));
    const auto row = transaction.exec(fmt::format(
        "CREATE TABLE verification.ours AS SELECT {0} FROM {1} AS t JOIN (SELECT {2} FROM verification.theirs) AS k "
        "USING ({2}); "
        "SELECT (SELECT count(*) FROM (SELECT {3} FROM verification.theirs EXCEPT ALL SELECT {3} FROM "
        "verification.ours)"
        " AS a), (SELECT count(*) FROM (SELECT {3} FROM verification.ours EXCEPT ALL SELECT {3} FROM "
        "verification.theirs) AS b), (SELECT count(*) FROM verification.ours AS t JOIN verification.theirs AS s USING "
        "({2}) WHERE ROW({4})::record *<> ROW({5})::record), (SELECT count(*) FROM verification.theirs), "
        "(SELECT count(*) FROM verification.ours)",
        all_of(columns.names, "t.{}"), from(both.production, table), key, all_of(columns.names, "{}::text"),
        all_of(columns.names, "t.{}"), all_of(columns.names, "s.{}")))[0];
    const auto count = [&](int i) { return row[i].as<std::int64_t>(); };
    if (count(0) == 0 && count(1) == 0 && count(2) == 0 && count(3) == count(4)) return {};
    return fmt::format(
        "{}: of {} rows on the slave {} are in production; EXCEPT ALL finds {} and {}, {} images differ", table,
        count(3), count(4), count(0), count(1), count(2));
}

std::string sync_fixture::rows_of(const database& where) const {
    std::string all;
    const auto tables = where.run(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|tidesync|information_schema)' ORDER BY 1");
    for (const auto& row : tables)
        all += fmt::format(
            "{}: {}\n", text(row[0]),
            where.value(fmt::format(
                "SELECT count(*) || ' ' || md5(coalesce(string_agg(concat_ws(' ', ctid, xmin, t::text), '; ' ORDER BY "
                "ctid), '')) FROM ONLY {} AS t",
                text(row[0]))));
    return all;
}

std::string sync_fixture::staging() const {
    return both.production.value("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class "
                                 "WHERE relnamespace = 'tidesync_staging'::regnamespace AND relkind <> 'i'");
}

std::string ending(const jobs::result& result) {
    const auto text = [](std::string_view word, const jobs::failure& why) {
        return fmt::format("{} {}: {} | {}", word, jobs::to_string(why.code), why.message, why.hint);
    };
    if (const auto* again = std::get_if<jobs::retry>(&result.how)) return text("retry", again->why);
    if (const auto* never = std::get_if<jobs::give_up>(&result.how)) return text("give_up", never->why);
    return "done";
}

std::string written(const jobs::result& result, std::string_view table) {
    const auto* found = find(result, table);
    if (found == nullptr) return "no such table";
    return fmt::format("+{} ~{} ={}", found->inserted, found->updated, found->unchanged);
}

std::string found(const jobs::result& result, std::string_view table) {
    const auto* found = find(result, table);
    if (found == nullptr) return "no such table";
    return fmt::format(
        "missing {}, different {}, extra {} of {}", found->missing, found->different, found->extra, found->total);
}

std::string lacking(std::string_view text, std::initializer_list<std::string_view> words) {
    for (const auto word : words)
        if (text.find(word) == std::string_view::npos) return fmt::format("\"{}\" is not in: {}", word, text);
    return {};
}

std::string warnings(const jobs::result& result) { return fmt::format("{}", fmt::join(result.what.warnings, "\n")); }

std::string with_login(const std::string& url, std::string_view user, std::string_view password) {
    std::string encoded;
    for (const char c : password) encoded += c == ' ' ? std::string{"%20"} : std::string{c};
    return fmt::format("postgresql://{}:{}{}", user, encoded, url.substr(url.rfind('@')));
}

login_role::login_role(const database& where)
    : where_{where} {
    static std::atomic<int> count{0};
    name_ = fmt::format("tester_{}_{}", getpid(), ++count);
    where_.run(fmt::format("CREATE ROLE {} LOGIN PASSWORD '{}'", name_, password_));
}

login_role::~login_role() {
    try {
        where_.run(fmt::format("DROP OWNED BY {0}; DROP ROLE {0}", name_));
    } catch (const std::exception& e) {
        fmt::print(stderr, "role {} is left behind: {}\n", name_, e.what());
    }
}

} // namespace tidesync::tests
