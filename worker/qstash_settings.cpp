#include "worker/qstash_settings.hpp"

#include "qstash/client.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::size_t token_bytes_min = 24;

/// The keys of QStash, which come in pairs: one pair without a region, one for each region. Each is tried.
class key_reader {
public:
    key_reader(settings_reader& from, settings& values, bool insecure_dev, qstash::key_maker maker)
        : from_{from}
        , values_{values}
        , development_keys_{insecure_dev && is_loopback(values.listen.host)}
        , maker_{maker} {}

    void read() {
        if (maker_ == qstash::key_maker::owner) return read_pair({"", ""}, true); // regions are QStash's
        // A region of which anything is set is meant: what is missing there is the problem, not the plain pair.
        read_pair({"", ""}, std::ranges::none_of(regions, [this](const region& r) { return anything_given(r); }));
        for (const auto& one : regions) read_pair(one, false);
    }

private:
    struct region {
        std::string_view prefix; ///< of the names
        std::string_view label;
    };

    static constexpr std::array regions{region{"US_EAST_1_", "us-east-1/"}, region{"EU_CENTRAL_1_", "eu-central-1/"}};

    static std::string current_name(const region& r) { return fmt::format("{}QSTASH_CURRENT_SIGNING_KEY", r.prefix); }
    static std::string next_name(const region& r) { return fmt::format("{}QSTASH_NEXT_SIGNING_KEY", r.prefix); }

    [[nodiscard]] bool anything_given(const region& r) const {
        return from_.given(current_name(r)) || from_.given(next_name(r));
    }

    /// Half a pair stops working with the next rotation, or has stopped already: both or none.
    void read_pair(const region& r, bool is_required) {
        if (!is_required && !anything_given(r)) return;
        read_key(current_name(r), fmt::format("{}current", r.label));
        read_key(next_name(r), fmt::format("{}next", r.label));
    }

    void read_key(const std::string& name, const std::string& label) {
        const bool own = maker_ == qstash::key_maker::owner;
        auto key = from_.required(name, own ? qstash::own_key_hint : "the signing key that the QStash console shows");
        if (!key) return;
        const bool allowed_here = development_keys_ && qstash::public_development_key(*key);
        if (const auto reason = qstash::weak_key(*key, maker_); reason && !allowed_here)
            return from_.problem(name, *reason);
        // Keys differ between regions as well, so that two of one value are a mistake of copying.
        if (const auto same = names_.find(*key); same != names_.end())
            from_.problem(
                name,
                fmt::format("is the same as {}: {}", same->second, own ? "make two" : "copy each from the console"));
        names_.emplace(*key, name);
        values_.signing_keys.push_back({label, std::move(*key)});
    }

    settings_reader& from_;
    settings& values_;
    bool development_keys_;
    qstash::key_maker maker_;
    std::map<std::string, std::string> names_; ///< by key
};

/// Whether this can be a bearer token, to send or to accept; says why not.
/// @param instead  where a token comes from
bool is_token(settings_reader& from, const std::string& token, std::string_view instead) {
    constexpr std::string_view name = "QSTASH_TOKEN";
    if (token.starts_with("sig_")) {
        from.problem(name, fmt::format("this is a signing key; {}", instead));
        return false;
    }
    if (!qstash::is_visible(token) || token.starts_with('"') || token.starts_with('\'')) {
        from.problem(name, "expected the token alone: visible ASCII characters, no quotes, no `Bearer`");
        return false;
    }
    return true;
}

/// What clients of the local scheduler send.
void read_own_token(settings_reader& from, settings& values) {
    constexpr std::string_view make_one = "make a token with `openssl rand -hex 32`";
    auto token = from.required("QSTASH_TOKEN", "what clients send as a bearer token: openssl rand -hex 32 makes one");
    if (!token || !is_token(from, *token, make_one)) return;
    if (token->size() < token_bytes_min)
        return from.problem(
            "QSTASH_TOKEN", fmt::format("expected at least {} characters: {}", token_bytes_min, make_one));
    if (std::ranges::any_of(values.signing_keys, [&](const auto& key) { return key.value == *token; }))
        return from.problem("QSTASH_TOKEN", fmt::format("this is a signing key; {}", make_one));
    values.qstash_token = secret{std::move(*token)};
}

