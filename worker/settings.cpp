#include "worker/settings.hpp"

#include "worker/job_file.hpp"

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
#include <unistd.h>

extern char** environ; // NOLINT(readability-redundant-declaration): POSIX leaves it to the program to declare

namespace tidesync::worker {

namespace {

constexpr std::size_t setting_bytes_max = 16UL * 1024;
constexpr std::size_t admin_token_bytes_min = 24;

const std::set<std::string> known_names = {
    "SLAVE_DATABASE_URL",       "PROD_DATABASE_URL",      "TIDESYNC_DATABASE_URL", "QSTASH_CURRENT_SIGNING_KEY",
    "QSTASH_NEXT_SIGNING_KEY",  "TIDESYNC_PUBLIC_URL",    "TIDESYNC_ADMIN_TOKEN",  "TIDESYNC_LISTEN",
    "TIDESYNC_CLOCK_TOLERANCE", "TIDESYNC_DELIVERY_WAIT", "TIDESYNC_DRAIN_LIMIT",  "TIDESYNC_CONFIG"};

/// Reads one setting after the other and remembers what was wrong with each.
class reader {
public:
    reader(const environment& env, loading& into)
        : env_{env}
        , into_{into} {}

    void problem(std::string_view name, std::string_view what) {
        into_.problems.push_back(fmt::format("{}: {}", name, what));
    }

    /// The variable, or the contents of the file that `<name>_FILE` names.
    std::optional<std::string> text(const std::string& name) {
        const auto direct = env_.find(name);
        const auto file = env_.find(name + "_FILE");
        if (direct != env_.end() && file != env_.end()) {
            problem(name, fmt::format("set both directly and as {}_FILE: keep one of them", name));
            return std::nullopt;
        }
        auto value = file != env_.end()     ? from_file(name + "_FILE", file->second)
                     : direct != env_.end() ? std::optional{direct->second}
                                            : std::nullopt;
        if (value && value->size() > setting_bytes_max) {
            problem(name, fmt::format("longer than {} bytes", setting_bytes_max));
            return std::nullopt;
        }
        if (value && value->empty()) return std::nullopt;
        return value;
    }

    std::optional<std::string> required(const std::string& name, std::string_view expected) {
        const auto before = into_.problems.size();
        auto value = text(name);
        if (!value && into_.problems.size() == before)
            problem(name, fmt::format("not set: expected {}, here or in a file named by {}_FILE", expected, name));
        return value;
    }

    postgres::address database(const std::string& name, bool is_required) {
        constexpr std::string_view expected = "postgresql://user:password@host:port/database";
        const auto url = is_required ? required(name, expected) : text(name);
        if (!url) return {};
        try {
            auto address = postgres::address::parse(*url);
            if (!address.guarded())
                into_.notes.push_back(fmt::format(
                    "{}: the connection to {} does not check the server's name (sslmode below verify-full)", name,
                    address.describe()));
            return address;
        } catch (const std::invalid_argument& e) {
            problem(name, e.what());
            return {};
        }
    }

    void seconds(const std::string& name, std::chrono::seconds& value, int most) {
        const auto given = text(name);
        if (!given) return;
        int number = 0;
        const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), number);
        if (error != std::errc{} || end != given->data() + given->size() || number < 0 || number > most)
            return problem(name, fmt::format("expected whole seconds from 0 to {}", most));
        value = std::chrono::seconds{number};
    }

private:
    std::optional<std::string> from_file(const std::string& name, const std::string& path) {
        std::ifstream stream{path, std::ios::binary};
        if (!stream) {
            problem(name, fmt::format("cannot read {}: expected a readable file with the value in it", path));
            return std::nullopt;
        }
        std::string contents(setting_bytes_max + 2, '\0');
        stream.read(contents.data(), static_cast<std::streamsize>(contents.size()));
        contents.resize(static_cast<std::size_t>(stream.gcount()));
        while (!contents.empty() && (contents.back() == '\n' || contents.back() == '\r')) contents.pop_back();
        return contents;
    }

    const environment& env_;
    loading& into_;
};

struct url_parts {
    std::string scheme;
    std::string host;
    bool plain = false; ///< no user, query or fragment
};

std::optional<url_parts> split_url(const std::string& url) {
    const auto colon = url.find("://");
    if (colon == std::string::npos) return std::nullopt;
    url_parts parts;
    parts.scheme = url.substr(0, colon);
    const auto rest = url.substr(colon + 3);
    auto authority = rest.substr(0, rest.find_first_of("/?#"));
    parts.plain = authority.find('@') == std::string::npos && rest.find_first_of("?#") == std::string::npos;
    if (authority.starts_with('['))
        parts.host = authority.substr(1, authority.find(']') - 1);
    else
        parts.host = authority.substr(0, authority.rfind(':'));
    const bool visible = std::ranges::all_of(url, [](unsigned char c) { return c > ' ' && c < 127; });
    if ((parts.scheme != "http" && parts.scheme != "https") || parts.host.empty() || !visible) return std::nullopt;
    return parts;
}

