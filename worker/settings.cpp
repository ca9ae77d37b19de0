#include "worker/settings.hpp"

#include "worker/alarm_settings.hpp"
#include "worker/job_file.hpp"
#include "worker/qstash_settings.hpp"
#include "worker/settings_reader.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

extern char** environ; // NOLINT(readability-redundant-declaration): POSIX leaves it to the program to declare

namespace tidesync::worker {

namespace {

constexpr std::size_t admin_token_bytes_min = 24;
constexpr std::chrono::seconds lease_min{2};

const std::set<std::string> known_names = {
    "SLAVE_DATABASE_URL",
    "PROD_DATABASE_URL",
    "TIDESYNC_DATABASE_URL",
    "QSTASH_CURRENT_SIGNING_KEY",
    "QSTASH_NEXT_SIGNING_KEY",
    "TIDESYNC_PUBLIC_URL",
    "TIDESYNC_ADMIN_TOKEN",
    "TIDESYNC_ALARM_URL",
    "TIDESYNC_ALARM_SECRET",
    "TIDESYNC_PING_URL",
    "TIDESYNC_LISTEN",
    "TIDESYNC_ADMIN_LISTEN",
    "TIDESYNC_CLOCK_TOLERANCE",
    "TIDESYNC_DELIVERY_WAIT",
    "TIDESYNC_DRAIN_LIMIT",
    "TIDESYNC_LEASE",
    "TIDESYNC_CONFIG",
    "TIDESYNC_QSTASH_DATABASE_URL",
    "TIDESYNC_QSTASH_ALLOW_HOSTS",
    "TIDESYNC_QSTASH_ALLOW_NETWORKS",
    "QSTASH_URL",
    "QSTASH_TOKEN"};

std::optional<listen_address> read_address(settings_reader& from, std::string_view name) {
    const auto given = from.text(std::string{name});
    if (!given) return std::nullopt;
    auto where = parse_listen(*given, name);
    if (!where) from.problem(name, "expected IP-address:port, such as 127.0.0.1:8090 or [::]:8090");
    return where;
}

void read_listeners(settings_reader& from, settings& values) {
    if (const auto where = read_address(from, "TIDESYNC_LISTEN")) values.listen = *where;
    values.admin_listen = read_address(from, "TIDESYNC_ADMIN_LISTEN");
    const auto& [host, port, setting] = values.listen;
    if (values.admin_listen && port != 0 && values.admin_listen->port == port && values.admin_listen->host == host)
        from.problem("TIDESYNC_ADMIN_LISTEN", fmt::format("expected another address than {} has", setting));
}

/// The public keys open either listener.
void keep_on_loopback(settings_reader& from, const settings& values) {
    for (const auto* where : {&values.listen, values.admin_listen ? &*values.admin_listen : nullptr})
        if (where != nullptr && !is_loopback(where->host))
            from.problem(where->setting, "--insecure-dev needs a loopback address, such as 127.0.0.1:8090");
}

void read_admin_token(settings_reader& from, settings& values) {
    auto token = from.required(
        "TIDESYNC_ADMIN_TOKEN",
        fmt::format("at least {} random characters (openssl rand -hex 32)", admin_token_bytes_min));
    if (!token) return;
    if (token->size() < admin_token_bytes_min || !qstash::is_visible(*token))
        return from.problem(
            "TIDESYNC_ADMIN_TOKEN",
            fmt::format(
                "expected at least {} visible ASCII characters: make one with openssl rand -hex 32",
                admin_token_bytes_min));
    values.admin_token = secret{std::move(*token)};
}

/// Variables that people bring along from elsewhere, and what to set instead.
void note_foreign_names(const environment& env, loading& into) {
    static const std::map<std::string, std::string> elsewhere = {
        {"SUPABASE_URL", "PROD_DATABASE_URL"},
        {"NEXT_PUBLIC_SUPABASE_URL", "PROD_DATABASE_URL"},
        {"SUPABASE_DB_URL", "PROD_DATABASE_URL"},
        {"SUPABASE_SERVICE_ROLE_KEY", "the password in PROD_DATABASE_URL"},
        {"NEXT_PUBLIC_SUPABASE_ANON_KEY", "the password in PROD_DATABASE_URL"},
        {"SUPABASE_ANON_KEY", "the password in PROD_DATABASE_URL"},
        {"SLAVE_SUPABASE_URL", "SLAVE_DATABASE_URL"},
        {"DATABASE_URL", "PROD_DATABASE_URL or SLAVE_DATABASE_URL"}};
    for (const auto& [name, instead] : elsewhere)
        if (env.contains(name))
            into.notes.push_back(fmt::format(
                "{} is set and not used: Tidesync talks to PostgreSQL directly, set {} (project settings, Database, "
                "connection string)",
                name, instead));
    for (const auto& [name, value] : env) {
        if (!name.starts_with("TIDESYNC_") || name.starts_with("TIDESYNC_TEST_")) continue;
        const auto stem = name.ends_with("_FILE") ? name.substr(0, name.size() - 5) : name;
        if (!known_names.contains(stem)) into.notes.push_back(fmt::format("{} is not a setting of Tidesync", name));
    }
}

void read_databases(settings_reader& from, settings& values, purpose what_for) {
    const bool works = what_for == purpose::serve || what_for == purpose::job || what_for == purpose::setup ||
                       what_for == purpose::doctor;
    values.slave = from.database("SLAVE_DATABASE_URL", works);
    values.run_store = from.database("TIDESYNC_DATABASE_URL", false);
    // A scheduler may be all that is to be set up.
    const bool migrates = what_for == purpose::migrate && !from.given("TIDESYNC_QSTASH_DATABASE_URL");
    const bool needs_store = what_for != purpose::migrate && !values.run_store.given();
    values.production = from.database("PROD_DATABASE_URL", works || migrates || needs_store);
    if (!values.run_store.given()) values.run_store = values.production;

    if (values.slave.given() && values.slave.describe() == values.production.describe())
        from.problem(
            "SLAVE_DATABASE_URL",
            fmt::format(
                "names the same database as PROD_DATABASE_URL, {}: there is nothing to sync", values.slave.describe()));
}

void find_job_file(settings_reader& from, const std::string& given, settings& values) {
    values.job_file = given;
    if (values.job_file.empty()) values.job_file = from.text("TIDESYNC_CONFIG").value_or("");
    if (values.job_file.empty() && std::filesystem::exists("tidesync.yaml")) values.job_file = "tidesync.yaml";
}

} // namespace

loading load_settings(const environment& env, purpose what_for, const std::string& job_file, bool insecure_dev) {
    loading result;
    auto& values = result.values;
    settings_reader from{env, result};

    const bool serves = what_for == purpose::serve || what_for == purpose::setup;
    const bool asks_qstash = what_for == purpose::qstash || what_for == purpose::schedule;
    const bool schedules = what_for == purpose::scheduler || what_for == purpose::scheduler_dev;
    const bool asks_worker = what_for == purpose::health;
    if (!asks_qstash && !schedules && !asks_worker) read_databases(from, values, what_for);
    read_listeners(from, values);
    from.seconds("TIDESYNC_CLOCK_TOLERANCE", values.clock_tolerance, 60);
    from.seconds("TIDESYNC_DELIVERY_WAIT", values.delivery_wait, 600);
    from.seconds("TIDESYNC_DRAIN_LIMIT", values.drain_limit, 3600);
    from.seconds("TIDESYNC_LEASE", values.lease, 300);
    if (values.lease < lease_min)
        from.problem(
            "TIDESYNC_LEASE",
            fmt::format("expected at least {} s: its holder beats six times in it", lease_min.count()));
    const bool looks = what_for == purpose::doctor;
    if (serves || looks || what_for == purpose::schedule) read_public_url(from, values, !looks);
    if (serves || looks || asks_qstash) {
        read_qstash_url(from, values);
        read_qstash_token(from, values, what_for != purpose::serve && !looks);
    }
    if (serves) {
        if (insecure_dev) keep_on_loopback(from, values);
        read_signing_keys(from, values, insecure_dev);
        read_admin_token(from, values);
    }
    if (serves || what_for == purpose::job) read_alarms(from, values);
    if (schedules || what_for == purpose::migrate) read_scheduler(from, values, what_for);
    if (what_for != purpose::qstash && !schedules && !asks_worker) find_job_file(from, job_file, values);
    if (!values.job_file.empty()) read_job_file(values.job_file, values, result.problems);
    note_foreign_names(env, result);
    return result;
}

environment process_environment() {
    environment result;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view line = *entry;
        const auto equals = line.find('=');
        if (equals != std::string_view::npos) result.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
    return result;
}

bool is_loopback(const std::string& host) {
    // 127.evil.example.com is a name like any other.
    const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
    return host == "localhost" || host == "::1" || (numeric && host.starts_with("127."));
}

std::optional<listen_address> parse_listen(const std::string& text, std::string_view setting) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0) return std::nullopt;
    unsigned port = 0;
    const auto* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + colon + 1, last, port);
    if (error != std::errc{} || end != last || port > 65535) return std::nullopt;
    auto host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    std::array<unsigned char, sizeof(in6_addr)> ignored{};
    const bool is_address = host == "localhost" || inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
                            inet_pton(AF_INET6, host.c_str(), ignored.data()) == 1;
    if (!is_address) return std::nullopt;
    return listen_address{std::move(host), static_cast<std::uint16_t>(port), setting};
}

} // namespace tidesync::worker