/// @returns the host that an entry of the allowed ones names; nothing when it is more or less than a host
std::optional<qstash::local::destination> parse_host(const std::string& name) {
    if (name.find_first_of("/?#@[]") != std::string::npos) return std::nullopt;
    try { // a colon that is not of an IPv6 address has a port behind it
        const bool colon = name.find(':') != std::string::npos;
        return qstash::local::parse_destination("https://" + (colon ? '[' + name + ']' : name));
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
}

/// @returns why an entry can never match a host, and what it should have been
std::optional<std::string> refuse_host_entry(const std::string& entry) {
    if (entry == "*") return std::nullopt;
    const auto shown = entry.find('@') != std::string::npos ? "an entry with a user" : entry.substr(0, 100);
    const auto name = entry.starts_with("*.") ? entry.substr(2) : entry;
    const auto host = parse_host(name);
    if (!host)
        return fmt::format(
            "{}: expected app.example.com, *.example.org, or *, without scheme, port and path; networks belong into "
            "TIDESYNC_QSTASH_ALLOW_NETWORKS",
            shown);
    if (qstash::local::refuse_host(*host, {.hosts = {name}, .networks = {}}))
        return fmt::format("{}: not a public address; it belongs into TIDESYNC_QSTASH_ALLOW_NETWORKS", shown);
    return std::nullopt;
}

} // namespace

void read_public_url(settings_reader& from, settings& values, bool is_required) {
    const std::string old_name = "NEXT_PUBLIC_APP_URL";
    const std::string new_name = "TIDESYNC_PUBLIC_URL";
    const auto& name = from.given(old_name) && !from.given(new_name) ? old_name : new_name;
    auto url = is_required ? from.required(name, "the address that QStash calls, such as https://sync.example.com")
                           : from.text(name);
    if (!url) return;
    while (url->ends_with('/')) url->pop_back();
    const auto parts = split_url(*url);
    if (!parts || !parts->plain)
        return from.problem(
            name, "expected https://host[:port][/path] without user, query or fragment, the port from 1 to 65535");
    if (parts->scheme != "https" && !is_loopback(parts->host))
        return from.problem(name, "must be https unless it names this machine: deliveries carry signatures");
    values.public_url = std::move(*url);
}

void read_qstash_url(settings_reader& from, settings& values) {
    const std::string name = "QSTASH_URL";
    auto url = from.text(name);
    if (!url) return;
    const auto cut = [&](std::string_view end) {
        if (url->ends_with(end)) url->resize(url->size() - end.size());
    };
    while (url->ends_with('/')) url->pop_back();
    cut("/publish"); // people paste the address they know from an example
    cut("/v2");
    const auto parts = split_url(*url);
    if (!parts || !parts->plain || url->find('/', parts->scheme.size() + 3) != std::string::npos)
        return from.problem(name, "expected https://host[:port], such as https://qstash.upstash.io");
    if (parts->scheme != "https" && !is_loopback(parts->host))
        return from.problem(name, "must be https unless it names this machine: every call carries QSTASH_TOKEN");
    try {
        const qstash::client knows_best{{.url = *url, .token = "any"}};
    } catch (const std::invalid_argument& e) {
        return from.problem(name, e.what());
    }
    values.qstash_url = std::move(*url);
}

void read_qstash_token(settings_reader& from, settings& values, bool is_required) {
    const std::string name = "QSTASH_TOKEN";
    auto token = is_required ? from.required(name, "the token that the QStash console shows") : from.text(name);
    if (!token && !is_required)
        from.note("QSTASH_TOKEN is not set: the schedule route, `tidesync schedule` and `tidesync setup` need it");
    if (!token) return;
    if (!is_token(from, *token, "the token stands beside it in the console")) return;
    values.qstash_token = secret{std::move(*token)};
}

void read_signing_keys(settings_reader& from, settings& values, bool insecure_dev) {
    key_reader{from, values, insecure_dev, qstash::key_maker::console}.read();
}

void read_scheduler(settings_reader& from, settings& values, purpose what_for) {
    auto& scheduler = values.scheduler;
    scheduler.store = from.database("TIDESYNC_QSTASH_DATABASE_URL", what_for != purpose::migrate);
    if (what_for == purpose::migrate) return;
    for (auto& host : from.list("TIDESYNC_QSTASH_ALLOW_HOSTS")) {
        if (const auto wrong = refuse_host_entry(host)) from.problem("TIDESYNC_QSTASH_ALLOW_HOSTS", *wrong);
        scheduler.policy.hosts.push_back(std::move(host));
    }
    read_public_url(from, values, false);
    if (const auto own = split_url(values.public_url))
        scheduler.policy.hosts.push_back(own->host); // it exists to call it
    for (const auto& range : from.list("TIDESYNC_QSTASH_ALLOW_NETWORKS")) {
        try {
            scheduler.policy.networks.push_back(qstash::local::network::parse(range));
        } catch (const std::invalid_argument& e) {
            from.problem("TIDESYNC_QSTASH_ALLOW_NETWORKS", e.what());
        }
    }
    if (what_for == purpose::scheduler_dev) return;
    key_reader{from, values, false, qstash::key_maker::owner}.read();
    read_own_token(from, values);
}

} // namespace tidesync::worker