void read_public_url(reader& from, settings& values) {
    const std::string name = "TIDESYNC_PUBLIC_URL";
    auto url = from.text(name);
    if (!url) url = from.text("NEXT_PUBLIC_APP_URL");
    if (!url)
        return from.problem(name, "not set: expected the address that QStash calls, such as https://sync.example.com");
    while (url->ends_with('/')) url->pop_back();
    const auto parts = split_url(*url);
    if (!parts || !parts->plain)
        return from.problem(name, "expected https://host[:port][/path] without user, query or fragment");
    if (parts->scheme != "https" && !is_loopback(parts->host))
        return from.problem(name, "must be https unless it names this machine: deliveries carry signatures");
    values.public_url = std::move(*url);
}

void read_listen(reader& from, settings& values) {
    const auto given = from.text("TIDESYNC_LISTEN");
    if (!given) return;
    const auto colon = given->rfind(':');
    unsigned port = 0;
    bool good = colon != std::string::npos && colon > 0;
    if (good) {
        const auto* first = given->data() + colon + 1;
        const auto* last = given->data() + given->size();
        const auto [end, error] = std::from_chars(first, last, port);
        good = error == std::errc{} && end == last && port <= 65535;
    }
    auto host = given->substr(0, good ? colon : 0);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    std::array<unsigned char, sizeof(in6_addr)> ignored{};
    const bool is_address = host == "localhost" || inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
                            inet_pton(AF_INET6, host.c_str(), ignored.data()) == 1;
    if (!is_address)
        return from.problem("TIDESYNC_LISTEN", "expected IP-address:port, such as 127.0.0.1:8090 or [::]:8090");
    values.listen = {host, static_cast<std::uint16_t>(port)};
}

void read_signing_keys(reader& from, settings& values, bool insecure_dev) {
    for (const auto& [label, name] :
         {std::pair{"current", "QSTASH_CURRENT_SIGNING_KEY"}, std::pair{"next", "QSTASH_NEXT_SIGNING_KEY"}}) {
        auto key = from.required(name, "the signing key that the QStash console shows");
        if (!key) continue;
        const bool allowed_here =
            insecure_dev && qstash::public_development_key(*key) && is_loopback(values.listen.host);
        if (const auto reason = qstash::weak_key(*key); reason && !allowed_here) {
            from.problem(name, *reason);
            continue;
        }
        values.signing_keys.push_back({label, std::move(*key)});
    }
    if (values.signing_keys.size() == 2 && values.signing_keys[0].value == values.signing_keys[1].value)
        from.problem(
            "QSTASH_NEXT_SIGNING_KEY", "is the same as QSTASH_CURRENT_SIGNING_KEY: copy both from the console");
}

void read_admin_token(reader& from, settings& values) {
    auto token = from.required(
        "TIDESYNC_ADMIN_TOKEN",
        fmt::format("at least {} random characters (openssl rand -hex 32)", admin_token_bytes_min));
    if (!token) return;
    const bool visible = std::ranges::all_of(*token, [](unsigned char c) { return c > ' ' && c < 127; });
    if (token->size() < admin_token_bytes_min || !visible)
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

void find_job_file(reader& from, const std::string& given, settings& values) {
    values.job_file = given;
    if (values.job_file.empty()) values.job_file = from.text("TIDESYNC_CONFIG").value_or("");
    if (values.job_file.empty() && std::filesystem::exists("tidesync.yaml")) values.job_file = "tidesync.yaml";
}

} // namespace

loading load_settings(const environment& env, purpose what_for, const std::string& job_file, bool insecure_dev) {
    loading result;
    auto& values = result.values;
    reader from{env, result};

    const bool works = what_for == purpose::serve || what_for == purpose::job;
    values.slave = from.database("SLAVE_DATABASE_URL", works);
    values.run_store = from.database("TIDESYNC_DATABASE_URL", false);
    values.production =
        from.database("PROD_DATABASE_URL", works || what_for == purpose::migrate || !values.run_store.given());
    if (!values.run_store.given()) values.run_store = values.production;

    if (values.slave.given() && values.slave.describe() == values.production.describe())
        from.problem(
            "SLAVE_DATABASE_URL",
            fmt::format(
                "names the same database as PROD_DATABASE_URL, {}: there is nothing to sync", values.slave.describe()));

    read_listen(from, values);
    from.seconds("TIDESYNC_CLOCK_TOLERANCE", values.clock_tolerance, 60);
    from.seconds("TIDESYNC_DELIVERY_WAIT", values.delivery_wait, 600);
    from.seconds("TIDESYNC_DRAIN_LIMIT", values.drain_limit, 3600);
    if (what_for == purpose::serve) {
        if (insecure_dev && !is_loopback(values.listen.host))
            from.problem("TIDESYNC_LISTEN", "--insecure-dev needs a loopback address, such as 127.0.0.1:8090");
        read_public_url(from, values);
        read_signing_keys(from, values, insecure_dev);
        read_admin_token(from, values);
    }
    find_job_file(from, job_file, values);
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

} // namespace tidesync::worker
